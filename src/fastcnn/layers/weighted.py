"""Layers of kernels, a bias and an activation: the first values of their weights, and what their sizes cost."""

from __future__ import annotations

from typing import Any

from fastcnn import _validate, initializers, regularizers
from fastcnn.graph import Shape
from fastcnn.layers.activated import ActivatedLayer
from fastcnn.layers.base import WeightSpec


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
    """A layer of one kernel, whose shape a subclass gives."""

    def __init__(self, *, kernel_initializer: str | initializers.Initializer, kernel_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel."""
        return {"kernel": self._spec("kernel", *self.kernel_shape(input_shape))}

    def kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """Return the kernel's shape for inputs of `input_shape`."""
        raise NotImplementedError
