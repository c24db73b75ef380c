"""A network taken apart, so that every number that somebody may ask for is the output of a step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastcnn.graph import Shape
from fastcnn.layers.activated import BiasedLayer
from fastcnn.layers.activations import Activation
from fastcnn.layers.base import Layer
from fastcnn.layers.conv import Conv2D, DepthwiseConv2D, SeparableConv2D
from fastcnn.network import Network, Step


class Part(NamedTuple):
    """What the page shows as a layer: a step, and the activation that it ends in, if it has one, as a step of its own."""

    name: str
    type: str
    linear: Step
    activation: Step | None = None

    @property
    def output(self) -> int:
        """The number of the value that the part gives."""
        return (self.activation or self.linear).output

    @property
    def steps(self) -> tuple[Step, ...]:
        """The one or two steps."""
        return (self.linear,) if self.activation is None else (self.linear, self.activation)


def parts_of(network: Network, inputs: list[Shape]) -> list[Part]:
    """Return the parts that `network` consists of, in order, for its inputs' shapes; bit for bit, they give what its layers give."""
    shapes = network.shapes(inputs)
    fresh = itertools.count(max((*shapes, *network.inputs)) + 1)
    parts: list[Part] = []
    for step in network.steps:
        layer = step.layers[0]
        if type(layer) is SeparableConv2D:
            parts += _separated(layer, step, shapes[step.inputs[0]], fresh)
        else:
            parts.append(_part(layer.name, type(layer).__name__, layer, step, fresh))
    return parts


def _part(name: str, kind: str, layer: Layer, step: Step, fresh: Iterator[int]) -> Part:
    """Return `layer`, which does what `step` does, as a part; its activation apart, but of layers that are nothing else."""
    if not isinstance(layer, BiasedLayer) or layer.activation == "linear":
        return Part(name, kind, step._replace(operation=layer))
    between = next(fresh)
    bare, last = layer.without_activation(), Activation(layer.activation)
    linear = Step(bare, step.layers, step.inputs, between)
    return Part(name, kind, linear, Step(last, (last,), (between,), step.output))


def _separated(layer: SeparableConv2D, step: Step, shape: Shape, fresh: Iterator[int]) -> list[Part]:
    """Return the two convolutions that `layer` is."""
    geometry: dict[str, Any] = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
    depthwise = DepthwiseConv2D(layer.kernel_size, depth_multiplier=layer.depth_multiplier, use_bias=False, **geometry)
    pointwise = Conv2D(layer.filters, 1, activation=layer.activation, use_bias=layer.use_bias)
    depthwise.build(shape)
    pointwise.build(depthwise.compute_output_shape(shape))
    depthwise.set_weights([layer.weights["depthwise_kernel"]])
    pointwise.set_weights([array for name, array in layer.weights.items() if name != "depthwise_kernel"])
    between = next(fresh)
    first = Step(depthwise, (depthwise,), step.inputs, between)
    second = Step(pointwise, (pointwise,), (between,), step.output)
    return [
        _part(f"{layer.name}, each channel", "SeparableConv2D", depthwise, first, fresh),
        _part(f"{layer.name}, across channels", "SeparableConv2D", pointwise, second, fresh),
    ]
