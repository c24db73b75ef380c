"""What activations do to plain arrays: kernels for networks, which check their own shapes."""

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


def working(x: np.ndarray) -> np.ndarray:
    """Return `x` as kernels take it, in C order and in float32 or float64; layers of one's own give arrays of any kind."""
    return plain(x, _validate.working_dtype(x=x))
