"""Layers that end in an activation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastcnn.layers import activations
from fastcnn.layers.base import Gradients, Layer, example
from fastcnn.ops import steps
from fastcnn.random import Draws


class ActivatedLayer(Layer):
    """A layer that ends in an activation: y = activation(linear(x)).

    A subclass gives `linear` and `linear_backward`, and says which activations its kernel applies on the way.
    """

    _fused: frozenset[str] = frozenset()

    def __init__(self, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._function = activations.get(activation)

    @property
    def activation(self) -> str:
        """The name of the activation."""
        return self._function.name

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the output before the activation; after it, where `activation` (one of the fused ones) is given."""
        raise NotImplementedError

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the weights' gradients for `dz`, the gradient before the activation."""
        raise NotImplementedError

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know."""
        function = self._function
        if function.name in self._fused:
            y = self.linear(x, function.name)
            return y, (x, y)
        z = self.linear(x, None)
        y = function.forward(z)
        return y, (x, z if function.of_input else y)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the weights."""
        x, kept = cache
        return self.linear_backward(self._function.backward(dy, kept), x, input_grad, out)

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the output for `x`."""
        name, function = self._function.name, self._function.forward
        return self.linear(x, name) if name in self._fused else function(self.linear(x, None))

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `linear` is, with a ReLU on the way if wanted; see `kernel_steps`."""
        return None

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `infer` is."""
        name = self._function.name
        linear = self.linear_steps(x, name in self._fused)
        if linear is None or name in self._fused or name == "linear":
            return linear
        if name not in steps.ACTIVATIONS:
            return None
        return (*linear, steps.activation(name, example(self.compute_output_shape((None, *x.shape[1:])))))

    def without_activation(self) -> Self:
        """Return this layer with its own weights (not copies of them) and no activation."""
        bare = copy.copy(self)
        bare._function = activations.LINEAR
        return bare
