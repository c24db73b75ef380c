"""What activations and normalization do to plain arrays: kernels for networks, which check their own shapes."""

from __future__ import annotations

import numpy as np

from fastcnn import _core, _validate
from fastcnn.ops._images import empty, plain


def relu(x: np.ndarray) -> np.ndarray:
    """Return ``max(x, 0)``, in float32 or float64."""
    y = empty(x.shape, _validate.working_dtype(x=x))
    _core.relu(x.size, plain(x, y.dtype), y)
    return y


def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `dy` where `y`, of its shape, is above 0 or NaN, else 0."""
    _validate.same_shape(dy.shape, y.shape, "dy", "the shape of y,")
    dx = empty(dy.shape, _validate.working_dtype(dy=dy))
    _core.relu_gradient(dy.size, plain(dy, dx.dtype), plain(y, dx.dtype), dx)
    return dx


def dropout(x: np.ndarray, u: np.ndarray, threshold: float, factor: float) -> np.ndarray:
    """Return ``factor * x`` where `u`, of its shape, is above `threshold`, else 0: for x, and for the gradient."""
    _validate.same_shape(u.shape, x.shape, "u", "the shape of x,")
    x = working(x)
    y = empty(x.shape, x.dtype)
    _core.dropout(x.size, threshold, factor, plain(u, x.dtype), x, y)
    return y


def softmax(x: np.ndarray) -> np.ndarray:
    """Return the softmax of `x` along its last axis."""
    p = empty(x.shape, _validate.working_dtype(x=x))
    _core.softmax(p.size // p.shape[-1], p.shape[-1], plain(x, p.dtype), p)
    return p


def activation(kind: str, x: np.ndarray) -> np.ndarray:
    """Return the activation `kind` of `x`, in float32 or float64."""
    x = working(x)
    y = empty(x.shape, x.dtype)
    _core.activation(kind, x.size, x, y)
    return y


def activation_backward(kind: str, dy: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the gradient of the activation `kind` for `dy`, from its result or, if it is one that wants it, its input."""
    _validate.same_shape(dy.shape, kept.shape, "dy", "the shape of y,")
    dy = working(dy)
    dx = empty(dy.shape, dy.dtype)
    _core.activation_gradient(kind, dy.size, dy, plain(kept, dy.dtype), dx)
    return dx


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


def working(x: np.ndarray) -> np.ndarray:
    """Return `x` as kernels take it, in C order and in float32 or float64; layers of one's own give arrays of any kind."""
    return plain(x, _validate.working_dtype(x=x))


def _like(x: np.ndarray, array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of the shape of `x` in its dtype."""
    _validate.same_shape(array.shape, x.shape, name, "the shape of x,")
    return plain(array, x.dtype)


def _of_channels(x: np.ndarray, array: np.ndarray, name: str) -> np.ndarray:
    """Return an array (C) in the dtype of `x` (rows, C)."""
    _validate.same_shape(array.shape, x.shape[1:], name, "an entry for each channel,")
    return plain(array, x.dtype)
