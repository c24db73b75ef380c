"""How the page may tell what a layer did: for each type of layer, the kind of sum, window or passing on that it is, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fastcnn import _validate, layers
from fastcnn.graph import Shape


class Kind(NamedTuple):
    """A kind that the page knows, its plain settings, and its arrays, which may be too large to be there."""

    name: str
    settings: Mapping[str, Any] = MappingProxyType({})
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})


def kind_of(layer: Any, input_shape: Any, output_shape: Shape) -> Kind:
    """Return the kind that `layer` is: "other" for layers of one's own, and those that are told by their input and output alone."""
    describe = _KINDS.get(type(layer))
    return describe(layer, input_shape, output_shape) if describe else Kind("other")


def _conv(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """A kernel (KH, KW, C // groups, F) over windows; a depthwise one has a group for each channel."""
    height, width, channels = (size or 0 for size in input_shape[1:])
    rows, columns = _validate.axes((height, width), layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    settings = {
        "stride": layer.strides,
        "dilation": layer.dilation_rate,
        "before": (rows.before, columns.before),
        "groups": channels if depthwise else layer.groups,
    }
    kernel = layer.weights["kernel"]
    return Kind("conv", settings, {**layer.weights, "kernel": kernel.reshape(*kernel.shape[:2], 1, -1) if depthwise else kernel})


def _transposed(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """A kernel (KH, KW, F, C) laid over the output by every pixel of the input."""
    height, width = (size or 0 for size in input_shape[1:3])
    rows, columns = _validate.transposed_axes((height, width), layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    settings = {"stride": layer.strides, "dilation": layer.dilation_rate, "before": (rows.before, columns.before)}
    return Kind("transposed", settings, layer.weights)


def _dense(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    return Kind("dense", {}, layer.weights)


def _pool(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """A window that moves over the image."""
    height, width = (size or 0 for size in input_shape[1:3])
    rows, columns = _validate.pool_axes((height, width), layer.pool_size, layer.strides, (1, 1), layer.padding, False)
    return _windows(layer, layer.pool_size, layer.strides, (rows.before, columns.before))


def _global_pool(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """One window, which is the image."""
    return _windows(layer, input_shape[1:3], (1, 1), (0, 0))


def _windows(layer: Any, window: Any, stride: Any, before: Any) -> Kind:
    largest = isinstance(layer, layers.MaxPooling2D | layers.GlobalMaxPooling2D)
    return Kind("pool", {"window": window, "stride": stride, "before": before, "largest": largest})


def _activation(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """A function of each number, or the softmax along an axis, which is counted without the batch."""
    softmax = layer.activation.startswith("softmax")
    axis = getattr(layer, "axis", -1) % len(input_shape) - 1
    return Kind("softmax", {"axis": axis}) if softmax and axis >= 0 else Kind("activation", {"function": layer.activation})


def _normalized(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """(x - shift) * factor + offset, for each place of the last axis."""
    if layer.axis % len(input_shape) != len(input_shape) - 1:
        return Kind("other")
    return Kind("scale", {}, dict(zip(("shift", "factor", "offset"), layer.inference(), strict=True)))


def _rescaled(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    size = input_shape[-1] or 0
    numbers = {"shift": 0.0, "factor": layer.scale, "offset": layer.offset}
    return Kind("scale", {}, {name: np.broadcast_to(np.asarray(value, np.float32), (size,)) for name, value in numbers.items()})


def _same_numbers(layer: Any, input_shape: Shape, output_shape: Shape) -> Kind:
    """What passes on the numbers in the order in which they are in memory."""
    return Kind("same")


def _merged(layer: Any, input_shape: Any, output_shape: Shape) -> Kind:
    """A function of the numbers at the same place, where all inputs have the output's shape."""
    return Kind("merge" if all(tuple(shape) == tuple(output_shape) for shape in input_shape) else "other")


_KINDS: dict[type, Callable[[Any, Any, Shape], Kind]] = {
    layers.Conv2D: _conv,
    layers.DepthwiseConv2D: _conv,
    layers.Conv2DTranspose: _transposed,
    layers.Dense: _dense,
    layers.BatchNormalization: _normalized,
    layers.Rescaling: _rescaled,
    **dict.fromkeys((layers.MaxPooling2D, layers.AveragePooling2D), _pool),
    **dict.fromkeys((layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D), _global_pool),
    **dict.fromkeys((layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax), _activation),
    **dict.fromkeys((layers.Flatten, layers.Reshape, layers.Dropout, layers.SpatialDropout2D), _same_numbers),
    **dict.fromkeys((layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum), _merged),
}
