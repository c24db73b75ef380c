"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _validate, ops
from fastcnn.graph import Shape
from fastcnn.layers.base import Gradients, Layer, known
from fastcnn.ops import pool, steps
from fastcnn.random import Draws


class _Pooling2D(Layer):
    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = _validate.pair(pool_size, "pool_size", 1)
        self.strides = self.pool_size if strides is None else _validate.pair(strides, "strides", 1)
        self.padding = _validate.choice(padding, "padding", ("valid", "same"))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, C)."""
        *size, channels = known(input_shape, "N H W C", self.name)
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
    **kwargs
        `name`, `input_shape`: see `Layer`.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C). Conventions are those of ``keras.layers.MaxPooling2D``; the gradient goes to the
    first of equal maxima.

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

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep]:
        """Return the pooling."""
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
    **kwargs
        `name`, `input_shape`: see `Layer`.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C). Conventions are those of ``keras.layers.AveragePooling2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.AveragePooling2D(2, padding="same").compute_output_shape((None, 11, 11, 64))
    (None, 6, 6, 64)
    """

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the means, and the input's shape."""
        return ops.avg_pool2d(x, self.pool_size, self.strides, padding=self.padding), x.shape

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep]:
        """Return the pooling."""
        return (steps.pool2d("avg_pool2d", x, self.pool_size, self.strides, self.padding),)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return `dy` spread over the windows."""
        return ops.avg_pool2d_backward(dy, cache, self.pool_size, self.strides, padding=self.padding), ()
