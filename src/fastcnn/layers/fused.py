"""Layers that run as one: what a network makes of neighbours that kernels can do together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastcnn.graph import Shape
from fastcnn.layers.base import Gradients
from fastcnn.layers.conv import Conv2D
from fastcnn.layers.pooling import MaxPooling2D
from fastcnn.ops import conv_pool, pool, steps
from fastcnn.ops.explain import choice_of
from fastcnn.random import Draws


class PooledConv2D:
    """A `Conv2D`, linear or with a ReLU, and the `MaxPooling2D` behind it: where a kernel does both, the plane between is never stored.

    Outputs are those of the two layers, bit for bit. The ReLU waits for the pooling: the two commute, and fewer numbers are left then.
    """

    takes_many = False

    def __init__(self, conv: Conv2D, pooling: MaxPooling2D) -> None:
        self._conv, self._pooling = conv, pooling
        self._relu = conv.activation == "relu"

    @classmethod
    def of(cls, first: Any, second: Any) -> Self | None:
        """Return the two as one, or None if they are not such a pair."""
        if not (isinstance(first, Conv2D) and isinstance(second, MaxPooling2D)) or first.activation not in ("linear", "relu"):
            return None
        return cls(first, second) if pool.fits_winners(second.pool_size) else None

    def _shape(self, x: np.ndarray) -> conv_pool.ConvPoolShape:
        conv, pooling = self._conv, self._pooling
        shape = conv.shape(x, conv.weights["kernel"], conv.groups)
        return conv_pool.ConvPoolShape.of(shape, pooling.pool_size, pooling.strides, pooling.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        return self._pooling.compute_output_shape(self._conv.compute_output_shape(input_shape))

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep] | None:
        """Return the kernel that does both, if the convolution has one group."""
        return (steps.conv2d_max_pool2d(self._conv.weights, self._shape(x), self._relu),) if self._conv.groups == 1 else None

    def _run(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, np.ndarray | None, conv_pool.ConvPoolShape]:
        weights, shape = self._conv.weights, self._shape(x)
        y, winners = conv_pool.conv2d_max_pool2d(x, weights["kernel"], weights.get("bias"), shape, self._relu, training)
        return y, winners, shape

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the convolution's algorithm, and whether the pooling is a part of it."""
        one = np.zeros((1, *input_shape[1:]), np.float32)
        kernel, shape = self._conv.weights["kernel"], self._shape(one)
        name = choice_of(shape.conv).algorithm
        return f"{name}, fused with pooling" if conv_pool.is_fused(one, kernel, shape) else name

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the maxima."""
        return self._run(x, training=False)[0]

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the maxima, and what `backward` needs to know."""
        y, winners, shape = self._run(x, training=True)
        return y, (x, y if self._relu else None, winners, shape)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the convolution's weights."""
        x, y, winners, shape = cache
        weights = self._conv.weights
        dx, *gradients = conv_pool.conv2d_max_pool2d_backward(dy, y, winners, x, weights["kernel"], shape, input_grad, out)
        return dx, tuple(gradients[: len(weights)])
