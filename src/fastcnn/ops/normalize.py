"""What normalization does to plain arrays, which it checks the shapes of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastcnn import _core, _validate
from fastcnn.ops._images import empty, plain
from fastcnn.ops.elementwise import working


def as_rows(x: np.ndarray, axis: int) -> np.ndarray:
    """Return `x` as (rows, C), in float32 or float64, with the channels C along `axis` of it."""
    return working(np.moveaxis(x, axis, -1)).reshape(-1, x.shape[axis])


def from_rows(rows: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Return what `as_rows` made of an array of `shape` as it was."""
    axis %= len(shape)
    moved = rows.reshape(*shape[:axis], *shape[axis + 1 :], shape[axis])
    return np.ascontiguousarray(np.moveaxis(moved, -1, axis))


def inverse_deviation(variance: np.ndarray, epsilon: float) -> np.ndarray:
    """Return ``1 / sqrt(variance + epsilon)``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse: np.ndarray = np.reciprocal(np.sqrt(variance + variance.dtype.type(epsilon)))
    return inverse


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance (C) of each column of `x` (rows, C), the latter by the number of rows."""
    x = working(x)
    mean, variance = np.empty((2, x.shape[1]), x.dtype)
    _core.channel_moments(len(x), x.shape[1], x, mean, variance)
    return mean, variance


def products(dy: np.ndarray, x: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums (C) of `dy`, and of ``dy * (x - shift)``, over the rows of both (rows, C)."""
    x = working(x)
    sums, moved = np.empty((2, x.shape[1]), x.dtype)
    _core.channel_products(len(x), x.shape[1], _like(x, dy, "dy"), x, _of_channels(x, shift, "shift"), sums, moved)
    return sums, moved


def scale(x: np.ndarray, shift: np.ndarray, factor: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return ``(x - shift) * factor + offset`` for `x` (rows, C) and the others (C)."""
    x = working(x)
    y = empty(x.shape, x.dtype)
    by_channel = _of_channels(x, shift, "shift"), _of_channels(x, factor, "factor"), _of_channels(x, offset, "offset")
    _core.scale_channels(len(x), x.shape[1], x, *by_channel, y)
    return y


def scale_backward(
    dy: np.ndarray, x: np.ndarray, shift: np.ndarray, slope: np.ndarray, offset: np.ndarray, factor: np.ndarray
) -> np.ndarray:
    """Return ``(dy - offset - (x - shift) * slope) * factor`` for `dy`, `x` (rows, C) and the others (C)."""
    x = working(x)
    dx = empty(x.shape, x.dtype)
    moved = _of_channels(x, shift, "shift"), _of_channels(x, slope, "slope")
    scaled = _of_channels(x, offset, "offset"), _of_channels(x, factor, "factor")
    _core.scale_channels_gradient(len(x), x.shape[1], _like(x, dy, "dy"), x, *moved, *scaled, dx)
    return dx


def _like(x: np.ndarray, array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of the shape of `x` in its dtype."""
    _validate.same_shape(array.shape, x.shape, name, "the shape of x,")
    return plain(array, x.dtype)


def _of_channels(x: np.ndarray, array: np.ndarray, name: str) -> np.ndarray:
    """Return an array (C) in the dtype of `x` (rows, C)."""
    _validate.same_shape(array.shape, x.shape[1:], name, "an entry for each channel,")
    return plain(array, x.dtype)


class Grouping(NamedTuple):
    """How each input is normalized by itself: looked at in `shape` (N, ...), over `axes` of it, by weights of the shape `beside` it."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    beside: tuple[int, ...]

    def forward(
        self, x: np.ndarray, gamma: np.ndarray | None, beta: np.ndarray | None, epsilon: float
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return ``gamma * normal + beta`` in the shape of `x`, as far as they are given, and what `backward` needs of it."""
        split = x.reshape(self.shape)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            normal = split - split.mean(self.axes, keepdims=True)
            inverse = inverse_deviation(np.square(normal).mean(self.axes, keepdims=True), epsilon)
            normal *= inverse
            y = normal if gamma is None else normal * gamma.reshape(self.beside)
            if beta is not None:
                y = y + beta.reshape(self.beside)
        return y.reshape(x.shape).astype(x.dtype, copy=False), (normal, inverse)

    def backward(
        self, dy: np.ndarray, gamma: np.ndarray | None, cache: tuple[np.ndarray, np.ndarray], input_grad: bool
    ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return dx, or None, and the gradients of gamma and beta."""
        normal, inverse = cache
        gradient = dy.reshape(self.shape)
        others = tuple(axis for axis, size in enumerate(self.beside) if size == 1)
        dx: np.ndarray | None = None
        with np.errstate(over="ignore", invalid="ignore"):
            learned = (gradient * normal).sum(others), gradient.sum(others)
            if input_grad:
                gradient = gradient if gamma is None else gradient * gamma.reshape(self.beside)
                dx = gradient - gradient.mean(self.axes, keepdims=True)
                dx -= normal * (gradient * normal).mean(self.axes, keepdims=True)
                dx *= inverse
                dx = dx.reshape(dy.shape).astype(dy.dtype, copy=False)
        return dx, *learned


class RunningMoments:
    """The mean and the variance of data that comes in batches.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque: Updating formulae and a pairwise algorithm for computing sample variances. COMPSTAT 1982.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean, self._squares = np.zeros(()), np.zeros(())

    @property
    def variance(self) -> np.ndarray:
        """Of all numbers so far, by their count."""
        return self._squares / self.count

    def add(self, batch: np.ndarray, axes: tuple[int, ...]) -> None:
        """Take in a batch, of which there are moments over `axes`: of the same shape as those before but along the first axis."""
        new = math.prod(batch.shape[axis] for axis in axes)
        numbers = batch.astype(np.float64)
        difference = numbers.mean(axis=axes) - self.mean
        self._squares = self._squares + numbers.var(axis=axes) * new + difference**2 * (self.count * new / (self.count + new))
        self.mean = self.mean + difference * (new / (self.count + new))
        self.count += new
