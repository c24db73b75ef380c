"""Layers that end in an activation, and those of them that have kernels and a bias."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np

from fastcnn import _validate, initializers, regularizers
from fastcnn.graph import Shape
from fastcnn.layers import activations
from fastcnn.layers.base import Gradients, Layer, WeightSpec, example
from fastcnn.ops import steps
from fastcnn.random import Draws

#: dx, or None where nobody asked for it, and the gradients of the weights, perhaps with that of a bias that the layer lacks.
LinearGradients: TypeAlias = tuple[np.ndarray | None, *tuple[np.ndarray, ...]]


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

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
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
        dx, *gradients = self.linear_backward(self._function.backward(dy, kept), x, input_grad, out)
        return dx, tuple(gradients[: len(self._weights)])

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
        return (*linear, steps.activation(name, example(self.compute_output_shape((None, *x.shape[1:])), len(x))))

    def without_activation(self) -> Self:
        """Return this layer with its own weights (not copies of them) and no activation."""
        bare = copy.copy(self)
        bare._function = activations.LINEAR
        return bare


class BiasedLayer(ActivatedLayer):
    """A layer of kernels, which a subclass names, and perhaps a bias for the outputs' last axis."""

    def __init__(
        self, *, use_bias: bool, bias_initializer: str | initializers.Initializer, bias_regularizer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = _validate.boolean(use_bias, "use_bias")
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernels and the bias."""
        specs = self.kernel_specs(input_shape)
        outputs = self.compute_output_shape(input_shape)[-1] or 0
        return specs | {"bias": self._spec("bias", outputs)} if self.use_bias else specs

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernels, by name and in order."""
        raise NotImplementedError

    def _spec(self, role: str, *shape: int) -> WeightSpec:
        """Return a weight of `shape`, with the initializer and the regularizer that are called after its `role`."""
        return WeightSpec(shape, getattr(self, f"{role}_initializer"), getattr(self, f"{role}_regularizer"))


class KernelLayer(BiasedLayer):
    """A layer of one kernel."""

    def __init__(self, *, kernel_initializer: str | initializers.Initializer, kernel_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
