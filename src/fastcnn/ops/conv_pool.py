"""A convolution and the max pooling of its result in one, for networks: float32 or float64 images (N, H, W, C), contiguous and checked."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastcnn import _core, _validate
from fastcnn._validate import Padding
from fastcnn.ops._images import SHAPES_KEPT, empty, outputs, plain
from fastcnn.ops.conv import Conv2DShape, checked_bias
from fastcnn.ops.pool import Pool2DShape


class ConvPoolShape(NamedTuple):
    """The shapes of both. The convolution's result, which is the pooling's input, is cut down to what the pooling reads."""

    conv: Conv2DShape
    pool: Pool2DShape

    @classmethod
    @functools.lru_cache(SHAPES_KEPT)
    def of(cls, conv: Conv2DShape, pool_size: tuple[int, int], pool_stride: tuple[int, int], pool_padding: Padding) -> ConvPoolShape:
        """The shapes for a convolution of shape `conv`."""
        pool = Pool2DShape.of(conv.y, pool_size, pool_stride, pool_padding, 1, False, False)
        rows = min((pool.oh - 1) * pool.stride_h + pool.kh - pool.pad_top, conv.oh)
        cols = min((pool.ow - 1) * pool.stride_w + pool.kw - pool.pad_left, conv.ow)
        return cls(conv._replace(oh=rows, ow=cols), pool._replace(h=rows, w=cols))


def is_fused(x: np.ndarray, w: np.ndarray, shape: ConvPoolShape) -> bool:
    """Whether one kernel does both, found out on images `x`."""
    return _core.conv2d_max_pool2d(*shape, x, w, None, False, empty(shape.pool.y, x.dtype), None)


def conv2d_max_pool2d(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, shape: ConvPoolShape, relu: bool, training: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The maxima, after a ReLU if wanted, and in training which taps won, as bytes."""
    conv, pool = shape
    x, b = plain(x, w.dtype), checked_bias(b, conv.f, w.dtype)
    y = empty(pool.y, x.dtype)
    winners = empty(pool.y, np.uint8) if training else None
    if not _core.conv2d_max_pool2d(conv, pool, x, w, b, relu, y, winners):
        z = empty(conv.y, x.dtype)
        _core.conv2d(conv, x, w, b, relu, z)
        if winners is None:
            _core.max_pool2d(pool, z, y, None)
        else:
            _core.max_pool2d_winners(pool, z, False, y, winners)
    return y, winners


def conv2d_max_pool2d_backward(
    dy: np.ndarray,
    y: np.ndarray | None,
    winners: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    shape: ConvPoolShape,
    input_grad: bool,
    out: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """The gradients by x (None without `input_grad`), w and the bias, the latter two in `out`, as far as there is something in it.

    `y` is the result where there was a ReLU, else None.
    """
    conv, pool = shape
    _validate.same_shape(dy.shape, pool.y, "dy", "the shape of the pooling's result,")
    x, dy = plain(x, w.dtype), plain(dy, w.dtype)
    dw, db = outputs(out, x.dtype, dw=w.shape, db=(conv.f,))
    if not input_grad and _core.conv2d_max_pool2d_weight_gradient(conv, pool, dy, winners, y, x, dw, db):
        return None, dw, db
    dz = empty(conv.y, x.dtype)
    _core.max_pool2d_winners_gradient(pool, dy, winners, y, dz)
    _core.conv2d_weight_gradient(conv, dz, x, dw, db)
    if not input_grad:
        return None, dw, db
    dx = empty(conv.x, x.dtype)
    _core.conv2d_input_gradient(conv, dz, w, None, False, dx)
    return dx, dw, db
