"""Images in and out of the kernels' one layout, (N, H, W, C)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastcnn import _core, _validate

DATA_FORMATS = ("channels_last", "channels_first")

#: Networks ask for the same shapes in every step: so many of each kind are worked out and checked once.
SHAPES_KEPT = 256

#: Results from so many bytes on lie in memory that is kept and used again; below, NumPy's own is as fast.
SMALL_BYTES = 1 << 16


#: Called with every array that is to be a result: for those who want to know what memory is taken.
watchers: list[Callable[[np.ndarray], Any]] = []


def empty(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """An uninitialised array for a result."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    block: Any = _core.Memory(size) if size >= SMALL_BYTES else None  # of Any, as NumPy's annotations know some types of buffers only
    result = np.empty(shape, dtype) if block is None else np.ndarray(shape, dtype, block)
    for watch in watchers:
        watch(result)
    return result


def outputs(out: Sequence[np.ndarray], dtype: np.dtype, **shapes: Sequence[int]) -> list[np.ndarray]:
    """An array for each result in `shapes`: the caller's, the first of which are in `out`, once checked; new ones for the others."""
    if not isinstance(out, list | tuple):
        raise TypeError(f"out must be a list or a tuple of arrays, got {out!r} of type {type(out).__name__}")
    if len(out) > len(shapes):
        raise ValueError(f"out must have at most {len(shapes)} arrays, got {len(out)}")
    arrays = []
    for index, (name, shape) in enumerate(shapes.items()):
        array = out[index] if index < len(out) else empty(shape, dtype)
        if not isinstance(array, np.ndarray):
            raise TypeError(f"out must have for {name} an array, got {array!r} of type {type(array).__name__}")
        if array.shape != tuple(shape) or array.dtype != dtype or not array.flags.carray:
            raise ValueError(f"out must have for {name} a writable, C-contiguous array of {tuple(shape)} {dtype}")
        arrays.append(array)
    return arrays


def plain(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`array`, of real numbers, as kernels take it, in C order and of `dtype`; nearly always it is so already."""
    if array.dtype is dtype and array.flags.carray:
        return array
    if array.dtype.kind not in "biuf":
        raise TypeError(f"arrays must hold real numbers, got dtype {array.dtype}")
    return _validate.contiguous(array, dtype)


class Layout(NamedTuple):
    """How the caller's images lie: with channels before or after the pixels, and with a batch (4), alone (3) or a plane (2 axes)."""

    channels_first: bool
    ndim: int

    @classmethod
    def of(cls, x: np.ndarray, data_format: str) -> Layout:
        """The layout of `x` under `data_format`, which is checked here."""
        channels_first = _validate.choice(data_format, "data_format", DATA_FORMATS) == "channels_first"
        return cls(channels_first, x.ndim)

    def nhwc_shape(self, shape: Sequence[int]) -> tuple[int, int, int, int]:
        """The caller's `shape` as (N, H, W, C)."""
        if self.ndim == 2:
            return 1, shape[0], shape[1], 1
        n = shape[0] if self.ndim == 4 else 1
        a, b, c = shape[-3:]
        return (n, b, c, a) if self.channels_first else (n, a, b, c)

    def shape_of(self, n: int, h: int, w: int, c: int) -> tuple[int, ...]:
        """(N, H, W, C) in the caller's order."""
        if self.ndim == 2:
            return h, w
        image = (c, h, w) if self.channels_first else (h, w, c)
        return (n, *image) if self.ndim == 4 else image

    def to_nhwc(self, x: np.ndarray, dtype: DTypeLike) -> np.ndarray:
        """The caller's images as a contiguous (N, H, W, C) array; a view where they are that already."""
        shape = self.nhwc_shape(x.shape)
        if self.channels_first and self.ndim > 2:
            x = np.moveaxis(x, -3, -1)
        images = _validate.contiguous(x, dtype)
        return images if images.shape == shape else images.reshape(shape)

    def from_nhwc(self, y: np.ndarray) -> np.ndarray:
        """(N, H, W, C) results in the caller's layout, contiguous."""
        if self.ndim == 2:
            return y[0, :, :, 0]
        if self.channels_first:
            y = np.ascontiguousarray(np.moveaxis(y, -1, -3))
        return y if self.ndim == 4 else y[0]


#: How images lie in networks.
NHWC = Layout(channels_first=False, ndim=4)
