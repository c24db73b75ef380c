"""A network to run and to train: layers in a row, their weights in one flat array, and the loss at the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from fastcnn.layers import activations
from fastcnn.layers.base import ActivatedLayer, Gradients, Layer, Shape
from fastcnn.layers.fused import PooledConv2D
from fastcnn.losses import Loss
from fastcnn.ops import steps


class FlatWeights:
    """The trainable weights of some layers in one flat float32 array, and their gradients in another.

    The layers compute with views into `weights`, so an optimizer changes them all at once by changing the flat array.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._slots = [(layer, name) for layer in layers if layer.trainable for name in layer.weights]
        shapes = [layer.weights[name].shape for layer, name in self._slots]
        stops = np.cumsum([0, *(layer.weights[name].size for layer, name in self._slots)]).tolist()
        self.weights = np.empty(stops[-1], np.float32)
        self.gradients = np.zeros(stops[-1], np.float32)
        spans = list(pairwise(stops))
        self._places = [self.weights[slice(*span)].reshape(shape) for span, shape in zip(spans, shapes, strict=True)]
        views = iter([self.gradients[slice(*span)].reshape(shape) for span, shape in zip(spans, shapes, strict=True)])
        #: For every layer, where the gradients of its weights go.
        self.gradient_views = [tuple(next(views) for _ in (layer.weights if layer.trainable else ())) for layer in layers]
        self.claim()

    def claim(self) -> None:
        """Make the layers compute with this array's views, if another model that shares them has moved them away."""
        for (layer, name), place in zip(self._slots, self._places, strict=True):
            if layer.weights[name] is not place:
                layer.move_weight(name, place)

    def changed(self) -> None:
        """Tell the layers that `weights` has changed."""
        for layer, _ in self._slots:
            layer.version += 1


class Step(Protocol):
    """One step of a chain: a layer, or some that run as one. See `Layer` for what the methods do."""

    def compute_output_shape(self, input_shape: Shape, /) -> Shape:
        """Return the output's shape for an input's."""

    def kernel_steps(self, x: np.ndarray, /) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `infer` is, if it is only that."""

    def algorithm(self, input_shape: tuple[int, ...], /) -> str:
        """Return the name of the way in which inputs of `input_shape` are worked on."""

    def infer(self, x: np.ndarray, /) -> np.ndarray:
        """Return the output in inference."""

    def forward(self, x: np.ndarray, training: np.random.Generator | None = None, /) -> tuple[np.ndarray, Any]:
        """Return the output, and what `backward` needs to know."""

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool, out: Gradients) -> tuple[np.ndarray | None, Gradients]:
        """Return dx, if wanted, and the gradients of the weights."""


class Chain:
    """Layers one after the other, some of which run as one."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = list(layers)
        #: The steps, each with the number of the layer that its weights belong to.
        self.steps: list[tuple[Step, int]] = []
        index = 0
        while index < len(layers):
            pair = PooledConv2D.of(layers[index], layers[index + 1]) if index + 1 < len(layers) else None
            self.steps.append((pair or layers[index], index))
            index += 2 if pair else 1

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        return self._layers

    @property
    def final_activation(self) -> str:
        """The name of the activation that the outputs come from."""
        last = self._layers[-1]
        return last.activation if isinstance(last, ActivatedLayer) else "linear"

    def without_final_activation(self) -> Chain:
        """Return the same layers, with the same weights, but for the last one's activation."""
        last = self._layers[-1]
        return Chain([*self._layers[:-1], last.without_activation() if isinstance(last, ActivatedLayer) else last])

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for `x` in inference."""
        for step, _ in self.steps:
            x = step.infer(x)
        return x

    def forward(self, x: np.ndarray, training: np.random.Generator | None = None) -> tuple[np.ndarray, list[Any]]:
        """Return the outputs for `x`, and what `backward` needs to know."""
        caches = []
        for step, _ in self.steps:
            x, cache = step.forward(x, training)
            caches.append(cache)
        return x, caches

    def backward(self, dy: np.ndarray, caches: list[Any], gradient_views: Sequence[Gradients]) -> None:
        """Write the gradients of all weights into `gradient_views`, which has an entry for each layer.

        It stops at the first layer with weights to train: nobody needs the gradient of that one's input.
        """
        first = next((number for number, (_, layer) in enumerate(self.steps) if gradient_views[layer]), len(self.steps))
        gradient: np.ndarray | None = dy
        for number in reversed(range(first, len(self.steps))):
            assert gradient is not None
            step, layer = self.steps[number]
            views = gradient_views[layer]
            gradient, weight_gradients = step.backward(gradient, caches[number], number > first, views)
            for view, value in zip(views, weight_gradients):  # noqa: B905 - a frozen layer has no views
                if value is not view:
                    np.copyto(view, value)


class Objective:
    """A chain and a loss in one: what training makes small. A final softmax is taken into a cross-entropy where that is exact."""

    def __init__(self, chain: Chain, loss: Loss) -> None:
        fused = loss.fused_with(chain.final_activation)
        self._chain = chain.without_final_activation() if fused else chain
        self._loss = fused or loss
        self._predictions = activations.get(chain.final_activation if fused else None).forward

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss for inputs `x` and targets `y`, and the predictions, in inference."""
        outputs = self._chain.infer(x)
        return self._loss.value_and_gradient(y, outputs)[0], self._predictions(outputs)

    def differentiate(
        self, x: np.ndarray, y: np.ndarray, training: np.random.Generator | None, gradient_views: Sequence[Gradients]
    ) -> tuple[float, np.ndarray]:
        """Return the loss and the predictions, and write the gradients of the loss into `gradient_views`."""
        outputs, caches = self._chain.forward(x, training)
        loss, gradient = self._loss.value_and_gradient(y, outputs)
        self._chain.backward(gradient, caches, gradient_views)
        return loss, self._predictions(outputs)
