"""Layers that move numbers to other places, or repeat them: Reshape, Permute, margins, and enlarging."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from fastcnn import _validate
from fastcnn._settings import Choice, Pair, Setting, choice, pair
from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.base import Gradients, ImageLayer, Layer
from fastcnn.layers.core import Reshaping
from fastcnn.ops.margins import Margins, cropped, padded
from fastcnn.ops.resampling import enlarged, enlarged_backward
from fastcnn.random import Draws

#: ((top, bottom), (left, right)).


def _target_shape(value: Any, name: str) -> tuple[int, ...]:
    _validate.instance(value, list | tuple, name, "a sequence of integers")
    sizes = tuple(_validate.integer(size, f"{name}[{axis}]", -1) for axis, size in enumerate(value))
    if 0 in sizes or sizes.count(-1) > 1:
        raise ValueError(f"{name} must hold positive sizes and at most one -1, got {sizes}")
    return sizes


def _order(value: Any, name: str) -> tuple[int, ...]:
    axes = _validate.shape(value, name, range(1, 32))
    if sorted(axes) != list(range(1, len(axes) + 1)):
        raise ValueError(f"{name} must hold each of 1 to {len(axes)} once, got {axes}")
    return axes


def _margins(value: Any, name: str) -> Margins:
    """Return `value` as ((top, bottom), (left, right))."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be an integer, a pair or a pair of pairs, got {value!r}")
    margins = _validate.padding(value, name)
    assert not isinstance(margins, str)
    return margins


class Reshape(Reshaping):
    """Each input's numbers, in their order, in another shape.

    Parameters
    ----------
    target_shape : sequence of int
        Without the batch. One size may be -1, which is what the others leave.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For a `target_shape` that is no list or tuple of positive integers and at most one -1; in a call, ValueError for inputs whose
        numbers do not fill it.

    References
    ----------
    ``keras.layers.Reshape``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Reshape((7, -1, 2)).compute_output_shape((None, 98))
    (None, 7, 7, 2)
    """

    target_shape: Setting[Sequence[int], tuple[int, ...]] = Setting(_target_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, ...) with `target_shape`."""
        count, given = math.prod(entry_sizes(input_shape)), math.prod(size for size in self.target_shape if size != -1)
        if count != given if -1 not in self.target_shape else count % given:
            raise ValueError(f"target_shape of {self.name!r} must fit the input's {count} numbers, got {self.target_shape}")
        return (None, *(count // given if size == -1 else size for size in self.target_shape))


class Permute(Layer):
    """The axes in another order.

    Parameters
    ----------
    dims : sequence of int
        For each axis of the output, which one of the input it is; the first behind the batch is 1.
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For `dims` that are not the integers from 1 on, each once; in a call, ValueError for inputs with another number of axes.

    References
    ----------
    ``keras.layers.Permute``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Permute((3, 1, 2)).compute_output_shape((None, 28, 32, 3))
    (None, 3, 28, 32)
    """

    dims: Setting[Sequence[int], tuple[int, ...]] = Setting(_order)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes in their new order."""
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(f"dims of {self.name!r} must name every axis behind the batch, got {self.dims} for shape {input_shape}")
        return (None, *(input_shape[axis] for axis in self.dims))

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x` with its axes in their new order."""
        return np.ascontiguousarray(x.transpose(0, *self.dims)), None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` with its axes in the input's order."""
        return np.ascontiguousarray(dy.transpose(np.argsort((0, *self.dims)))), ()


class ZeroPadding2D(ImageLayer):
    """Images with a margin of zeros.

    Parameters
    ----------
    padding : int, pair of int or pair of pairs, default (1, 1)
        Pixels on all sides; above and below, and left and right; or ((top, bottom), (left, right)).
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `padding` of another form, or with a negative number; in a call, ValueError for inputs that are not (N, H, W, C).

    References
    ----------
    ``keras.layers.ZeroPadding2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.ZeroPadding2D(((0, 1), (2, 2))).compute_output_shape((None, 28, 28, 3))
    (None, 29, 32, 3)
    """

    padding: Setting[int | Sequence[Any], Margins] = Setting(_margins, (1, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, top + H + bottom, left + W + right, C)."""
        height, width, channels = self._image_sizes(input_shape)
        return (None, height + sum(self.padding[0]), width + sum(self.padding[1]), channels)

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the larger images."""
        return padded(x, self.padding), None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` without its margin."""
        return cropped(dy, self.padding), ()


class Cropping2D(ImageLayer):
    """Images without their margin.

    Parameters
    ----------
    cropping : int, pair of int or pair of pairs, default ((0, 0), (0, 0))
        Pixels on all sides; above and below, and left and right; or ((top, bottom), (left, right)).
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `cropping` of another form, or with a negative number; in a call, ValueError for inputs that are not (N, H, W, C), or of which
        nothing is left.

    References
    ----------
    ``keras.layers.Cropping2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Cropping2D((2, 4)).compute_output_shape((None, 28, 28, 3))
    (None, 24, 20, 3)
    """

    cropping: Setting[int | Sequence[Any], Margins] = Setting(_margins, ((0, 0), (0, 0)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, H - top - bottom, W - left - right, C)."""
        height, width, channels = self._image_sizes(input_shape)
        rows, columns = height - sum(self.cropping[0]), width - sum(self.cropping[1])
        if rows < 1 or columns < 1:
            raise ValueError(f"cropping of {self.name!r} must leave a pixel of {height} x {width}, got {self.cropping}")
        return (None, rows, columns, channels)

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the smaller images."""
        return cropped(x, self.cropping), None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` with a margin of zeros."""
        return padded(dy, self.cropping), ()


class UpSampling2D(ImageLayer):
    """Images a number of times as large.

    Parameters
    ----------
    size : int or pair of int, default (2, 2)
        How many times as high and as wide.
    interpolation : {"nearest", "bilinear"}
        Whether each pixel is repeated, or the new ones lie on straight lines between the old ones, whose colours are those of their
        centres; behind the outermost centres, the image goes on as it is there.
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `size` that is not one or two positive integers, or another `interpolation`; in a call, ValueError for inputs that are not
        (N, H, W, C).

    References
    ----------
    ``keras.layers.UpSampling2D``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import layers
    >>> line = np.reshape([0, 4], (1, 1, 2, 1))
    >>> layers.UpSampling2D((1, 2))(line).ravel().tolist()
    [0.0, 0.0, 4.0, 4.0]
    >>> layers.UpSampling2D((1, 2), interpolation="bilinear")(line).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    size: Pair = pair(1, (2, 2))
    _: KW_ONLY
    interpolation: Choice = choice("nearest", "bilinear")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, rows · H, columns · W, C)."""
        height, width, channels = self._image_sizes(input_shape)
        shape = (height * self.size[0], width * self.size[1], channels)
        _validate.addressable(shape, np.dtype(np.float32), f"the output of {self.name!r}")
        return (None, *shape)

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the larger images."""
        for axis, factor in enumerate(self.size, 1):
            x = enlarged(x, axis, factor, self.interpolation)
        return x, None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return for each pixel the sum of `dy` over those that it has a share in, by their shares."""
        for axis, factor in enumerate(self.size, 1):
            dy = enlarged_backward(dy, axis, factor, self.interpolation)
        return dy, ()
