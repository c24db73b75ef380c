"""Activation functions: each with its gradient. Formulas are those of ``keras.activations``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from fastcnn import _validate, ops
from fastcnn.ops import elementwise


class ActivationFunction(NamedTuple):
    """``forward(z)`` is y; ``backward(dy, y)`` is dz, or ``backward(dy, z)`` with `of_input`: no other array is kept for it."""

    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray]
    of_input: bool = False


def _softmax_backward(dy: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return dz along `axis`, where the Jacobian is diag(y) - y yᵀ."""
    return y * (dy - np.sum(dy * y, axis=axis, keepdims=True))


def softmax(axis: int) -> ActivationFunction:
    """Return the function whose results sum to 1 along `axis`."""
    if axis == -1:
        return _FUNCTIONS["softmax"]
    return ActivationFunction(f"softmax, axis {axis}", partial(ops.softmax, axis=axis), partial(_softmax_backward, axis=axis))


def _tanh_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    dz: np.ndarray = y * y
    np.subtract(1, dz, out=dz)
    dz *= dy
    return dz


def elu(alpha: float) -> ActivationFunction:
    """Return the function that is z above 0, and else ``alpha * (exp(z) - 1)``."""

    def forward(z: np.ndarray) -> np.ndarray:
        below = np.minimum(z, 0)
        np.expm1(below, out=below)
        below *= alpha
        return np.where(z > 0, z, below)

    def backward(dy: np.ndarray, z: np.ndarray) -> np.ndarray:
        slope: np.ndarray = np.minimum(z, 0)
        np.exp(slope, out=slope)
        slope *= alpha
        slope[z > 0] = 1
        slope *= dy
        return slope

    return ActivationFunction("elu", forward, backward, of_input=True)


def leaky_relu(negative_slope: float) -> ActivationFunction:
    """Return the function that is z above 0, and else ``negative_slope * z``."""
    return rectified(None, negative_slope, 0)._replace(name="leaky_relu")


def rectified(max_value: float | None, negative_slope: float, threshold: float) -> ActivationFunction:
    """Return the function that is ``min(z, max_value)`` above `threshold`, and else ``negative_slope * (z - threshold)``."""
    if negative_slope == threshold == 0 and max_value in (None, 6):
        return _FUNCTIONS["relu" if max_value is None else "relu6"]

    def forward(z: np.ndarray) -> np.ndarray:
        below = (z - threshold) * negative_slope if negative_slope else np.zeros((), z.dtype)
        return np.where(z <= threshold, below, z if max_value is None else np.minimum(z, max_value))

    def backward(dy: np.ndarray, z: np.ndarray) -> np.ndarray:
        none = np.zeros((), dy.dtype)
        above = dy if max_value is None else np.where(z >= max_value, none, dy)
        return np.where(z <= threshold, dy * negative_slope if negative_slope else none, above)

    return ActivationFunction("rectified", forward, backward, of_input=True)


def prelu(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return `x` (N, ...) above 0, else ``alpha * x``; `alpha` has the axes behind N, of the same sizes or 1."""
    below = np.minimum(x, 0)
    with np.errstate(invalid="ignore"):  # an alpha of 0 and -Inf
        below *= alpha
    return np.where(x > 0, x, below)


def prelu_backward(dy: np.ndarray, x: np.ndarray, alpha: np.ndarray, input_grad: bool) -> tuple[np.ndarray | None, np.ndarray]:
    """Return dx, which is 0 where `x` is, or None, and the gradient of `alpha`."""
    with np.errstate(invalid="ignore"):
        slopes = dy * np.minimum(x, 0)
    shared = tuple(axis for axis, size in enumerate((1, *alpha.shape)) if size == 1)
    dx = np.where(x > 0, dy, np.where(x == 0, np.zeros((), dy.dtype), alpha * dy)) if input_grad else None
    return dx, slopes.sum(axis=shared, keepdims=True)[0]


def _kernel(name: str, kind: str, of_input: bool = False) -> ActivationFunction:
    """Return the function of the kernel `kind`."""
    return ActivationFunction(name, partial(elementwise.activation, kind), partial(elementwise.activation_backward, kind), of_input)


LINEAR = ActivationFunction("linear", lambda z: z, lambda dy, _: dy)

_FUNCTIONS = {
    function.name: function
    for function in (
        LINEAR,
        ActivationFunction("relu", elementwise.relu, elementwise.relu_backward),
        _kernel("relu6", "relu6"),
        _kernel("sigmoid", "sigmoid"),
        ActivationFunction("tanh", np.tanh, _tanh_backward),
        _kernel("silu", "silu", of_input=True),
        _kernel("swish", "silu", of_input=True),
        _kernel("gelu", "gelu", of_input=True),
        ActivationFunction("softmax", elementwise.softmax, _softmax_backward),
        _kernel("hard_sigmoid", "hard_sigmoid"),
        _kernel("hard_silu", "hard_silu", of_input=True),
        _kernel("hard_swish", "hard_silu", of_input=True),
        elu(1.0),
    )
}
_FUNCTIONS["leaky_relu"] = leaky_relu(0.2)


def get(name: str | None) -> ActivationFunction:
    """Return the activation function called `name`; None is "linear"."""
    return _FUNCTIONS[_validate.choice("linear" if name is None else name, "activation", tuple(_FUNCTIONS))]
