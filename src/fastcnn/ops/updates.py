"""What training does to flat float32 arrays: the steps of optimizers, in place, or what they are made of; and the gathering of batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastcnn import _core

#: Numbers a block of `blocks`. BLAS sums blocks of this size on one thread, so that its sums do not depend on how many there are.
BLOCK = 8192


def sgd_step(
    weights: np.ndarray,
    gradients: np.ndarray,
    velocity: np.ndarray | None,
    rate: float,
    momentum: float = 0,
    nesterov: bool = False,
    decay: float = 0,
) -> None:
    """Take ``rate * gradients`` from `weights`; with a velocity, ``velocity = momentum * velocity - rate * gradients``, and add that.

    With `nesterov`, what is added is ``momentum * velocity - rate * gradients`` for the new velocity. Before all that, ``decay *
    weights`` is taken from the weights.
    """
    _core.sgd_step(weights.size, gradients, rate, momentum, nesterov, decay, weights, velocity)


def adam_step(
    weights: np.ndarray,
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    shares: tuple[float, float],
    epsilon: float,
    decay: float = 0,
) -> None:
    """Move `mean` and `square` by their `shares` of the way to the gradients and to their squares, and the weights with them.

    That is ``weights -= rate * mean / (sqrt(square) + epsilon)``, after ``weights -= decay * weights``.
    """
    _core.adam_step(weights.size, gradients, rate, *shares, epsilon, decay, weights, mean, square)


def blocks(*arrays: np.ndarray, scratch: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut flat `arrays` of one size into blocks that stay in the cache from one pass to the next; yield these and `scratch` more.

    The scratch blocks, float32 and as long as the others, hold what the last round left there.
    """
    size = arrays[0].size
    temporaries = np.empty((scratch, min(size, BLOCK)), np.float32)
    for start in range(0, size, BLOCK):
        parts = [array[start : start + BLOCK] for array in arrays]
        yield *parts, *temporaries[:, : parts[0].size]


def decay(weights: np.ndarray, share: float, scratch: np.ndarray) -> None:
    """Take ``share * weights`` from `weights`."""
    if share:  # as 0 * Inf is not 0
        np.multiply(weights, share, out=scratch)
        weights -= scratch


def blend(average: np.ndarray, values: np.ndarray, kept: float, scratch: np.ndarray) -> None:
    """Make `average` ``kept * average + (1 - kept) * values``; `scratch` may be `values`."""
    average *= kept
    np.multiply(values, 1 - kept, out=scratch)
    average += scratch


def sum_of_squares(array: np.ndarray) -> float:
    """Return the sum of the squares of a flat `array`; Inf where that of a block is beyond float32."""
    return sum(float(np.dot(block, block)) for (block,) in blocks(array, scratch=0))


def gather(array: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
    """Make `out` (n, ...), contiguous, ``array[indices]`` for good indices (n) of int64."""
    if array.flags.c_contiguous and len(array):
        _core.gather_rows(len(indices), len(array), array.nbytes // len(array), array, indices, out)
    else:
        np.take(array, indices, axis=0, out=out, mode="clip")  # to check them would cost a copy
