"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _validate, ops
from fastcnn._settings import Choice, Flag, Pair, Setting, choice, flag, optional, pair
from fastcnn.graph import Shape
from fastcnn.layers.base import Gradients, ImageLayer
from fastcnn.ops import pool, steps
from fastcnn.random import Draws


class _Pooling2D(ImageLayer):
    pool_size: Pair = pair(1, (2, 2))
    strides: Setting[int | tuple[int, int] | None, Any] = optional(pair(1))
    padding: Choice = choice("valid", "same")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.strides = self.pool_size if self.strides is None else self.strides

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, C)."""
        *size, channels = self._image_sizes(input_shape)
        height, width = _validate.pool_axes(size, self.pool_size, self.strides, (1, 1), self.padding, False)
        return (None, height.out, width.out, channels)


class MaxPooling2D(_Pooling2D):
    """The largest value of each window.

    Parameters
    ----------
    pool_size : int or pair of int, default (2, 2)
    strides : int or pair of int, optional
        By default `pool_size`.
    padding : {"valid", "same"}
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a size that is not one or two positive integers, or an unknown padding; in a call, ValueError for inputs that are not
        (N, H, W, C), or smaller than a window.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C). The gradient goes to the first of equal maxima.

    References
    ----------
    D. Scherer, A. Müller, S. Behnke: Evaluation of pooling operations in convolutional architectures for object recognition. ICANN 2010; as
    ``keras.layers.MaxPooling2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.MaxPooling2D((2, 2)).compute_output_shape((None, 11, 11, 64))
    (None, 5, 5, 64)
    """

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the maxima, and where they were: a byte each, if that is enough."""
        if pool.fits_winners(self.pool_size):
            y, winners = pool.max_pool2d_winners(x, self.pool_size, self.strides, self.padding, relu=False)
            return y, (winners, x.shape)
        y, indices = ops.max_pool2d(x, self.pool_size, self.strides, padding=self.padding, return_indices=True)
        return y, (indices, x.shape)

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the maxima."""
        return ops.max_pool2d(x, self.pool_size, self.strides, padding=self.padding)

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
        """Return the pooling; in training, if a byte tells which tap has won."""
        if place is not None and not pool.fits_winners(self.pool_size):
            return None
        return (steps.pool2d("max_pool2d", x, self.pool_size, self.strides, self.padding),)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` at the maxima."""
        where, input_shape = cache
        if where.dtype == np.uint8:
            return pool.max_pool2d_winners_backward(dy, None, where, input_shape, self.pool_size, self.strides, self.padding), ()
        return ops.max_pool2d_backward(dy, where, input_shape), ()


class AveragePooling2D(_Pooling2D):
    """The mean of each window, padding not counted.

    Parameters
    ----------
    pool_size : int or pair of int, default (2, 2)
    strides : int or pair of int, optional
        By default `pool_size`.
    padding : {"valid", "same"}
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a size that is not one or two positive integers, or an unknown padding; in a call, ValueError for inputs that are not
        (N, H, W, C), or smaller than a window.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C).

    References
    ----------
    ``keras.layers.AveragePooling2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.AveragePooling2D(2, padding="same").compute_output_shape((None, 11, 11, 64))
    (None, 6, 6, 64)
    """

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the means, and the input's shape."""
        return ops.avg_pool2d(x, self.pool_size, self.strides, padding=self.padding), x.shape

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep]:
        """Return the pooling."""
        return (steps.pool2d("avg_pool2d", x, self.pool_size, self.strides, self.padding),)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` spread over the windows."""
        return ops.avg_pool2d_backward(dy, cache, self.pool_size, self.strides, padding=self.padding), ()


class _GlobalPooling2D(ImageLayer):
    keepdims: Flag = flag(False)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, C), or (None, 1, 1, C)."""
        channels = self._image_sizes(input_shape)[-1]
        return (None, 1, 1, channels) if self.keepdims else (None, channels)

    def _pooled(self, y: np.ndarray) -> np.ndarray:
        """Return `y` (N, 1, 1, C) in the output's shape."""
        return y if self.keepdims else y.reshape(len(y), y.shape[-1])


class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean of each channel of an image.

    Parameters
    ----------
    keepdims : bool, default False
        Whether the output is (N, 1, 1, C).
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `keepdims` that is no bool; in a call, ValueError for inputs that are not (N, H, W, C).

    Notes
    -----
    Input (N, H, W, C), output (N, C).

    References
    ----------
    M. Lin, Q. Chen, S. Yan: Network in network. ICLR 2014; as ``keras.layers.GlobalAveragePooling2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.GlobalAveragePooling2D().compute_output_shape((None, 7, 7, 64))
    (None, 64)
    """

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the means, and the input's shape."""
        return self._pooled(ops.avg_pool2d(x, x.shape[1:3])), x.shape

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep]:
        """Return the pooling."""
        size = (x.shape[1], x.shape[2])
        return (steps.pool2d("avg_pool2d", x, size, size, "valid"),)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` spread over the images."""
        return ops.avg_pool2d_backward(dy.reshape(len(dy), 1, 1, dy.shape[-1]), cache, cache[1:3]), ()


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest value of each channel of an image.

    Parameters
    ----------
    keepdims : bool, default False
        Whether the output is (N, 1, 1, C).
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `keepdims` that is no bool; in a call, ValueError for inputs that are not (N, H, W, C).

    Notes
    -----
    Input (N, H, W, C), output (N, C). Equal maxima share the gradient out evenly (with `MaxPooling2D`, the first has all of it); of a
    channel with a NaN, the maximum and the gradient are NaN.

    References
    ----------
    ``keras.layers.GlobalMaxPooling2D``, on TensorFlow.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.GlobalMaxPooling2D(keepdims=True).compute_output_shape((None, 7, 7, 64))
    (None, 1, 1, 64)
    """

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the maxima, and the input with them."""
        y = ops.max_pool2d(x, x.shape[1:3])
        return self._pooled(y), (x, y)

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
        """Return the pooling; in training None, as the gradient is no kernel's."""
        size = (x.shape[1], x.shape[2])
        return (steps.pool2d("max_pool2d", x, size, size, "valid"),) if place is None else None

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` at the maxima, shared out evenly."""
        x, y = cache
        largest = x == y
        with np.errstate(all="ignore"):
            shares = dy.reshape(y.shape) / np.count_nonzero(largest, axis=(1, 2), keepdims=True).astype(dy.dtype)
            return np.multiply(largest, shares, dtype=dy.dtype), ()
