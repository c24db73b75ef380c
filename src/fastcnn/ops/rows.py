"""Rows of kernels in training: forward in one call into C, and back in another."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fastcnn import _core, _validate
from fastcnn.ops._images import empty, plain
from fastcnn.ops.steps import KernelStep

_FLOAT32 = np.dtype(np.float32)

#: Batch sizes whose kernels are planned at a time; more than these are not in use.
_SIZES_KEPT = 8


class TrainingRow:
    """Kernels one after the other, with their gradients. What lies between them stays in C.

    Parameters
    ----------
    kernels_for : callable
        Returns the kernels for a batch of so many.
    input_shape, output_shape : tuple of int
        Without the batch.
    gradients : sequence of tuple of ndarray
        For each kernel, where the gradients of its kernel and its bias go; those that have no place are not computed.
    """

    def __init__(
        self,
        kernels_for: Callable[[int], Sequence[KernelStep]],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        gradients: Sequence[tuple[np.ndarray, ...]],
    ) -> None:
        self._input_shape, self._output_shape = input_shape, output_shape
        self._kernels = kernels_for(1)
        self._draws = any(kernel.kind == "dropout" for kernel in self._kernels)
        inputs, outputs = math.prod(input_shape), math.prod(output_shape)

        @lru_cache(_SIZES_KEPT)
        def training(count: int) -> _core.Training:
            return _core.Training([kernel[:-1] for kernel in kernels_for(count)], count * inputs, count * outputs)

        self._training = training
        self._gradients = _core.Pairs([(dw, db) for dw, db, *_ in ((*each, None, None) for each in gradients)], writable=True)
        #: Where the weights were found, each layer's mapping and the name in it; and, as C takes them, what lay there.
        self._sources = [(weights, name) for weights in [kernel.weights or {} for kernel in self._kernels] for name in weights]
        self._found: tuple[list[np.ndarray], _core.Pairs] = [], _core.Pairs([])

    def _weights_now(self) -> _core.Pairs:
        """Return the weights, looked up anew where an array has been put in another one's place."""
        arrays = [weights[name] for weights, name in self._sources]
        found, pairs = self._found
        if len(found) != len(arrays) or not all(map(operator.is_, found, arrays)):
            pairs = _core.Pairs([kernel.arrays() for kernel in self._kernels])
            self._found = arrays, pairs
        return pairs

    def _begin(self, x: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `x` as kernels take it, if it is what the row was made for, and an array for the output."""
        x = plain(x, _FLOAT32)  # a layer of one's own may have made it
        _validate.same_shape(x.shape, (len(x), *self._input_shape), "x", "the shape")
        if self._draws:
            _validate.same_shape(samples.shape, x.shape[:1], "samples", "a number for each entry of x, shape")
        return x, empty((len(x), *self._output_shape), _FLOAT32)

    def forward(self, x: np.ndarray, seed: int, epoch: int, samples: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know; what is drawn depends on the other arguments."""
        x, y = self._begin(x, samples)
        weights, kernels = self._weights_now(), self._training(len(x))
        made = kernels.forward(weights, seed, epoch % 2**32, samples, x, y)
        return y, (kernels, made, x, y)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool) -> np.ndarray | None:
        """Return dx, if it is wanted, and write the gradients of the weights."""
        kernels, made, x, y = cache
        _validate.same_shape(dy.shape, y.shape, "dy", "the shape of y,")
        dx = empty(x.shape, _FLOAT32) if input_grad else None
        kernels.backward(made, self._weights_now(), x, y, plain(dy, _FLOAT32), self._gradients, dx)
        return dx

    def cross_entropy(self, x: np.ndarray, labels: np.ndarray, seed: int, epoch: int, samples: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean softmax cross-entropy of the output for `x` with `labels`, and the output; and write the weights' gradients."""
        x, y = self._begin(x, samples)
        _validate.same_shape(labels.shape, y.shape[:-1], "labels", "one label a row of logits, shape")
        weights, numbers = self._weights_now(), labels.reshape(-1)
        kernels, gradients = self._training(len(x)), self._gradients
        total = kernels.cross_entropy(weights, seed, epoch % 2**32, samples, x, labels.size, y.shape[-1], numbers, y, gradients)
        return total / labels.size, y
