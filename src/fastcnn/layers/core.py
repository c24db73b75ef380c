"""Layers that know nothing of images: where a network begins, Dense, Flatten, Dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn._settings import Flag, Integer, Real, Setting, flag, integer, optional, real
from fastcnn.graph import Node, Shape, Tensor, entry_sizes
from fastcnn.layers.activated import KernelLayer, LinearGradients, Named, activation
from fastcnn.layers.base import Gradients, ImageLayer, Layer, WeightSpec, batch_shape
from fastcnn.ops import steps
from fastcnn.ops.dense import dense_forward, dense_gradients, dense_shape
from fastcnn.ops.elementwise import dropout
from fastcnn.random import Draws


class InputLayer(Layer):
    """The layer that `Input` makes: it passes on what the model is given.

    Parameters
    ----------
    shape : sequence of int
        The shape of one input, without the batch.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        For a `shape` that is no sequence of positive integers, or a `name` that no layer can have.

    References
    ----------
    ``keras.layers.InputLayer``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.InputLayer((28, 28, 1)).output.shape
    (None, 28, 28, 1)
    """

    _not_configured = frozenset({"input_shape", "trainable"})

    def __init__(self, shape: Sequence[int | None], name: str | None = None) -> None:
        super().__init__(name=name)
        self.shape = tuple(batch_shape(shape, "shape")[1:])
        self.built = True
        self.nodes.append(Node(self, (), [(None, *self.shape)]))

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x`."""
        return x, None


def Input(shape: Sequence[int | None], name: str | None = None) -> Tensor:
    """Describe what a model is given.

    Parameters
    ----------
    shape : sequence of int
        The shape of one input, without the batch.
    name : str, optional

    Returns
    -------
    Tensor
        To be passed to layers, or the first entry of a `Sequential`.

    Raises
    ------
    TypeError, ValueError
        For a `shape` that is no sequence of positive integers, or a `name` that no layer can have.

    References
    ----------
    ``keras.Input``.

    Examples
    --------
    >>> import fastcnn as keras
    >>> inputs = keras.Input(shape=(28, 28, 1))
    >>> outputs = keras.layers.Flatten()(inputs)
    >>> outputs.shape
    (None, 784)
    """
    return InputLayer(shape, name).output


class _Units(Layer):
    units: Integer = integer(1)


class Dense(KernelLayer, _Units):
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
    name, trainable, input_shape
        See `Layer`.

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
    activation: Named = activation()
    use_bias: Flag = flag(True)

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


class Reshaping(Layer):
    """A layer that gives each input another shape: the order in memory stays."""

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep]:
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
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

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


def _noise_shape(value: Any, name: str) -> list[int | None]:
    if not value or value[0] is not None:
        raise ValueError(f"{name} must begin with None, for the batch, got {value!r}")
    return list(value)


class _Dropping(Layer):
    """What drops numbers in training, all or some of them by themselves."""

    rate: Real = real(0, 1)

    @property
    def _coefficients(self) -> tuple[float, float]:
        """What is drawn for a number that is kept is above the first, and the number is multiplied with the second."""
        below = np.nextafter(np.float32(self.rate), np.float32(-1))  # the largest number of float32 that is less than `rate` is as one
        return float(below), 1 / (1 - self.rate) if self.rate < 1 else 1.0  # at rate 1 nothing is kept

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
        """Return the kernel, in training, unless axes are dropped together."""
        if place is None or self.rate == 0:
            return ()
        return (steps.dropout(x, place, *self._coefficients),) if self._mask_shape(x) == x.shape else None

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x`, with some elements dropped in training, and what was drawn."""
        if training is None or self.rate == 0:
            return x, None
        shape = self._mask_shape(x)
        u = training.uniform(math.prod(shape[1:])).reshape(shape)
        return self._masked(x, u), u

    def _mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """Return the shape of what is drawn for `x`."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` where the input was kept, scaled alike."""
        return (dy if cache is None else self._masked(dy, cache)), ()

    def _masked(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return dropout(x, u if u.shape == x.shape else np.broadcast_to(u, x.shape), *self._coefficients)


class Dropout(_Dropping):
    """In training, drop each input with probability `rate` and scale the others by 1 / (1 - rate); else pass all on.

    Parameters
    ----------
    rate : float
        In [0, 1]; a change counts from the next `compile` on.
    noise_shape : sequence, optional
        The shape of what is drawn, which begins with None, for the batch; along an axis of 1 all are dropped or kept together.
    name, input_shape
        See `Layer`.

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

    noise_shape: Setting[Sequence[int | None] | None, list[int | None] | None] = optional(Setting(_noise_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        noise = self.noise_shape or [None] * len(input_shape)
        if len(noise) != len(input_shape) or any(each not in (None, 1, size) for each, size in zip(noise, input_shape, strict=True)):
            raise ValueError(
                f"noise_shape must have an axis of None, 1 or all for each of the input's {input_shape}, got {self.noise_shape}"
            )
        return input_shape

    def _mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        noise = self.noise_shape or x.shape
        return tuple(size if each is None else each for each, size in zip(noise, x.shape, strict=True))


class SpatialDropout2D(ImageLayer, _Dropping):
    """In training, drop each channel of an image with probability `rate` and scale the others by 1 / (1 - rate); else pass all on.

    Parameters
    ----------
    rate : float
        In [0, 1]; a change counts from the next `compile` on.
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

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

    def _mask_shape(self, x: np.ndarray) -> tuple[int, ...]:
        return (len(x), 1, 1, x.shape[-1])
