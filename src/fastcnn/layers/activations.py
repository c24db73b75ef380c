"""Activations as layers of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _validate
from fastcnn._settings import REQUIRED, Integer, OptionalReal, Real, Setting, integer, optional, real
from fastcnn.graph import Shape
from fastcnn.layers.activated import ActivatedLayer, Initial, LinearGradients, Named, activation, initial
from fastcnn.layers.base import Gradients, Layer, WeightSpec
from fastcnn.ops import activations, steps
from fastcnn.random import Draws


class Elementwise(ActivatedLayer):
    """An activation as a layer of its own."""

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return `x`."""
        return x

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep]:
        """Return nothing to do."""
        return ()

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return `dz`."""
        return (dz,)


class Activation(Elementwise):
    """An activation as a layer of its own.

    Parameters
    ----------
    activation : str
        One of "linear", "relu", "relu6", "leaky_relu" (with a slope of 0.2), "elu", "sigmoid", "tanh", "silu" or "swish", "gelu" (not
        the approximate one), "hard_sigmoid", "hard_silu" or "hard_swish", "softmax" (over the last axis), of ``keras.activations``.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For what is none of these names.

    References
    ----------
    ``keras.layers.Activation``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Activation("relu").compute_output_shape((None, 5))
    (None, 5)
    """

    activation: Named = activation(REQUIRED)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.get(self.activation)


class ReLU(Elementwise):
    """``min(x, max_value)`` above `threshold`, else ``negative_slope * (x - threshold)``.

    Parameters
    ----------
    max_value : float, optional
        Not negative; None for no maximum.
    negative_slope, threshold : float, default 0.0
        Not negative.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument that is no number, or a negative one.

    References
    ----------
    V. Nair, G. E. Hinton: Rectified linear units improve restricted Boltzmann machines. ICML 2010; as ``keras.layers.ReLU``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.ReLU(max_value=2)([[-1.0, 1.0, 3.0]])
    array([[0., 1., 2.]], dtype=float32)
    """

    max_value: OptionalReal = optional(real(0, math.inf))
    negative_slope: Real = real(0, math.inf, 0.0)
    threshold: Real = real(0, math.inf, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.rectified(self.max_value, self.negative_slope, self.threshold)


class LeakyReLU(Elementwise):
    """``x`` above 0, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float, default 0.3
        Not negative.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For a `negative_slope` that is no number, or a negative one.

    References
    ----------
    A. Maas, A. Hannun, A. Ng: Rectifier nonlinearities improve neural network acoustic models. ICML 2013.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.LeakyReLU(0.5)([[-2.0, 2.0]])
    array([[-1.,  2.]], dtype=float32)
    """

    negative_slope: Real = real(0, math.inf, 0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.leaky_relu(self.negative_slope)


class ELU(Elementwise):
    """``x`` above 0, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an `alpha` that is no number.

    References
    ----------
    D.-A. Clevert, T. Unterthiner, S. Hochreiter: Fast and accurate deep network learning by exponential linear units. ICLR 2016.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.ELU()([[-100.0, 2.0]])
    array([[-1.,  2.]], dtype=float32)
    """

    alpha: Real = real(-math.inf, math.inf, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.elu(self.alpha)


class Softmax(Elementwise):
    """``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    axis : int, default -1
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an `axis` that is no integer from -32 to 31; in a call, ValueError for one that the input lacks.

    References
    ----------
    ``keras.layers.Softmax``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Softmax()([[5.0, 5.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    axis: Integer = integer(-32, -1, 31)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.softmax(self.axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`, which must have the axis."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ValueError(f"axis must be one of the input's, got {self.axis} for shape {input_shape}")
        return input_shape


def _shared_axes(value: Any, name: str) -> list[int]:
    return [] if value is None else _validate.integers(value, name, 1, 31)


class PReLU(Layer):
    """``x`` above 0, else ``alpha * x`` with a learnt `alpha` for every number of an input.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
    shared_axes : int or sequence of int, optional
        The axes, counted from the batch, which is 0, along which all numbers share an `alpha`: (1, 2) leaves one for each channel.
    name, trainable, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an unknown initializer, or axes that are not integers from 1 to 31; in a call, ValueError for axes that the input lacks.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.

    Examples
    --------
    >>> from fastcnn import layers
    >>> prelu = layers.PReLU(shared_axes=(1, 2), input_shape=(8, 8, 3))
    >>> prelu.build((None, 8, 8, 3))
    >>> prelu.get_weights()[0].shape
    (1, 1, 3)
    """

    alpha_initializer: Initial = initial("zeros")
    shared_axes: Setting[int | Sequence[int] | None, list[int]] = Setting(_shared_axes, None)

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return `alpha`, of an input's shape but for the axes that share it."""
        if any(axis >= len(input_shape) for axis in self.shared_axes):
            raise ValueError(f"shared_axes of {self.name!r} must be axes of the input, got {self.shared_axes} for shape {input_shape}")
        shape = tuple(1 if axis in self.shared_axes else size or 0 for axis, size in enumerate(input_shape) if axis)
        return {"alpha": self._spec("alpha", *shape)}

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output, and `x`."""
        return activations.prelu(x, self._weights["alpha"]), x

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx, which is 0 where x is, and the gradient of `alpha`."""
        dx, gradient = activations.prelu_backward(dy, cache, self._weights["alpha"], input_grad)
        return dx, (gradient,)
