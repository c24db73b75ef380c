"""Layers that end in an activation, and those of them that have kernels and a bias."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from fastcnn import initializers, regularizers
from fastcnn._settings import Flag, Setting, flag
from fastcnn.graph import Shape
from fastcnn.initializers import Initializer
from fastcnn.layers.base import Gradients, Layer, WeightSpec, example
from fastcnn.ops import activations, steps
from fastcnn.random import Draws
from fastcnn.regularizers import Regularizer

#: dx, or None where nobody asked for it, and the gradients of the weights, perhaps with that of a bias that the layer lacks.
LinearGradients: TypeAlias = tuple[np.ndarray | None, *tuple[np.ndarray, ...]]
#: The name of an activation.
Named: TypeAlias = Setting["str | None", str]
#: A name or an object, kept as the object.
Initial: TypeAlias = Setting["str | Initializer", Initializer]
#: The same, where there may be none.
Penalty: TypeAlias = Setting["str | Regularizer | None", "Regularizer | None"]


def initial(default: str) -> Initial:
    """Declare how a weight begins."""
    return Setting(lambda value, _: initializers.get(value), default)


def penalty() -> Penalty:
    """Declare what the size of a weight costs: by default, nothing."""
    return Setting(lambda value, _: regularizers.get(value), None)


def activation(default: Any = None) -> Named:
    """Declare the name of an activation; None is "linear"."""
    return Setting(lambda value, _: activations.get(value).name, default, fixed=True)


class ActivatedLayer(Layer):
    """A layer that ends in an activation: y = activation(linear(x)).

    A subclass gives `linear` and `linear_backward`, and says which activations its kernel applies on the way.
    """

    _fused: ClassVar[frozenset[str]] = frozenset()
    #: The activation; a subclass that has another sets it.
    function = activations.LINEAR

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the output before the activation; after it, where `activation` (one of the fused ones) is given."""
        raise NotImplementedError

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return dx and the weights' gradients for `dz`, the gradient before the activation."""
        raise NotImplementedError

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know."""
        function = self.function
        if function.name in self._fused:
            y = self.linear(x, function.name)
            return y, (x, y)
        z = self.linear(x, None)
        y = function.forward(z)
        return y, (x, z if function.of_input else y)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the weights."""
        x, kept = cache
        dx, *gradients = self.linear_backward(self.function.backward(dy, kept), x, input_grad, out)
        return dx, tuple(gradients[: len(self._weights)])

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `linear` is, with a ReLU on the way if wanted; see `kernel_steps`."""
        return None

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that the layer is."""
        name = self.function.name
        linear = self.linear_steps(x, name in self._fused)
        if linear is None or name in self._fused or name == "linear":
            return linear
        if name not in steps.ACTIVATIONS:
            return None
        return (*linear, steps.activation(name, example(self.compute_output_shape((None, *x.shape[1:])), len(x))))

    def without_activation(self) -> Self:
        """Return this layer with its own weights (not copies of them) and no activation."""
        bare = copy.copy(self)
        bare.function = activations.LINEAR
        return bare


class BiasedLayer(ActivatedLayer, kw_only=True):
    """A layer of kernels, which a subclass names, and perhaps a bias for the outputs' last axis."""

    activation: Named = activation()
    use_bias: Flag = flag(True)
    bias_initializer: Initial = initial("zeros")
    bias_regularizer: Penalty = penalty()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = activations.get(self.activation)

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernels and the bias."""
        specs = self.kernel_specs(input_shape)
        outputs = self.compute_output_shape(input_shape)[-1] or 0
        return specs | {"bias": self._spec("bias", outputs)} if self.use_bias else specs

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernels, by name and in order."""
        raise NotImplementedError


class KernelLayer(BiasedLayer, kw_only=True):
    """A layer of one kernel."""

    kernel_initializer: Initial = initial("glorot_uniform")
    kernel_regularizer: Penalty = penalty()
