"""Images seen through an affine map, or enlarged by a whole number, with the conventions of Keras on TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")


class Resampling(NamedTuple):
    """Images of `shape` (N, H, W, C) through an affine map of the output's pixels to places in theirs, and what is seen between and beyond.

    Pixel (row, column) shows the place (b0 · column + b1 · row + b2, a0 · column + a1 · row + a2) of its image, where pixels have whole
    numbers; the rows of `maps` (N, 6) are (a0, a1, a2, b0, b1, b2).
    """

    shape: tuple[int, ...]
    maps: np.ndarray
    size: tuple[int, int]
    interpolation: str = "bilinear"
    fill_mode: str = "reflect"
    fill_value: float = 0.0

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the images (N, *size, C) that are seen of `x`."""
        pixels = self._with_fill(x.reshape(-1, x.shape[-1]))
        y = np.zeros((len(x), *self.size, x.shape[-1]), x.dtype)
        with np.errstate(all="ignore"):
            for places, shares in self._taps():
                seen = pixels.take(places, axis=0)
                y += seen if shares is None else seen * shares.astype(x.dtype, copy=False)[..., None]
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradient by the images: the adjoint of `forward`."""
        pixels = math.prod(self.shape[:3])
        dx = self._with_fill(np.zeros((pixels, self.shape[3]), dy.dtype))
        for places, shares in self._taps():
            np.add.at(dx, places, dy if shares is None else dy * shares.astype(dy.dtype, copy=False)[..., None])
        # What is seen beyond the image is no part of it.
        return np.reshape(dx[:pixels], self.shape)

    def _with_fill(self, pixels: np.ndarray) -> np.ndarray:
        """Return the pixels and, behind them, the one that is seen beyond the image, if it has a constant colour."""
        if self.fill_mode != "constant":
            return pixels
        return np.concatenate([pixels, np.full((1, pixels.shape[1]), self.fill_value, pixels.dtype)])

    def _taps(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield the pixels, by number, that each pixel of the output is a mean of, and their shares: (N, *size) both."""
        (_, height, width, _), maps = self.shape, np.asarray(self.maps, np.float32)[:, :, None, None]
        rows, columns = np.arange(self.size[0], dtype=np.float32)[:, None], np.arange(self.size[1], dtype=np.float32)
        across = _folded(maps[:, 0] * columns + maps[:, 1] * rows + maps[:, 2], width, self.fill_mode)
        down = _folded(maps[:, 3] * columns + maps[:, 4] * rows + maps[:, 5], height, self.fill_mode)
        images = np.arange(len(maps), dtype=np.intp)[:, None, None]
        if self.interpolation == "nearest":
            yield self._numbers(images, np.floor(down + np.float32(0.5)), np.floor(across + np.float32(0.5)), height, width), None
            return
        top, left = np.floor(down), np.floor(across)
        lower, right = down - top, across - left
        for row, row_share in ((top, 1 - lower), (np.ceil(down), lower)):  # no pixel without a share, as 0 * Inf is not 0
            for column, share in ((left, 1 - right), (np.ceil(across), right)):
                yield self._numbers(images, row, column, height, width), row_share * share

    def _numbers(self, images: np.ndarray, row: np.ndarray, column: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the numbers of pixels among those of all images."""
        rows = np.clip(row, 0, height - 1).astype(np.intp)
        columns = np.clip(column, 0, width - 1).astype(np.intp)
        numbers: np.ndarray = (images * height + rows) * width + columns
        if self.fill_mode == "constant":
            numbers[(rows != row) | (columns != column)] = len(images) * height * width
        return numbers


def _folded(place: np.ndarray, length: int, fill_mode: str) -> np.ndarray:
    """Return places along an axis of `length` pixels, those beyond its ends where the pixel is that is seen there."""
    last = np.float32(length - 1)
    folded: np.ndarray = place
    if fill_mode == "constant":
        folded = np.clip(place, -2, last + 2)  # all that is further out is as far out
        return folded
    if length == 1:
        return np.zeros_like(place)
    if fill_mode == "reflect":  # about the edges of the outermost pixels
        period = np.float32(2 * length)
        folded = np.where(place < 0, -place - 1, place)
        folded = folded - period * np.floor(folded / period)
        folded = np.where(folded > last, period - folded - 1, folded)
    elif fill_mode == "wrap":  # with what lies between the last pixel and the first as the last is, or the first
        folded = np.where(place > last, place - length * np.floor(place / last), place)
        folded = np.where(place < 0, place + length * (np.floor(-place / last) + 1), folded)
    folded = np.clip(folded, 0, last)
    return folded


def enlarged(x: np.ndarray, axis: int, factor: int, interpolation: str) -> np.ndarray:
    """Return `x` with `factor` pixels for each along an axis, by "nearest" or "bilinear"."""
    if factor == 1 or interpolation == "nearest":
        return np.repeat(x, factor, axis)
    length, x = x.shape[axis], np.concatenate([x.take([0], axis), x, x.take([-1], axis)], axis)
    y = np.zeros((*x.shape[:axis], factor * length, *x.shape[axis + 1 :]), x.dtype)
    for phase, start, share in _phases(factor):
        y[_along(axis, phase, None, factor)] += share * x[_along(axis, start, start + length)]
    return y


def enlarged_backward(dy: np.ndarray, axis: int, factor: int, interpolation: str) -> np.ndarray:
    """Return the gradient by x of `enlarged`."""
    length = dy.shape[axis] // factor
    if factor == 1 or interpolation == "nearest":
        total = dy[_along(axis, 0, None, factor)].copy()
        for phase in range(1, factor):
            total += dy[_along(axis, phase, None, factor)]
        return total
    dx = np.zeros((*dy.shape[:axis], length + 2, *dy.shape[axis + 1 :]), dy.dtype)
    for phase, start, share in _phases(factor):
        dx[_along(axis, start, start + length)] += share * dy[_along(axis, phase, None, factor)]
    dx[_along(axis, 1, 2)] += dx[_along(axis, 0, 1)]
    dx[_along(axis, length, length + 1)] += dx[_along(axis, length + 1, None)]
    return np.ascontiguousarray(dx[_along(axis, 1, length + 1)])


def _along(axis: int, start: int, stop: int | None, step: int = 1) -> tuple[slice, ...]:
    """Return the index of a slice along `axis`."""
    return (*[slice(None)] * axis, slice(start, stop, step))


def _phases(factor: int) -> Iterator[tuple[int, int, float]]:
    """Yield which of `factor` new pixels lies between which old ones, counted from the one before the first, and their shares in it."""
    for phase in range(factor):
        position = (phase + 0.5) / factor - 0.5
        lower = math.floor(position)
        for neighbour, share in ((lower, lower + 1 - position), (lower + 1, position - lower)):
            if share:
                yield phase, 1 + neighbour, share
