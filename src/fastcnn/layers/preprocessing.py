"""Layers that bring data into a range: Rescaling, Normalization."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _validate, initializers
from fastcnn._settings import Flag, Setting, flag, optional
from fastcnn.graph import Shape
from fastcnn.layers.base import Gradients, Layer, WeightSpec
from fastcnn.ops.normalize import RunningMoments
from fastcnn.random import Draws

#: Rows of an array whose moments are found at a time, in float64.
_ROWS = 256
#: The least standard deviation that Keras divides by.
_EPSILON = 1e-7


def _numbers(value: ArrayLike, name: str) -> Any:
    """Return `value` as a float, or as a list of floats, all finite."""
    numbers = _validate.array(value, name, (0, 1)).astype(np.float64)
    _validate.not_empty(numbers.shape, name)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {value!r}")
    return numbers.tolist()


def _axes(value: Any, name: str) -> list[int]:
    return [] if value is None else _validate.integers(value, name, -32, 32)


class Rescaling(Layer):
    """``x * scale + offset``: pixels from [0, 255] in [0, 1] with ``scale=1 / 255``.

    Parameters
    ----------
    scale, offset : float or sequence of float
        One for all, or one for each channel. The `offset` is 0 by default.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For what is neither a finite number nor a list of some; in a call, ValueError for a list that has not one for each channel.

    References
    ----------
    ``keras.layers.Rescaling``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Rescaling(1 / 4, offset=-1)([[0, 4, 8]]).tolist()
    [[-1.0, 0.0, 1.0]]
    """

    preprocessing = True

    scale: Setting[ArrayLike, Any] = Setting(_numbers)
    offset: Setting[ArrayLike, Any] = Setting(_numbers, 0.0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        for name, numbers in (("scale", self.scale), ("offset", self.offset)):
            if np.ndim(numbers) and np.size(numbers) not in (1, input_shape[-1]):
                raise ValueError(f"{name} of {self.name!r} must have as many numbers as there are channels, got {numbers}")
        return input_shape

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the numbers in their new range."""
        dtype = floating(x)
        y: np.ndarray = np.multiply(x, np.asarray(self.scale, dtype), dtype=dtype)
        y += np.asarray(self.offset, dtype)
        return y, None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return ``dy * scale``."""
        return (dy * np.asarray(self.scale, dy.dtype) if input_grad else None), ()


class Normalization(Layer):
    """``(x - mean) / sqrt(variance)``, with moments that are given, or those of data that `adapt` has seen.

    Parameters
    ----------
    axis : int, sequence of int or None, default -1
        The axes that have moments of their own for each place; None for the same moments everywhere.
    mean, variance : float or sequence of float, optional
        Both or neither. One for all, or one for each place on the last of the axes.
    invert : bool, default False
        Whether to undo it: ``x * sqrt(variance) + mean``.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, one moment without the other, moments of different shapes, or a negative variance; in a call,
        ValueError for axes that the input lacks, or moments that do not fit it.

    Notes
    -----
    Without given moments, the weights are `mean` and `variance`, of the sizes of the axes, and `count`, which stays 0. Standard
    deviations below 1e-7 count as that.

    References
    ----------
    ``keras.layers.Normalization``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import layers
    >>> layer = layers.Normalization()
    >>> layer.adapt(np.array([[0, 5], [2, 25]]))
    >>> layer([[1, 15], [2, 5]]).tolist()
    [[0.0, 0.0], [1.0, -1.0]]
    """

    preprocessing = True

    axis: Setting[int | Sequence[int] | None, list[int]] = Setting(_axes, -1)
    mean: Setting[Any, Any] = optional(Setting(_numbers))
    variance: Setting[Any, Any] = optional(Setting(_numbers))
    invert: Flag = flag(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.mean is None) != (self.variance is None):
            raise ValueError(f"mean and variance must both be given, or neither, got mean {self.mean} and variance {self.variance}")
        if self.mean is not None:
            _validate.same_shape(np.shape(self.variance), np.shape(self.mean), "variance", "the shape of mean")
            if np.min(self.variance) < 0:
                raise ValueError(f"variance must not be negative, got {self.variance}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        kept = self._kept(len(input_shape))
        if self.mean is not None and np.ndim(self.mean) and (not kept or np.size(self.mean) not in (1, input_shape[kept[-1]])):
            raise ValueError(f"mean of {self.name!r} must have a number for each place on its axis, got {self.mean}")
        return input_shape

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the moments, if they were not given, and `count`."""
        if self.mean is not None:
            return {}
        sizes = tuple(input_shape[axis] or 0 for axis in self._kept(len(input_shape)))
        zeros, ones = initializers.Zeros(), initializers.Ones()
        return {
            "mean": WeightSpec(sizes, zeros, trainable=False),
            "variance": WeightSpec(sizes, ones, trainable=False),
            "count": WeightSpec((), zeros, trainable=False),
        }

    def _kept(self, rank: int) -> list[int]:
        """Return the axes with moments of their own, in order, for inputs with `rank` axes."""
        kept = sorted(axis + rank if axis < 0 else axis for axis in self.axis)
        if any(not 0 < axis < rank for axis in kept) or len(set(kept)) < len(kept):
            raise ValueError(f"axis of {self.name!r} must name axes behind the batch, each once, got {self.axis} for {rank} axes")
        return kept

    def _moments(self, x: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the standard deviation, in shapes that broadcast to `x`."""
        mean, variance = (self.mean, self.variance) if self.mean is not None else (self._weights["mean"], self._weights["variance"])
        kept, given = self._kept(x.ndim), np.shape(mean)
        sizes = [1] * x.ndim
        for axis, size in zip(kept[len(kept) - len(given) :], given, strict=True):
            sizes[axis] = size
        deviation = np.maximum(np.sqrt(np.asarray(variance, dtype)), dtype.type(_EPSILON))
        return np.asarray(mean, dtype).reshape(sizes), deviation.reshape(sizes)

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the normalized numbers, and the standard deviation."""
        dtype = floating(x)
        mean, deviation = self._moments(x, dtype)
        y: np.ndarray
        if self.invert:
            y = np.multiply(x, deviation, dtype=dtype)
            y += mean
        else:
            y = np.subtract(x, mean, dtype=dtype)
            y /= deviation
        return y, deviation

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` over, or times, the standard deviation."""
        return ((dy * cache if self.invert else dy / cache) if input_grad else None), ()

    def adapt(self, data: Any) -> None:
        """Find the mean and the variance of data.

        Parameters
        ----------
        data : array_like, shape (N, ...), or iterable of array_like
            All of it, or batches; of a batch that is a tuple, the first entry counts.

        Raises
        ------
        TypeError, ValueError
            For data that are not real numbers, are none at all or of different shapes; or if moments were given to the constructor.
        """
        if self.mean is not None:
            raise ValueError(f"layer {self.name!r} has been given its mean and its variance, and cannot adapt to data")
        moments, sizes = RunningMoments(), None
        for batch in _batches(data):
            sizes = sizes or batch.shape[1:]
            self.build((None, *sizes))
            _validate.same_shape(batch.shape[1:], sizes, "data", "entries of the shape")
            kept = self._kept(batch.ndim)
            moments.add(batch, tuple(axis for axis in range(batch.ndim) if axis not in kept))
        if not moments.count:
            raise ValueError("data must hold a number, got none")
        self.set_weights([moments.mean, moments.variance, self._weights["count"]])


def floating(x: np.ndarray) -> np.dtype:
    """Return the dtype to work in: that of `x`, or float32 for integers."""
    return x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)


def _batches(data: Any) -> Iterator[np.ndarray]:
    """Yield the batches of data that are one array, or an iterable of batches; none is empty."""
    if isinstance(data, np.ndarray):
        data = [data[start : start + _ROWS] for start in range(0, len(data), _ROWS)]
    if not isinstance(data, Iterable):
        raise TypeError(f"data must be an array or an iterable of batches, got {type(data).__name__}")
    for batch in data:
        array = _validate.array(batch[0] if isinstance(batch, tuple) else batch, "data", range(1, 33))
        if array.size:
            yield array
