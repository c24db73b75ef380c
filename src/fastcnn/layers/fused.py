"""Layers that run as one: what a network makes of neighbours that kernels can do together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np

from fastcnn.graph import Shape
from fastcnn.layers.activated import ActivatedLayer
from fastcnn.layers.activations import Elementwise
from fastcnn.layers.base import Gradients, Layer
from fastcnn.layers.conv import Conv2D, DepthwiseConv2D
from fastcnn.layers.normalization import BatchNormalization
from fastcnn.layers.pooling import MaxPooling2D
from fastcnn.ops import conv_pool, pool, steps
from fastcnn.ops.explain import choice_of
from fastcnn.random import Draws


class FoldedWeights(Mapping[str, np.ndarray]):
    """The kernel and the bias of a convolution that does what it and a batch normalization do, as both are now."""

    def __init__(self, conv: Conv2D | DepthwiseConv2D, norm: BatchNormalization) -> None:
        self._conv, self._norm = conv, norm
        self._folded: tuple[int, dict[str, np.ndarray]] | None = None

    def _current(self) -> dict[str, np.ndarray]:
        """Return the weights, computed anew if a layer's have changed."""
        version = self._conv.version + self._norm.version  # as it is before the weights are read
        folded = self._folded
        if folded is None or folded[0] != version:
            shift, factor, offset = self._norm.inference()
            kernel, bias = self._conv.weights["kernel"], self._conv.weights.get("bias", np.zeros_like(offset))
            # The last axis of a kernel, or the last two of a depthwise one, are the output channels.
            channels = kernel.shape[2:] if isinstance(self._conv, DepthwiseConv2D) else kernel.shape[3:]
            with np.errstate(over="ignore", invalid="ignore"):
                weights = {"kernel": kernel * factor.reshape(channels), "bias": (bias - shift) * factor + offset}
            folded = self._folded = version, weights
        return folded[1]

    def __getitem__(self, name: str) -> np.ndarray:
        return self._current()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("kernel", "bias"))

    def __len__(self) -> int:
        return 2


def normalized(first: Any, second: Any) -> ActivatedLayer | None:
    """Return a linear convolution and the batch normalization of its channels as one convolution, or None if they are not such a pair."""
    if type(first) not in (Conv2D, DepthwiseConv2D) or first.function.name != "linear":
        return None
    if type(second) is not BatchNormalization or second.axis not in (-1, 3):
        return None
    folded = cast(ActivatedLayer, first.without_activation())
    folded._weights = cast(dict[str, np.ndarray], FoldedWeights(first, second))
    return folded


def activated(first: Any, second: Any) -> ActivatedLayer | None:
    """Return a linear convolution and the activation behind it as one, or None if its kernel does not apply that; bits are the same."""
    if not isinstance(first, Conv2D | DepthwiseConv2D) or first.function.name != "linear":
        return None
    if not isinstance(second, Elementwise) or second.function.name not in first._fused:
        return None
    folded = first.without_activation()
    folded.function = second.function
    return folded


class PooledConv2D(Layer):
    """A `Conv2D`, linear or with a ReLU, and the `MaxPooling2D` behind it: where a kernel does both, the plane between is never stored.

    Outputs are those of the two layers, bit for bit. The ReLU waits for the pooling: the two commute, and fewer numbers are left then.
    """

    def __init__(self, conv: Conv2D, pooling: MaxPooling2D) -> None:
        super().__init__()
        self._conv, self._pooling = conv, pooling
        self._relu = conv.function.name == "relu"

    @classmethod
    def of(cls, first: Any, second: Any) -> Self | None:
        """Return the two as one, or None if they are not such a pair."""
        if not (isinstance(first, Conv2D) and isinstance(second, MaxPooling2D)) or first.function.name not in ("linear", "relu"):
            return None
        return cls(first, second) if pool.fits_winners(second.pool_size) else None

    def _shape(self, x: np.ndarray) -> conv_pool.ConvPoolShape:
        conv, pooling = self._conv, self._pooling
        shape = conv.shape(x, conv.weights["kernel"], conv.groups)
        return conv_pool.ConvPoolShape.of(shape, pooling.pool_size, pooling.strides, pooling.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        return self._pooling.compute_output_shape(self._conv.compute_output_shape(input_shape))

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
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
