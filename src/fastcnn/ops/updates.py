"""What training does to plain arrays: the steps of optimizers, in place, the gathering of batches, and random numbers."""

from __future__ import annotations

import numpy as np

from fastcnn import _core


def sgd_step(
    weights: np.ndarray, gradients: np.ndarray, velocity: np.ndarray | None, rate: float, momentum: float = 0, nesterov: bool = False
) -> None:
    """Take ``rate * gradients`` from `weights`; with a velocity, ``velocity = momentum * velocity - rate * gradients``, and add that.

    With `nesterov`, what is added is ``momentum * velocity - rate * gradients`` for the new velocity.
    """
    _core.sgd_step(weights.size, gradients, rate, momentum, nesterov, weights, velocity)


def adam_step(
    weights: np.ndarray,
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    shares: tuple[float, float],
    epsilon: float,
) -> None:
    """Move `mean` and `square` by their `shares` of the way to the gradients and to their squares, and the weights with them.

    That is ``weights -= rate * mean / (sqrt(square) + epsilon)``.
    """
    _core.adam_step(weights.size, gradients, rate, *shares, epsilon, weights, mean, square)


def gather(array: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
    """Make `out` (n, ...), contiguous, ``array[indices]`` for good indices (n) of int64."""
    if array.flags.c_contiguous and len(array):
        _core.gather_rows(len(indices), len(array), array.nbytes // len(array), array, indices, out)
    else:
        np.take(array, indices, axis=0, out=out, mode="clip")  # to check them would cost a copy


def uniform(seed: int, epoch: int, place: int, samples: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (N, count) of float32 with numbers from [0, 1): each row by (seed, epoch, sample, place), for samples (N) of int64."""
    _core.uniform(seed, epoch % 2**32, place, len(samples), out.shape[1], samples, out)
