"""Training in passes: layers one after the other that are kernels alone go forward in one call into C, and back in another."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn import _core, _validate
from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.base import Gradients, Layer, example
from fastcnn.network import Network, Step
from fastcnn.ops._images import empty, plain
from fastcnn.ops.steps import KernelStep, Weights
from fastcnn.random import Draws

_FLOAT32 = np.dtype(np.float32)

#: Batch sizes whose kernels are planned at a time; more than these are not in use.
_SIZES_KEPT = 8


def in_passes(network: Network, shapes: Mapping[int, Shape], views: Mapping[Layer, Gradients]) -> Network:
    """Return the network with those steps as one that are kernels in a row; only gradients with a place in `views` are computed.

    `shapes` are those of the values, by number.
    """
    uses = Counter(layer for step in network.steps for layer in step.layers)

    def kernels_of(step: Step) -> Sequence[KernelStep] | None:
        if any(uses[layer] > 1 for layer in step.layers):  # the gradients of several steps are to be added
            return None
        kernels = step.operation.training_steps(example(shapes[step.inputs[0]]), step.output)
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
        self._parts = [(step, shapes[step.inputs[0]]) for step in steps]
        self._input_shape, self._output_shape = entry_sizes(shapes[steps[0].inputs[0]]), entry_sizes(shapes[steps[-1].output])
        self._planned: dict[int, _core.Training] = {}
        self._draws = False
        self._weights_of: list[Weights] = []
        gradients: list[tuple[np.ndarray | None, np.ndarray | None]] = []
        for step, shape in self._parts:
            for kernel in self._kernels(step, shape, 1):
                self._draws |= kernel.kind == "dropout"
                self._weights_of.append(kernel.weights or {})
                dw, db, *_ = (*(views.get(step.layers[0], ()) if kernel.weights else ()), None, None)
                gradients.append((dw, db))
        self._gradients = _core.Pairs(gradients, writable=True)
        #: Where the weights were found, each layer's mapping and the name in it; and, as C takes them, what lay there.
        self._sources = [(weights, name) for weights in self._weights_of for name in weights]
        self._shapes = [weights[name].shape for weights, name in self._sources]
        self._found: tuple[list[np.ndarray], _core.Pairs] = [], _core.Pairs([])

    @staticmethod
    def _kernels(step: Step, input_shape: Shape, count: int) -> Sequence[KernelStep]:
        kernels = step.operation.training_steps(example((None, *input_shape[1:]), count), step.output)
        assert kernels is not None
        return kernels

    def _kernels_for(self, count: int) -> _core.Training:
        """Return the kernels for a batch of `count`."""
        planned = self._planned.get(count)
        if planned is None:
            if len(self._planned) == _SIZES_KEPT:
                self._planned.clear()
            kernels = [kernel[:-1] for step, shape in self._parts for kernel in self._kernels(step, shape, count)]
            planned = self._planned[count] = _core.Training(kernels)
        return planned

    def _weights_now(self) -> _core.Pairs:
        """Return the weights, looked up anew where an array has been put in another one's place."""
        arrays = [weights[name] for weights, name in self._sources]
        found, pairs = self._found
        if len(found) != len(arrays) or not all(map(operator.is_, found, arrays)):
            for array, shape in zip(arrays, self._shapes, strict=True):
                _validate.same_shape(array.shape, shape, "weights", "the shape")
            taken = [{name: plain(array, _FLOAT32) for name, array in weights.items()} for weights in self._weights_of]
            pairs = _core.Pairs([(weights.get("kernel"), weights.get("bias")) for weights in taken])
            self._found = arrays, pairs
        return pairs

    def _checked(self, x: np.ndarray, training: Draws) -> np.ndarray:
        """Return `x` as kernels take it, if it is what the row was made for."""
        x = plain(x, _FLOAT32)  # a layer of one's own may have made it
        _validate.same_shape(x.shape, (len(x), *self._input_shape), "x", "the shape")
        if self._draws:
            _validate.same_shape(training.samples.shape, x.shape[:1], "samples", "a number for each entry of x, shape")
        return x

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x` in training, and what `backward` needs to know."""
        assert training is not None
        x = self._checked(x, training)
        y = empty((len(x), *self._output_shape), _FLOAT32)
        kernels = self._kernels_for(len(x))
        made = kernels.forward(self._weights_now(), training.seed, training.epoch % 2**32, training.samples, x, y)
        return y, (kernels, made, x, y)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx, and `out`: the views that the row was made for, which now have the gradients of the weights."""
        kernels, made, x, y = cache
        _validate.same_shape(dy.shape, y.shape, "dy", "the shape of y,")
        dx = empty(x.shape, _FLOAT32) if input_grad else None
        kernels.backward(made, self._weights_now(), x, y, plain(dy, _FLOAT32), self._gradients, dx)
        return dx, out

    def cross_entropy(self, x: np.ndarray, labels: np.ndarray, training: Draws) -> tuple[float, np.ndarray]:
        """Return the mean softmax cross-entropy of the output for `x` with `labels`, and the output; its gradients go into the views."""
        x = self._checked(x, training)
        y = empty((len(x), *self._output_shape), _FLOAT32)
        _validate.same_shape(labels.shape, y.shape[:-1], "labels", "one label a row of logits, shape")
        kernels = self._kernels_for(len(x))
        rows, columns = labels.size, y.shape[-1]
        total = kernels.cross_entropy(
            self._weights_now(),
            training.seed,
            training.epoch % 2**32,
            training.samples,
            x,
            rows,
            columns,
            labels.reshape(-1),
            y,
            self._gradients,
        )
        return total / rows, y
