"""What every layer is: a pure function of its input and its weights, with a gradient.

A layer keeps nothing about the arrays that pass through it. `forward` hands what the gradient needs to its caller, who hands it to
`backward`; so one layer can stand in several places of a network, and several threads can run one network.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _validate
from fastcnn.initializers import Initializer
from fastcnn.layers import activations
from fastcnn.ops import steps

#: A shape with the batch first, which is None: (None, 28, 28, 1).
Shape: TypeAlias = tuple[int | None, ...]
#: The gradients of a layer's weights, in the order of its weights.
Gradients: TypeAlias = tuple[np.ndarray, ...]


class WeightSpec(NamedTuple):
    """The shape of a weight, and what makes its first value."""

    shape: tuple[int, ...]
    initializer: Initializer


class Layer(_registry.Configurable):
    """The base of all layers.

    A subclass gives `compute_output_shape`, `forward` and `backward`, and `weight_specs` if it has weights.

    Parameters
    ----------
    name : str, optional
        Unique in a model; by default made of the class's name: "conv2d", "conv2d_1".
    trainable : bool, default True
        Whether training changes the weights. A change takes effect at the next `compile`.
    input_shape : sequence of int, optional
        On the first layer of a model: the shape of one input, without the batch.
    """

    _not_configured = frozenset({"input_shape"})

    def __init__(self, *, name: str | None = None, trainable: bool = True, input_shape: Sequence[int] | None = None) -> None:
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"name must be a string, got {name!r} of type {type(name).__name__}")
        if name is not None and (not name or "/" in name):
            raise ValueError(f"name must not be empty and not hold '/', got {name!r}")
        self.name = name or _registry.snake_case(type(self).__name__)
        self.name_is_final = name is not None
        self.trainable = _validate.boolean(trainable, "trainable")
        self.declared_input_shape = None if input_shape is None else batch_shape(input_shape, "input_shape")
        self._weights: dict[str, np.ndarray] = {}
        self.built = False
        #: Goes up whenever the weights change.
        self.version = 0

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the output's shape for an input's, both with None for the batch; refuse an input that does not fit."""
        raise NotImplementedError

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return what weights the layer has for inputs of `input_shape`, by name and in order."""
        return {}

    def forward(self, x: np.ndarray, training: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know.

        `training` is the random stream of a training step, for dropout and its like; None means inference.
        """
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx (None without `input_grad`) and the gradients of the weights, for the `cache` of a `forward`.

        The gradients may lie in `out`, arrays of the weights' shapes, which spares a copy: there they will go.
        """
        raise NotImplementedError

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the way in which inputs of `input_shape` are worked on, for profiles; "" where there is but one."""
        return ""

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the output for `x` in inference, where no gradient is wanted."""
        return self.forward(x)[0]

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `infer` is, one after the other, for inputs shaped as `x` (1, ...); None if it is not only that.

        The numbers of `x` are not read. A layer that changes nothing but the shape has no steps.
        """
        return None

    def claim_name(self, taken: Collection[str]) -> None:
        """Take the first name that is free in a model, if the layer has none of its own: "conv2d", "conv2d_1"."""
        if not self.name_is_final:
            base = self.name
            for number in range(1, len(taken) + 1):
                if self.name not in taken:
                    break
                self.name = f"{base}_{number}"
            self.name_is_final = True
        if self.name in taken:
            raise ValueError(f"name must be unique in a model, got a second layer {self.name!r}")

    # --- Weights ---------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Shape, values: Mapping[str, Any] | None = None) -> None:
        """Make the weights for inputs of `input_shape`, once: from `values` by name where given, else freshly drawn."""
        self.compute_output_shape(input_shape)
        specs = self.weight_specs(input_shape)
        if self.built:
            for name, spec in specs.items():
                _validate.same_shape(self._weights[name].shape, spec.shape, f"{self.name}/{name}", "for this input, the shape")
        elif values is None:
            self._weights = {name: spec.initializer(spec.shape) for name, spec in specs.items()}
        else:
            self._weights = self._checked(values, {name: spec.shape for name, spec in specs.items()})
        self.built = True
        self.version += 1

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays that the layer computes with, by name. Who writes into one raises `version` afterwards; `set_weights` does both."""
        return self._weights

    def move_weight(self, name: str, place: np.ndarray) -> None:
        """Keep the weight `name` in `place`, an array of its shape, from now on."""
        np.copyto(place, self._weights[name])
        self._weights[name] = place

    def check_weights(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return `values` in the order of the weights, as float32, if they have their names and shapes."""
        return self._checked(values, {name: weight.shape for name, weight in self._weights.items()})

    def _checked(self, values: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        if values.keys() != shapes.keys():
            raise ValueError(f"layer {self.name!r} must have the weights {list(shapes)}, got {list(values)}")
        arrays = {name: _validate.array(values[name], f"{self.name}/{name}", range(33)) for name in shapes}
        for name, shape in shapes.items():
            _validate.same_shape(arrays[name].shape, shape, f"{self.name}/{name}", "the shape")
        return {name: np.array(array, np.float32) for name, array in arrays.items()}

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights, in order (a kernel, then its bias)."""
        return [weight.copy() for weight in self._weights.values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy `weights`, in the order and with the shapes of `get_weights`, into the layer: all of them or, on an error, none."""
        if len(weights) != len(self._weights):
            raise ValueError(f"weights must be {len(self._weights)} arrays for layer {self.name!r}, got {len(weights)}")
        for name, value in self.check_weights(dict(zip(self._weights, weights, strict=True))).items():
            np.copyto(self._weights[name], value)
        self.version += 1

    def count_params(self) -> int:
        """Return the number of weights' elements."""
        return sum(weight.size for weight in self._weights.values())


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

    def forward(self, x: np.ndarray, training: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know."""
        name, function, _ = self._function
        y = self.linear(x, name) if name in self._fused else function(self.linear(x, None))
        return y, (x, y)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the weights."""
        x, y = cache
        return self.linear_backward(self._function.backward(dy, y), x, input_grad, out)

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `linear` is, with a ReLU on the way if wanted; see `kernel_steps`."""
        return None

    def kernel_steps(self, x: np.ndarray) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `infer` is."""
        name = self._function.name
        linear = self.linear_steps(x, name in self._fused)
        if linear is None or name in self._fused or name == "linear":
            return linear
        return (*linear, steps.activation(name, example(self.compute_output_shape((None, *x.shape[1:])))))

    def without_activation(self) -> Self:
        """Return this layer with its own weights (not copies of them) and no activation."""
        bare = copy.copy(self)
        bare._function = activations.LINEAR
        return bare


class Input:
    """The shape of a model's inputs, as the first entry of a `Sequential`.

    Parameters
    ----------
    shape : sequence of int
        The shape of one input, without the batch.
    name : str, optional
        For the reader; nothing refers to it.

    Examples
    --------
    >>> import fastcnn as keras
    >>> keras.Input(shape=(28, 28, 1)).shape
    (None, 28, 28, 1)
    """

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        self.shape = batch_shape(shape, "shape")
        self.name = name or "input"


def batch_shape(shape: Sequence[int | None], name: str) -> Shape:
    """Return `shape`, of one input, with the batch in front."""
    sizes = _validate.shape(shape, name, range(1, 33))
    _validate.not_empty(sizes, name)
    return (None, *sizes)


def example(shape: Shape) -> np.ndarray:
    """Return one input of `shape`, (1, ...), which takes no memory."""
    return np.broadcast_to(np.float32(0), (1, *(size or 0 for size in shape[1:])))


def known(input_shape: Shape, axes: str, layer: str) -> tuple[int, ...]:
    """Return the sizes of `input_shape` after the batch, which `axes` names: "N H W C"."""
    sizes = tuple(size for size in input_shape[1:] if size is not None)
    if len(input_shape) != len(axes.split()) or len(sizes) != len(input_shape) - 1:
        raise ValueError(f"the input of {layer!r} must have the axes ({', '.join(axes.split())}), got shape {input_shape}")
    return sizes
