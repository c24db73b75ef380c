"""Activation functions: each with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastcnn import _validate, ops


class ActivationFunction(NamedTuple):
    """``forward(z)`` is y; ``backward(dy, y)`` is dz, or ``backward(dy, z)`` with `of_input`: no other array is kept for it."""

    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray]
    of_input: bool = False


def _softmax_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dz over the last axis, where the Jacobian is diag(y) - y yᵀ."""
    dz: np.ndarray = y * (dy - np.sum(dy * y, axis=-1, keepdims=True))
    return dz


LINEAR = ActivationFunction("linear", lambda z: z, lambda dy, _: dy)

_FUNCTIONS = {
    function.name: function
    for function in (
        LINEAR,
        ActivationFunction("relu", ops.relu, ops.relu_backward),
        ActivationFunction("softmax", ops.softmax, _softmax_backward),
    )
}


def get(name: str | None) -> ActivationFunction:
    """Return the activation function called `name`; None is "linear"."""
    return _FUNCTIONS[_validate.choice("linear" if name is None else name, "activation", tuple(_FUNCTIONS))]
