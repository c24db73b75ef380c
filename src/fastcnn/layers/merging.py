"""Layers of several inputs: sums, products, means and extremes of theirs, and concatenation."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fastcnn import _validate
from fastcnn._settings import Integer, Setting
from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.base import Gradients, Layer
from fastcnn.random import Draws

#: The inputs of a merging layer, or the gradients by them.
Arrays: TypeAlias = tuple[np.ndarray, ...]


class _Merge(Layer):
    """A layer of several inputs, each (N, ...)."""

    takes_many = True

    def _sizes(self, input_shape: tuple[Shape, ...]) -> list[tuple[int, ...]]:
        """Return the inputs' shapes without the batch, if there are enough of them."""
        if not input_shape:
            raise ValueError(f"inputs of layer {self.name!r} must be at least 1 arrays in a list, got 0")
        return [entry_sizes(shape) for shape in input_shape]

    def _check_batch(self, xs: Arrays) -> None:
        if len({len(x) for x in xs}) > 1:
            raise ValueError(f"inputs of layer {self.name!r} must have the same number of entries, got {[len(x) for x in xs]}")


class _Elementwise(_Merge):
    """One number of each input makes one of the output; where an input has an axis of size 1, its numbers count for all of the axis.

    An input of fewer axes than others gets axes of size 1 behind the batch.
    """

    #: Puts two arrays together; for more, its result and the next.
    _ufunc: ClassVar[Callable[..., Any]]

    def compute_output_shape(self, input_shape: tuple[Shape, ...]) -> Shape:
        """Return the shape that all inputs are broadcast to."""
        sizes = self._sizes(input_shape)
        try:
            return (None, *np.broadcast_shapes(*sizes))
        except ValueError:
            raise ValueError(f"inputs of layer {self.name!r} must have sizes that are equal or 1, got shapes {list(input_shape)}") from None

    def forward(self, x: Arrays, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for the inputs `x`, and what `backward` needs to know."""
        self._check_batch(x)
        with np.errstate(all="ignore"):
            y = self._merged(_same_rank(x))
        return y, (x, y)

    def _merged(self, xs: Arrays) -> np.ndarray:
        return reduce(type(self)._ufunc, xs)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[Arrays | None, Gradients]:
        """Return the gradients of the inputs."""
        if not input_grad:
            return None, ()
        x, y = cache
        with np.errstate(all="ignore"):
            gradients = self._gradients(dy, _same_rank(x), y)
        return tuple(_summed_to(each.shape, gradient) for each, gradient in zip(x, gradients, strict=True)), ()

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        """Return the gradients of the inputs, each in the shape of `dy`."""
        raise NotImplementedError


class Add(_Elementwise):
    """The sum of all inputs.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for no inputs.

    Notes
    -----
    Inputs (N, ...) of one shape, or with axes of size 1 instead; so for all layers of elements here.

    References
    ----------
    ``keras.layers.Add``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Add()([[[1, 2]], [[3, 4]]]).tolist()
    [[4.0, 6.0]]
    """

    _ufunc = np.add

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        return [dy] * len(xs)


class Subtract(_Elementwise):
    """The first of two inputs less the second.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for another number of inputs than
        two.

    References
    ----------
    ``keras.layers.Subtract``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Subtract()([[[1, 2]], [[3, 5]]]).tolist()
    [[-2.0, -3.0]]
    """

    _ufunc = np.subtract

    def compute_output_shape(self, input_shape: tuple[Shape, ...]) -> Shape:
        """Return the shape that both inputs are broadcast to."""
        if len(input_shape) != 2:
            raise ValueError(f"inputs of layer {self.name!r} must be two, got {len(input_shape)}")
        return super().compute_output_shape(input_shape)

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        return [dy, np.negative(dy)]


class Multiply(_Elementwise):
    """The product of all inputs, such as of images and of a weight for each of their channels.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for no inputs.

    References
    ----------
    J. Hu, L. Shen, G. Sun: Squeeze-and-excitation networks. CVPR 2018.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Multiply().compute_output_shape([(None, 7, 7, 64), (None, 1, 1, 64)])
    (None, 7, 7, 64)
    """

    _ufunc = np.multiply

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        return [reduce(np.multiply, xs[:place] + xs[place + 1 :], dy) for place in range(len(xs))]


class Average(_Elementwise):
    """The mean of all inputs.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for no inputs.

    References
    ----------
    ``keras.layers.Average``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Average()([[[1, 2]], [[3, 4]]]).tolist()
    [[2.0, 3.0]]
    """

    _ufunc = np.add

    def _merged(self, xs: Arrays) -> np.ndarray:
        return super()._merged(xs) / len(xs)

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        return [dy / len(xs)] * len(xs)


class _Extreme(_Elementwise):
    """The gradient goes to the first of equal inputs; where any is NaN, so is the output, and the gradient goes to the first NaN."""

    def _gradients(self, dy: np.ndarray, xs: Arrays, y: np.ndarray) -> list[np.ndarray]:
        zero, free, gradients = np.zeros((), dy.dtype), np.True_, []
        for x in xs:
            wins = free & ((x == y) | ((x != x) & (y != y)))
            free = free & ~wins
            gradients.append(np.where(wins, dy, zero))
        return gradients


class Maximum(_Extreme):
    """The largest of all inputs.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for no inputs.

    Notes
    -----
    The gradient goes to the first of equal inputs, as in Keras on TensorFlow; NaN wins over all.

    References
    ----------
    ``keras.layers.Maximum``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Maximum()([[[1, 5]], [[3, 4]]]).tolist()
    [[3.0, 5.0]]
    """

    _ufunc = np.maximum


class Minimum(_Extreme):
    """The smallest of all inputs.

    Parameters
    ----------
    name
        See `Layer`.

    Raises
    ------
    ValueError
        In a call, for inputs whose sizes are neither equal nor 1, for batches of different sizes, and for no inputs.

    Notes
    -----
    The gradient goes to the first of equal inputs, as in Keras on TensorFlow; NaN wins over all.

    References
    ----------
    ``keras.layers.Minimum``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Minimum()([[[1, 5]], [[3, 4]]]).tolist()
    [[1.0, 4.0]]
    """

    _ufunc = np.minimum


def _axis(value: Any, name: str) -> int:
    axis = _validate.integer(value, name, -32, 32)
    if axis == 0:
        raise ValueError(f"{name} must not be that of the batch, got 0")
    return axis


class Concatenate(_Merge):
    """The inputs one behind the other along an axis.

    Parameters
    ----------
    axis : int, default -1
        Any but the batch's, 0. The other axes must be equal.
    name
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an `axis` that is no integer, or 0; in a call, ValueError for one that the inputs lack, and for inputs that differ in another
        axis.

    References
    ----------
    ``keras.layers.Concatenate``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Concatenate().compute_output_shape([(None, 7, 7, 64), (None, 7, 7, 32)])
    (None, 7, 7, 96)
    """

    axis: Integer = Setting(_axis, -1)

    def compute_output_shape(self, input_shape: tuple[Shape, ...]) -> Shape:
        """Return the shape of all inputs, with the sum of their sizes along the axis."""
        sizes = self._sizes(input_shape)
        rank = len(sizes[0]) + 1
        axis = self.axis - 1 if self.axis > 0 else self.axis + rank - 1
        if not 0 <= axis < rank - 1:
            raise ValueError(f"axis must be one of the {rank} axes of {self.name!r} behind the batch, got {self.axis}")
        if len({(len(each), each[:axis], each[axis + 1 :]) for each in sizes}) > 1:
            raise ValueError(f"inputs of layer {self.name!r} must be equal but for axis {self.axis}, got shapes {list(input_shape)}")
        return (None, *sizes[0][:axis], sum(each[axis] for each in sizes), *sizes[0][axis + 1 :])

    def forward(self, x: Arrays, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the inputs as one array, and where each but the first begins."""
        self._check_batch(x)
        return np.concatenate(x, self.axis), np.cumsum([each.shape[self.axis] for each in x[:-1]], dtype=int)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[Arrays | None, Gradients]:
        """Return the inputs' parts of `dy`."""
        return (tuple(np.split(dy, cache, self.axis)) if input_grad else None), ()


def _same_rank(xs: Arrays) -> Arrays:
    """Return the arrays with axes of size 1 behind the batch, so that all have as many axes."""
    rank = max(x.ndim for x in xs)
    return tuple(x.reshape(len(x), *[1] * (rank - x.ndim), *x.shape[1:]) for x in xs)


def _summed_to(shape: tuple[int, ...], gradient: np.ndarray) -> np.ndarray:
    """Return the gradient of an array of `shape` that was broadcast: summed where its numbers counted several times."""
    sizes = (shape[0], *[1] * (gradient.ndim - len(shape)), *shape[1:])
    axes = tuple(axis for axis, size in enumerate(sizes) if size != gradient.shape[axis])
    return (gradient.sum(axis=axes) if axes else gradient).reshape(shape)
