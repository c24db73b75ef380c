"""Layers that know nothing of images: Dense, Activation, Flatten, Dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _registry, _validate, initializers
from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.activated import ActivatedLayer, KernelLayer, LinearGradients
from fastcnn.layers.base import Gradients, ImageLayer, Layer, WeightSpec
from fastcnn.ops import steps
from fastcnn.ops.dense import dense_forward, dense_gradients, dense_shape
from fastcnn.ops.normalize import dropout
from fastcnn.random import Draws


class Dense(KernelLayer):
    """Every output from every input: ``activation(x @ kernel + bias)`` over the last axis.

    Parameters
    ----------
    units : int
        The size of the output's last axis.
    activation : str, optional
        See `Activation`; by default none.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        What the size of each costs.
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, `units` below 1 or an unknown name; in a call, ValueError for inputs of fewer than two axes.

    Notes
    -----
    Input (N, ..., D), output (N, ..., units); the weights are `kernel` (D, units) and `bias` (units,).

    References
    ----------
    ``keras.layers.Dense``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Dense(10, activation="softmax").compute_output_shape((None, 64))
    (None, 10)
    """

    _fused = frozenset({"relu"})

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation=activation, use_bias=use_bias, kernel_initializer=kernel_initializer, bias_initializer=bias_initializer, **kwargs
        )
        self.units = _validate.integer(units, "units", 1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, ..., units)."""
        if len(input_shape) < 2:
            raise ValueError(f"the input of {self.name!r} must have the axes (N, ..., D), got shape {input_shape}")
        return (*input_shape[:-1], self.units)

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel, (D, units)."""
        return {"kernel": self._spec("kernel", input_shape[-1] or 0, self.units)}

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return "direct"."""
        return "direct"

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return ``x @ kernel + bias``, clamped where `activation` is "relu"."""
        kernel = self._weights["kernel"]
        return dense_forward(dense_shape(x.shape, kernel.shape), x, kernel, self._weights.get("bias"), activation == "relu")

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep]:
        """Return the product."""
        return (steps.dense(x, self._weights, relu),)

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return dx and the gradients of the kernel and the bias."""
        kernel = self._weights["kernel"]
        return dense_gradients(dense_shape(x.shape, kernel.shape), dz, x, kernel, input_grad, out)


class Activation(ActivatedLayer):
    """An activation as a layer of its own.

    Parameters
    ----------
    activation : str
        One of "linear", "relu", "relu6", "leaky_relu" (with a slope of 0.2), "elu", "sigmoid", "tanh", "silu" or "swish", "gelu" (not
        the approximate one), "hard_sigmoid", "hard_silu" or "hard_swish", "softmax" (over the last axis), of ``keras.activations``.
    **kwargs
        `name`, `input_shape`: see `Layer`.

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

    def __init__(self, activation: str, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return `x`."""
        return x

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep]:
        """Return nothing to do."""
        return ()

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return `dz`."""
        return (dz,)


class Reshaping(Layer):
    """A layer that gives each input another shape: the order in memory stays."""

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep]:
        """Return nothing to do."""
        return ()

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x` in its new shape, and its old one."""
        return x.reshape(len(x), *entry_sizes(self.compute_output_shape(x.shape))), x.shape

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` in the input's shape."""
        return dy.reshape(cache), ()


class Flatten(Reshaping, ImageLayer):
    """Each input in one row: (N, H, W, C) becomes (N, H·W·C).

    Parameters
    ----------
    **kwargs
        `name`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For another `data_format`.

    References
    ----------
    ``keras.layers.Flatten``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Flatten().compute_output_shape((None, 3, 3, 64))
    (None, 576)
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, the product of the other sizes)."""
        return (None, math.prod(entry_sizes(input_shape)))

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x` in rows, and its shape."""
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape


class Dropout(Layer):
    """In training, drop each input with probability `rate` and scale the others by 1 / (1 - rate); else pass all on.

    Parameters
    ----------
    rate : float
        In [0, 1].
    noise_shape : sequence, optional
        The shape of what is drawn, which begins with None, for the batch; along an axis of 1 all are dropped or kept together.
    **kwargs
        `name`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        For a `rate` that is no number in [0, 1], or a `noise_shape` that does not begin with None; in a call, ValueError for a
        `noise_shape` that does not fit the input.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: Dropout: a simple way to prevent neural networks from
    overfitting. JMLR 15, 2014. Scaling in training ("inverted") as in ``keras.layers.Dropout``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import layers
    >>> dropout = layers.Dropout(0.5)
    >>> np.unique(dropout(np.ones((2, 500)), training=True)).tolist()
    [0.0, 2.0]
    """

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = _registry.real(rate, "rate", 0, 1)
        if noise_shape is not None and (not noise_shape or noise_shape[0] is not None):
            raise ValueError(f"noise_shape must begin with None, for the batch, got {noise_shape!r}")
        self.noise_shape = None if noise_shape is None else list(noise_shape)
        #: What is drawn is above the largest number of float32 that is less than `rate` is as one, or drops.
        self._threshold = float(np.nextafter(np.float32(self.rate), np.float32(-1)))
        self._factor = 1 / (1 - self.rate) if self.rate < 1 else 1.0  # at rate 1 nothing is kept

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        noise = self.noise_shape or [None] * len(input_shape)
        if len(noise) != len(input_shape) or any(each not in (None, 1, size) for each, size in zip(noise, input_shape, strict=True)):
            raise ValueError(
                f"noise_shape must have an axis of None, 1 or all for each of the input's {input_shape}, got {self.noise_shape}"
            )
        return input_shape

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep]:
        """Return nothing to do."""
        return ()

    def training_steps(self, x: np.ndarray, place: int) -> Sequence[steps.KernelStep] | None:
        """Return the kernel, unless axes are dropped together."""
        if self._mask_shape(x) != x.shape:
            return None
        return (steps.dropout(x, place, self._threshold, self._factor),) if self.rate else ()

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x`, with some elements dropped in training, and what was drawn."""
        if training is None or self.rate == 0:
            return x, None
        shape = self._mask_shape(x)
        u = training.uniform(math.prod(shape[1:])).reshape(shape)
        return self._masked(x, u), u

    def _mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        noise = self.noise_shape or x.shape
        return tuple(size if each is None else each for each, size in zip(noise, x.shape, strict=True))

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` where the input was kept, scaled alike."""
        return (dy if cache is None else self._masked(dy, cache)), ()

    def _masked(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return dropout(x, u if u.shape == x.shape else np.broadcast_to(u, x.shape), self._threshold, self._factor)


class SpatialDropout2D(ImageLayer, Dropout):
    """In training, drop each channel of an image with probability `rate` and scale the others by 1 / (1 - rate); else pass all on.

    Parameters
    ----------
    rate : float
        In [0, 1].
    **kwargs
        `name`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `rate` that is no number in [0, 1]; in a call, ValueError for inputs that are not (N, H, W, C).

    References
    ----------
    J. Tompson, R. Goroshin, A. Jain, Y. LeCun, C. Bregler: Efficient object localization using convolutional networks. CVPR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import layers
    >>> y = layers.SpatialDropout2D(0.5)(np.ones((2, 3, 4, 500)), training=True)
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate=rate, **kwargs)

    def _mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        return (len(x), 1, 1, x.shape[-1])
