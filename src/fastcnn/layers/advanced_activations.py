"""Activations with settings, or with weights, of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _registry, _validate, initializers
from fastcnn.graph import Shape
from fastcnn.layers import activations
from fastcnn.layers.base import Gradients, Layer, WeightSpec
from fastcnn.layers.core import Activation
from fastcnn.random import Draws


class _Settled(Activation):
    """An activation that is not only a name: it follows from the settings of a subclass, which are the configuration."""

    _not_configured = Activation._not_configured | {"activation", "function"}

    def __init__(self, function: activations.ActivationFunction, **kwargs: Any) -> None:
        super().__init__("linear", **kwargs)
        self._function = function


class ReLU(_Settled):
    """``min(x, max_value)`` above `threshold`, else ``negative_slope * (x - threshold)``.

    Parameters
    ----------
    max_value : float, optional
        Not negative; None for no maximum.
    negative_slope, threshold : float, default 0.0
        Not negative.
    **kwargs
        `name`, `input_shape`: see `Layer`.

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

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any) -> None:
        self.max_value = None if max_value is None else _registry.real(max_value, "max_value", 0, math.inf)
        self.negative_slope = _registry.real(negative_slope, "negative_slope", 0, math.inf)
        self.threshold = _registry.real(threshold, "threshold", 0, math.inf)
        super().__init__(activations.rectified(self.max_value, self.negative_slope, self.threshold), **kwargs)


class LeakyReLU(_Settled):
    """``x`` above 0, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float, default 0.3
        Not negative.
    **kwargs
        `name`, `input_shape`: see `Layer`.

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

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        self.negative_slope = _registry.real(negative_slope, "negative_slope", 0, math.inf)
        super().__init__(activations.leaky_relu(self.negative_slope), **kwargs)


class ELU(_Settled):
    """``x`` above 0, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float, default 1.0
    **kwargs
        `name`, `input_shape`: see `Layer`.

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

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        self.alpha = _registry.real(alpha, "alpha", -math.inf, math.inf)
        super().__init__(activations.elu(self.alpha), **kwargs)


class Softmax(_Settled):
    """``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    axis : int, default -1
    **kwargs
        `name`, `input_shape`: see `Layer`.

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

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        self.axis = _validate.integer(axis, "axis", -32, 31)
        super().__init__(activations.softmax(self.axis), **kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`, which must have the axis."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ValueError(f"axis must be one of the input's, got {self.axis} for shape {input_shape}")
        return input_shape


class PReLU(Layer):
    """``x`` above 0, else ``alpha * x`` with a learnt `alpha` for every number of an input.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
    shared_axes : int or sequence of int, optional
        The axes, counted from the batch, which is 0, along which all numbers share an `alpha`: (1, 2) leaves one for each channel.
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`.

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

    def __init__(
        self,
        alpha_initializer: str | initializers.Initializer = "zeros",
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        listed = list(shared_axes) if isinstance(shared_axes, list | tuple) else [] if shared_axes is None else [shared_axes]
        self.shared_axes = [_validate.integer(axis, "shared_axes", 1, 31) for axis in listed] or None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return `alpha`, of an input's shape but for the axes that share it."""
        shared = self.shared_axes or ()
        if any(axis >= len(input_shape) for axis in shared):
            raise ValueError(f"shared_axes of {self.name!r} must be axes of the input, got {self.shared_axes} for shape {input_shape}")
        shape = tuple(1 if axis in shared else size or 0 for axis, size in enumerate(input_shape) if axis)
        return {"alpha": WeightSpec(shape, self.alpha_initializer)}

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output, and `x`."""
        below = np.minimum(x, 0)
        with np.errstate(invalid="ignore"):  # an alpha of 0 and -Inf
            below *= self._weights["alpha"]
        return np.where(x > 0, x, below), x

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx, which is 0 where x is, and the gradient of `alpha`."""
        alpha = self._weights["alpha"]
        with np.errstate(invalid="ignore"):
            slopes = dy * np.minimum(cache, 0)
        shared = tuple(axis for axis, size in enumerate((1, *alpha.shape)) if size == 1)
        gradient = slopes.sum(axis=shared, keepdims=True)[0]
        return (np.where(cache > 0, dy, np.where(cache == 0, np.zeros((), dy.dtype), alpha * dy)) if input_grad else None), (gradient,)
