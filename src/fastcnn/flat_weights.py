"""The trainable weights of a network in one flat array: what optimizers and checkpoints work on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from fastcnn.layers.base import Gradients, Layer


class FlatWeights:
    """The trainable weights of some layers in one flat float32 array, and their gradients in another.

    The layers compute with views into `weights`, so an optimizer changes them all at once by changing the flat array.

    Parameters
    ----------
    slots : sequence of (Layer, str)
        The weights, as layers and names.
    """

    def __init__(self, slots: Sequence[tuple[Layer, str]]) -> None:
        self.slots = list(slots)
        shapes = [layer.weights[name].shape for layer, name in self.slots]
        #: The number of elements of each weight.
        self.sizes = [layer.weights[name].size for layer, name in self.slots]
        stops = np.cumsum([0, *self.sizes]).tolist()
        self.weights = np.empty(stops[-1], np.float32)
        self.gradients = np.zeros(stops[-1], np.float32)
        spans = [slice(*span) for span in pairwise(stops)]
        self._places = [self.weights[span].reshape(shape) for span, shape in zip(spans, shapes, strict=True)]
        self._gradients = [self.gradients[span].reshape(shape) for span, shape in zip(spans, shapes, strict=True)]
        views: dict[Layer, Gradients] = {}
        for (layer, _), view in zip(self.slots, self._gradients, strict=True):
            views[layer] = (*views.get(layer, ()), view)
        #: For every layer that learns, where the gradients of its weights go.
        self.gradient_views: Mapping[Layer, Gradients] = views
        self._penalties = [
            (number, layer.regularizers[name]) for number, (layer, name) in enumerate(self.slots) if name in layer.regularizers
        ]
        self.claim()

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> FlatWeights:
        """Return all weights of `layers` that are trainable now."""
        return cls([(layer, name) for layer in layers for name in layer.trainable_names])

    def claim(self) -> None:
        """Make the layers compute with this array's views, if another model that shares them has moved them away."""
        for (layer, name), place in zip(self.slots, self._places, strict=True):
            if layer.weights[name] is not place:
                layer.move_weight(name, place)

    def add_penalties(self) -> float:
        """Return what regularizers make the weights cost, and add that to the gradients."""
        total = 0.0
        for number, penalty in self._penalties:
            total += penalty(self._places[number])
            self._gradients[number] += penalty.gradient(self._places[number])
        return total

    def changed(self) -> None:
        """Tell the layers that `weights` has changed."""
        for layer in self.gradient_views:
            layer.version += 1


def penalties(layers: Sequence[Layer]) -> float:
    """Return what regularizers make the weights of `layers` cost."""
    return math.fsum(penalty(layer.weights[name]) for layer in layers for name, penalty in layer.regularizers.items())
