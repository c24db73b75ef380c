"""What training makes small: the losses of a network's outputs, as one number with its gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastcnn.graph import Graph
from fastcnn.layers.base import Gradients, Layer
from fastcnn.losses import Loss, SparseCategoricalCrossentropy
from fastcnn.network import Network
from fastcnn.ops.activations import LINEAR
from fastcnn.passes import KernelRow, in_passes
from fastcnn.random import Draws

Arrays: TypeAlias = Sequence[np.ndarray]
Targets: TypeAlias = Sequence[np.ndarray | None]


class Result(NamedTuple):
    """The sum of the losses, the losses, and what the network gave, output by output: see `Objective.predictions`."""

    loss: float
    losses: list[float]
    outputs: Sequence[np.ndarray]


class Passes(NamedTuple):
    """The views that gradients go into, the network that computes them, and the row of kernels, if any, that does it with the loss."""

    views: Mapping[Layer, Gradients]
    network: Network
    row_with_loss: KernelRow | None


class Objective:
    """A network and a loss for each of its outputs in one. A final softmax is taken into a cross-entropy, where that is exact.

    Parameters
    ----------
    graph : Graph
    losses : sequence of Loss or None
        For each output; None where it is of no interest.
    shares : sequence of float
        What each loss counts in the sum.
    """

    def __init__(self, graph: Graph, losses: Sequence[Loss | None], shares: Sequence[float]) -> None:
        network = Network.of(graph)
        self._losses: list[Loss | None] = []
        self._finish: list[Callable[[np.ndarray], np.ndarray]] = []
        for position, loss in enumerate(losses):
            bare, activation = network.without_final_activation(position)
            fused = None if loss is None else loss.fused_with(activation.name)
            network = bare if fused else network
            self._losses.append(fused or loss)
            self._finish.append((activation if fused else LINEAR).forward)
        whole = network.fused()
        #: What may be done to inputs away from the thread that trains, and the rest.
        self.front, self.network = whole.split()
        self._value_shapes = whole.shapes([tensor.shape for tensor in graph.inputs])
        self._passes: Passes | None = None
        self._shares = list(shares)

    def evaluate(self, xs: Arrays, ys: Targets, weights: np.ndarray | None) -> Result:
        """Return the losses for inputs `xs`, targets `ys` and the samples' weights, in inference."""
        return self._judge(self.network.infer(self.front.infer(xs)), ys, weights)[0]

    def differentiate(
        self, xs: Arrays, ys: Targets, weights: np.ndarray | None, training: Draws, views: Mapping[Layer, Gradients]
    ) -> tuple[Result, list[tuple[Layer, Any]]]:
        """Return the losses in training and what layers are to absorb, and write the gradients of the loss into `views`.

        The inputs have gone through `front`.
        """
        if self._passes is None or self._passes.views is not views:
            network = in_passes(self.network, self._value_shapes, views)
            self._passes = Passes(views, network, self._row_with_loss(network))
        _, network, row = self._passes
        if row is not None and weights is None and ys[0] is not None:
            loss, logits = row.cross_entropy(xs[0], ys[0], training)
            return Result(loss, [loss], [logits]), []
        outputs, caches = network.forward(xs, training)
        result, gradients = self._judge(outputs, ys, weights)
        observed = network.observe(caches)
        network.backward(gradients, caches, views)
        return result, observed

    def _row_with_loss(self, network: Network) -> KernelRow | None:
        """Return the row of kernels that `network` is, if it is one, and the loss is a kernel, too, so that one call can do all of it."""
        (loss, *others), operations = self._losses, [step.operation for step in network.steps]
        is_kernel = type(loss) is SparseCategoricalCrossentropy and loss.from_logits and self._shares == [1]
        if others or not is_kernel or len(operations) != 1 or not isinstance(operations[0], KernelRow):
            return None
        return operations[0]

    def _judge(self, outputs: Arrays, ys: Targets, weights: np.ndarray | None) -> tuple[Result, list[np.ndarray | None]]:
        losses: list[float] = []
        gradients: list[np.ndarray | None] = []
        for output, y, loss, share in zip(outputs, ys, self._losses, self._shares, strict=True):
            if loss is None or y is None:
                losses.append(0.0)
                gradients.append(None)
                continue
            value, gradient = loss.value_and_gradient(y, output, weights)
            losses.append(value)
            gradients.append(gradient if share == 1 else gradient * np.float32(share))
        total = sum(loss * share for loss, share in zip(losses, self._shares, strict=True))
        return Result(total, losses, outputs), gradients

    def predictions(self, result: Result) -> list[np.ndarray]:
        """Return the model's outputs, in which a loss may not have been interested: a softmax is taken where one went into the loss."""
        return [finish(output) for finish, output in zip(self._finish, result.outputs, strict=True)]
