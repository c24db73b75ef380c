"""How much memory a training step will take: what `model.memory_plan` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastcnn import random
from fastcnn.flat_weights import FlatWeights
from fastcnn.graph import entry_sizes
from fastcnn.layers.base import Layer
from fastcnn.network import Step, WatchedOperation
from fastcnn.ops import _images
from fastcnn.ops.ledger import KeptBlocks, Ledger
from fastcnn.random import Draws

if TYPE_CHECKING:
    from fastcnn.compiled import Compiled
    from fastcnn.optimizers import Optimizer


class MemoryPlan(NamedTuple):
    """The bytes that a training step takes; printed, a table.

    Attributes
    ----------
    batch_size : int
    weights, gradients, optimizer : int
        What is there between the steps, too.
    activations : int
        The most that the inputs, the outputs of layers, what gradients need of them, and gradients of outputs take at one moment, with
        the memory that is kept from one to the next.
    """

    batch_size: int
    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def peak(self) -> int:
        """The sum."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        """Return a row for each part."""
        rows = [(name, getattr(self, name)) for name in self._fields[1:]] + [("peak", self.peak)]
        return "\n".join([f"A training step of {self.batch_size} images", *(f"{name:<12}{value / 1e6:>10.2f} MB" for name, value in rows)])


class _Noted(WatchedOperation):
    """The operation of a step, whose arrays go into a ledger."""

    def __init__(self, operation: Layer, ledger: Ledger) -> None:
        super().__init__(operation)
        self._ledger = ledger

    def forward(self, x: Any, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        result = self._operation.forward(x, training)
        self._ledger.enter(result)
        return result

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool, out: Any) -> Any:
        result = self._operation.backward(dy, cache, input_grad, out)
        self._ledger.enter(result[0])
        return result


def _events(compiled: Compiled, flat: FlatWeights, batch_size: int) -> list[tuple[int, int | None]]:
    """Make a step of zeros, without an update, and return what happened to arrays in it."""
    ledger = Ledger()

    def note(step: Step) -> _Noted:
        return _Noted(step.operation, ledger)

    network = compiled.objective.network.watched(note)
    xs = [np.zeros((batch_size, *entry_sizes(shape)), np.float32) for shape in compiled.input_shapes]
    ledger.enter(xs)
    _images.watchers.append(ledger.enter)
    try:
        draws = Draws(random.get_seed(), 0, np.arange(batch_size))
        outputs, caches = network.forward(compiled.objective.front.forward(xs, draws)[0], draws)
        gradients: list[np.ndarray | None] = [np.zeros_like(output) for output in outputs]
        ledger.enter(gradients)
        network.backward(gradients, caches, flat.gradient_views)
    finally:
        _images.watchers.remove(ledger.enter)
    return ledger.events


def memory_plan(compiled: Compiled, flat: FlatWeights, optimizer: Optimizer, batch_size: int) -> MemoryPlan:
    """Return what a step of `batch_size` takes: found by steps of one and of two images, as all but the weights grows with their number."""
    before = flat.gradients.copy()
    one, two = (_events(compiled, flat, size) for size in (1, 2))
    np.copyto(flat.gradients, before)
    buffers = KeptBlocks()
    for _ in range(2):  # the second step meets what the first has left
        for (number, size), (_, double) in zip(one, two, strict=True):
            if size is None or double is None:
                buffers.give(number)
            else:
                buffers.take(number, size + (double - size) * (batch_size - 1))
        for number in {number for number, size in one if size is not None} - {number for number, size in one if size is None}:
            buffers.give(number)
    weights = {id(weight): weight.nbytes for layer in compiled.objective.network.layers for weight in layer.weights.values()}
    return MemoryPlan(
        batch_size=batch_size,
        weights=sum(weights.values()),
        gradients=flat.gradients.nbytes,
        optimizer=sum(slot.nbytes for slot in optimizer.slots.values()),
        activations=buffers.peak,
    )
