"""Training in passes: layers one after the other that are kernels alone go forward in one call into C, and back in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.base import Gradients, Layer, example
from fastcnn.network import Network, Step
from fastcnn.ops.rows import TrainingRow
from fastcnn.ops.steps import KernelStep
from fastcnn.random import Draws


def in_passes(network: Network, shapes: Mapping[int, Shape], views: Mapping[Layer, Gradients]) -> Network:
    """Return the network with those steps as one that are kernels in a row; only gradients with a place in `views` are computed.

    `shapes` are those of the values, by number.
    """
    uses = Counter(layer for step in network.steps for layer in step.layers)

    def kernels_of(step: Step) -> Sequence[KernelStep] | None:
        if any(uses[layer] > 1 for layer in step.layers):  # the gradients of several steps are to be added
            return None
        kernels = step.operation.kernel_steps(example(shapes[step.inputs[0]]), step.output)
        return None if kernels is None or any(kernel.kind == "softmax" for kernel in kernels) else kernels

    def row_of(steps: Sequence[Step], kernels: Sequence[KernelStep]) -> Layer | None:
        return KernelRow(steps, shapes, views) if len(kernels) > 1 else None

    return network.in_rows(kernels_of, row_of)


class KernelRow(Layer):
    """Layers one after the other that are kernels alone, in training.

    Results and gradients are those of the layers, bit for bit. What lies between them stays in C.

    Parameters
    ----------
    steps : sequence of Step
    shapes : mapping of int to Shape
        The shapes of the values, by number.
    views : mapping of Layer to Gradients
        Where the gradients of weights go; those of other layers' weights are not computed.
    """

    def __init__(self, steps: Sequence[Step], shapes: Mapping[int, Shape], views: Mapping[Layer, Gradients]) -> None:
        super().__init__()
        parts = [(step, entry_sizes(shapes[step.inputs[0]])) for step in steps]

        def kernels_for(count: int) -> list[KernelStep]:
            return [kernel for step, sizes in parts for kernel in _kernels(step, (None, *sizes), count)]

        gradients = [
            views.get(step.layers[0], ()) if kernel.weights else () for step, sizes in parts for kernel in _kernels(step, (None, *sizes), 1)
        ]
        self._row = TrainingRow(kernels_for, parts[0][1], entry_sizes(shapes[steps[-1].output]), gradients)

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x` in training, and what `backward` needs to know."""
        assert training is not None
        return self._row.forward(x, training.seed, training.epoch, training.samples)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx, and `out`: the views that the row was made for, which now have the gradients of the weights."""
        return self._row.backward(dy, cache, input_grad), out

    def cross_entropy(self, x: np.ndarray, labels: np.ndarray, training: Draws) -> tuple[float, np.ndarray]:
        """Return the mean softmax cross-entropy of the output for `x` with `labels`, and the output; its gradients go into the views."""
        return self._row.cross_entropy(x, labels, training.seed, training.epoch, training.samples)


def _kernels(step: Step, input_shape: Shape, count: int) -> Sequence[KernelStep]:
    kernels = step.operation.kernel_steps(example(input_shape, count), step.output)
    if kernels is None:
        raise ValueError(f"layer {step.layers[0].name!r} must be as it was when the model was built: it is no kernel any more")
    return kernels
