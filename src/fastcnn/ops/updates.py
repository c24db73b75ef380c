"""What training does to plain arrays: the steps of optimizers, in place, sums, the gathering of batches, and random numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastcnn import _core

#: Numbers that are summed in float32 before float64 takes over: so few that BLAS sums them on one thread, whatever its threads.
BLOCK = 8192


def step(
    rule: str,
    weights: np.ndarray,
    gradients: np.ndarray,
    coefficients: Sequence[float],
    slots: Sequence[np.ndarray | None] = (),
    decay: float = 0.0,
) -> None:
    """Take ``decay * weights`` from `weights`, and then make a step of an optimizer with `gradients`.

    `fcnn_rule` in ``csrc/fastcnn.h`` says what the rules "sgd", "adam", "rmsprop" and "lion" are, with which coefficients, and
    with which slots: arrays as long as the others, changed in place, or None.
    """
    _core.optimizer_step(rule, weights.size, gradients, coefficients, decay, weights, slots)


def sum_of_squares(array: np.ndarray) -> float:
    """Return the sum of the squares of a flat `array`; Inf where that of a block is beyond float32."""
    return sum(float(np.dot(block, block)) for block in _blocks(array))


def sum_of_absolutes(array: np.ndarray) -> float:
    """Return the sum of the absolute values of a flat `array`."""
    return sum(float(np.sum(np.abs(block))) for block in _blocks(array))


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, array.size, BLOCK):
        yield array[start : start + BLOCK]


def gather(array: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
    """Make `out` (n, ...), contiguous, ``array[indices]`` for good indices (n) of int64."""
    if array.flags.c_contiguous and len(array):
        _core.gather_rows(len(indices), len(array), array.nbytes // len(array), array, indices, out)
    else:
        np.take(array, indices, axis=0, out=out, mode="clip")  # to check them would cost a copy


def uniform(seed: int, epoch: int, place: int, samples: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (N, count) of float32 with numbers from [0, 1): each row by (seed, epoch, sample, place), for samples (N) of int64."""
    _core.uniform(seed, epoch % 2**32, place, len(samples), out.shape[1], samples, out)
