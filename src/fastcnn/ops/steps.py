"""Kernels as steps: what each does, said once, so that C can run them one after the other.

Each function takes an example `x` (N, ...) of what the step will be given, of which only the shape is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fastcnn._validate import Padding
from fastcnn.ops._images import Layout, plain
from fastcnn.ops.conv import Conv2DShape
from fastcnn.ops.conv_pool import ConvPoolShape
from fastcnn.ops.dense import dense_shape
from fastcnn.ops.pool import Pool2DShape

_FLOAT32 = np.dtype(np.float32)
#: A layer's live weights: its "kernel" and, perhaps, its "bias".
Weights = Mapping[str, np.ndarray]


class KernelStep(NamedTuple):
    """The fields of the C structure `fcnn_step`, in its order; None where a kind has no such shape. And the weights, if any."""

    kind: str
    conv: Conv2DShape | None = None
    pool: Pool2DShape | None = None
    rows: int = 0
    columns: int = 0
    relu: bool = False
    place: int = 0
    threshold: float = 0.0
    scale: float = 0.0
    weights: Weights | None = None

    def arrays(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The kernel and the bias, or None, as C takes them, if they are still of the shapes that the step was made for."""
        if self.weights is None or self.conv is None:
            return None, None
        kernel, bias, shape = self.weights["kernel"], self.weights.get("bias"), self.conv
        if kernel.size != shape.kh * shape.kw * shape.c * shape.f or (bias is not None and bias.shape != (shape.f,)):
            shapes = [array.shape for array in self.weights.values()]
            raise ValueError(f"weights must have the shapes that the model was built with, for {shape.f} results, got {shapes}")
        return plain(kernel, _FLOAT32), None if bias is None else plain(bias, _FLOAT32)


def conv2d(shape: Conv2DShape, weights: Weights, relu: bool) -> KernelStep:
    """A convolution in one group."""
    return KernelStep("conv2d", shape, relu=relu, weights=weights)


def conv2d_max_pool2d(weights: Weights, shape: ConvPoolShape, relu: bool) -> KernelStep:
    """A convolution in one group, and the max pooling of its result."""
    return KernelStep("conv2d_max_pool2d", shape.conv, shape.pool, relu=relu, weights=weights)


def dense(x: np.ndarray, weights: Weights, relu: bool) -> KernelStep:
    """A dense layer."""
    return KernelStep("conv2d", dense_shape(x.shape, weights["kernel"].shape), relu=relu, weights=weights)


def pool2d(kind: str, x: np.ndarray, pool_size: tuple[int, int], stride: tuple[int, int], padding: Padding) -> KernelStep:
    """A pooling of the kind "max_pool2d" or "avg_pool2d"."""
    shape = Layout.of(x, "channels_last").nhwc_shape(x.shape)
    return KernelStep(kind, pool=Pool2DShape.of(shape, pool_size, stride, padding, 1, False, False))


def dropout(x: np.ndarray, place: int, threshold: float, scale: float) -> KernelStep:
    """A dropout, which draws what is drawn at `place`."""
    return KernelStep("dropout", rows=len(x), columns=math.prod(x.shape[1:]), place=place, threshold=threshold, scale=scale)


#: The names of the activations that are kernels.
ACTIVATIONS = frozenset({"relu", "softmax"})


def activation(name: str, x: np.ndarray) -> KernelStep:
    """The activation `name`, one of `ACTIVATIONS`."""
    return KernelStep(name, rows=math.prod(x.shape[:-1]), columns=x.shape[-1])
