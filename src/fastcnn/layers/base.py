"""What every layer is: a pure function of its inputs and its weights, with a gradient.

A layer keeps nothing about the arrays that pass through it. `forward` hands what the gradient needs to its caller, who hands it to
`backward`; so one layer can stand in several places of a network, and several threads can run one network.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _room, _validate, random
from fastcnn._settings import Flag, Setting, flag, optional
from fastcnn.graph import Graph, Node, Shape, Tensor, entry_sizes, one_or_list
from fastcnn.initializers import Initializer
from fastcnn.ops import steps
from fastcnn.random import Draws

if TYPE_CHECKING:
    from fastcnn.regularizers import Regularizer

#: The gradients of a layer's trainable weights, in the order of its weights.
Gradients: TypeAlias = tuple[np.ndarray, ...]

_calls, _created = itertools.count(), itertools.count()


class WeightSpec(NamedTuple):
    """The shape of a weight, what makes its first value, what its size costs, and whether training changes it by its gradient."""

    shape: tuple[int, ...]
    initializer: Initializer
    regularizer: Regularizer | None = None
    trainable: bool = True


def batch_shape(shape: Sequence[int | None], name: str) -> Shape:
    """Return `shape`, of one input, with the batch in front."""
    sizes = _validate.shape(shape, name, range(1, 33))
    _validate.not_empty(sizes, name)
    return (None, *sizes)


def _checked_name(value: Any, name: str) -> Any:
    _validate.instance(value, str | None, name, "a string")
    if value is not None and (not value or "/" in value):
        raise ValueError(f"{name} must not be empty and not hold '/', got {value!r}")
    return value


def _channels_last(value: Any, name: str) -> str:
    return _validate.choice(value, f"{name} of a layer", (None, "channels_last")) or "channels_last"


class Layer(_registry.Configurable, kw_only=True):
    """The base of all layers.

    A subclass gives `forward` and `backward`, `compute_output_shape` if outputs are not shaped as inputs, and `weight_specs` if it has
    weights. Its constructor keeps its arguments as attributes of the same names, for files.

    Parameters
    ----------
    name : str, optional
        Unique in a model; by default made of the class's name: "conv2d", "conv2d_1".
    trainable : bool, default True
        Whether training changes the weights. A change takes effect at the next `compile`.
    input_shape : sequence of int, optional
        On the first layer of a `Sequential`: the shape of one input, without the batch.

    Raises
    ------
    TypeError, ValueError
        For a `name` that is no string, is empty or holds "/", a `trainable` that is no bool, or an `input_shape` that is no sequence of
        positive integers; in a call, for what holds no real numbers, or for several inputs where one is wanted.

    References
    ----------
    ``keras.layers.Layer``.

    Examples
    --------
    A layer of one's own, with its gradient:

    >>> import numpy as np
    >>> import fastcnn as keras
    >>> class Doubled(keras.layers.Layer):
    ...     def forward(self, x, training=None):
    ...         return 2 * x, None  # the output, and what `backward` needs of it
    ...     def backward(self, dy, cache, input_grad=True, out=()):
    ...         return 2 * dy, ()  # the gradients of the input and of the weights
    >>> Doubled()(np.ones((1, 3)))
    array([[2., 2., 2.]], dtype=float32)
    """

    _not_configured = frozenset({"input_shape"})
    #: Whether inputs, and what `forward` and `backward` call x and dx, are several arrays, in a tuple.
    takes_many = False
    #: Whether the layer prepares data: at a network's beginning, it may run before the rest, in another thread.
    preprocessing = False

    name: Setting[str | None, str] = Setting(_checked_name, None)
    trainable: Flag = flag(True)
    input_shape: Setting[Sequence[int] | None, Shape | None] = optional(Setting(batch_shape))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name_is_given = self.is_named = self.name is not None
        self.name = self.name or _registry.snake_case(type(self).__name__)
        #: Layers are numbered in a model in the order in which they were made.
        self.created = next(_created)
        #: The layers that this one consists of, if it is a model.
        self.graph: Graph | None = None
        self._weights: dict[str, np.ndarray] = {}
        self._specs: dict[str, WeightSpec] = {}
        self.built = False
        #: Goes up whenever the weights change.
        self.version = 0
        #: Where the layer stands in networks.
        self.nodes: list[Node] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """See that a class with a `forward` of its own infers by it, though its base may have had a faster way."""
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls) and "infer" not in vars(cls):
            cls.infer = Layer.infer  # type: ignore[method-assign]

    # --- For subclasses ----------------------------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape for an input's, both with None for the batch; refuse an input that does not fit."""
        return input_shape

    def weight_specs(self, input_shape: Any) -> dict[str, WeightSpec]:
        """Return what weights the layer has for inputs of `input_shape`, by name and in order."""
        return {}

    def _spec(self, role: str, *shape: int, trainable: bool = True) -> WeightSpec:
        """Return a weight of `shape`, with the initializer and, if there is one, the regularizer that are called after its `role`."""
        return WeightSpec(shape, getattr(self, f"{role}_initializer"), getattr(self, f"{role}_regularizer", None), trainable)

    def forward(self, x: Any, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know.

        `training` has the random numbers of a training step, for dropout and its like; None means inference.
        """
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[Any, Gradients]:
        """Return dx (None without `input_grad`) and the gradients of the trainable weights, for the `cache` of a `forward`.

        The gradients may lie in `out`, arrays of the weights' shapes, which spares a copy: there they will go.
        """
        raise NotImplementedError

    def observe(self, cache: Any) -> Any:
        """Return what a training step's `cache` says that weights without a gradient are to learn, for `absorb`; None for nothing."""
        return None

    def absorb(self, observed: Any) -> None:
        """Change weights without a gradient, at the end of a training step, by what `observe` returned in it."""

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the way in which inputs of `input_shape` are worked on, for profiles; "" where there is but one."""
        return ""

    def infer(self, x: Any) -> np.ndarray:
        """Return the output for `x` in inference, where no gradient is wanted."""
        return self.forward(x)[0]

    def kernel_steps(self, x: np.ndarray, place: int | None = None) -> Sequence[steps.KernelStep] | None:
        """Return the kernels that `infer` is, one after the other, for inputs shaped as `x` (N, ...); None if it is not only that.

        With a `place`, where random numbers are drawn, the kernels that `forward` is in training; gradients are those of the kernels. The
        numbers of `x` are not read. A layer that changes nothing but the shape has no steps.
        """
        return None

    @property
    def is_standard(self) -> bool:
        """Whether the layer computes what the package's class does: one's own, with a method besides a constructor, may not."""
        own = itertools.takewhile(lambda kind: not kind.__module__.startswith("fastcnn."), type(self).__mro__)
        members = itertools.chain.from_iterable(vars(kind).items() for kind in own)
        return not any(isinstance(value, FunctionType | property) and name != "__init__" for name, value in members)

    # --- In networks -------------------------------------------------------------------------------------------------------

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Add the layer to a network, for a `Tensor` or several; for an array or several, return what it gives."""
        given = tuple(inputs) if isinstance(inputs, list | tuple) and self._takes_sequence(inputs) else (inputs,)
        if any(isinstance(each, Tensor) for each in given):
            return self._connect(given)
        arrays = tuple(_validate.contiguous(_validate.array(each, "inputs", range(1, 33)), np.float32) for each in given)
        self._check_count(arrays)
        self.build(self._as_input([(None, *array.shape[1:]) for array in arrays]))
        draws = Draws(random.get_seed(), next(_calls), np.arange(len(arrays[0]))) if training else None
        return self._compute(arrays, draws)

    def _takes_sequence(self, inputs: Sequence[Any]) -> bool:
        """Whether a list of inputs is several inputs, and not one array written as a list."""
        return self.takes_many or any(isinstance(each, Tensor) for each in inputs)

    def _compute(self, arrays: tuple[np.ndarray, ...], draws: Draws | None) -> Any:
        x = self._as_input(arrays)
        if draws is None:
            return self.infer(x)
        y, cache = self.forward(x, draws)
        if (observed := self.observe(cache)) is not None:
            self.absorb(observed)
        return y

    def _connect(self, tensors: tuple[Tensor, ...]) -> Any:
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"inputs of layer {self.name!r} must all be tensors of a network, got {type(tensor).__name__}")
        self._check_count(tensors)
        input_shape = self._as_input([tensor.shape for tensor in tensors])
        self.build(input_shape)
        node = Node(self, tensors, self._output_shapes(input_shape))
        self.nodes.append(node)
        return one_or_list(node.outputs)

    def _output_shapes(self, input_shape: Any) -> list[Shape]:
        return [self.compute_output_shape(input_shape)]

    def _check_count(self, inputs: Sequence[Any]) -> None:
        if len(inputs) != 1 and not self.takes_many:
            raise ValueError(f"inputs of layer {self.name!r} must be one, got {len(inputs)}")

    def _as_input(self, given: Sequence[Any]) -> Any:
        """Return what `forward` calls x: the only one of `given`, or all of them."""
        return tuple(given) if self.takes_many else given[0]

    @property
    def input(self) -> Any:
        """The tensor, or the list of tensors, that the layer was first called with."""
        return one_or_list(self._first_node().inputs)

    @property
    def output(self) -> Any:
        """The tensor, or the list of tensors, that the layer gave when it was first called."""
        return one_or_list(self._first_node().outputs)

    def _first_node(self) -> Node:
        if not self.nodes:
            raise AttributeError(f"layer {self.name!r} has no input and no output: it was never called on a tensor")
        return self.nodes[0]

    def __getstate__(self) -> dict[str, Any]:
        """Return the layer by itself: a copy stands in no network."""
        return self.__dict__ | {"nodes": []}

    # --- Weights ---------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of `input_shape`, once."""
        self.compute_output_shape(input_shape)
        specs = self.weight_specs(input_shape)
        if self.built:
            for name, spec in specs.items():
                _validate.same_shape(self._weights[name].shape, spec.shape, f"{self.name}/{name}", "for this input, the shape")
            return
        _room.take(spec.shape for spec in specs.values())
        self._weights = {name: spec.initializer(spec.shape) for name, spec in specs.items()}
        self._specs = specs
        self.built = True
        self.version += 1

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays that the layer computes with, by name. Who writes into one raises `version` afterwards; `set_weights` does both."""
        return self._weights

    @property
    def trainable_names(self) -> list[str]:
        """The names of the weights that training changes by their gradients."""
        return self.learned_names if self.trainable else []

    @property
    def learned_names(self) -> list[str]:
        """The same for a layer that is not frozen."""
        return [name for name, spec in self._specs.items() if spec.trainable]

    @property
    def regularizers(self) -> dict[str, Regularizer]:
        """What the sizes of trainable weights cost, by name, where they cost anything."""
        penalties = {name: self._specs[name].regularizer for name in self.trainable_names}
        return {name: penalty for name, penalty in penalties.items() if penalty is not None}

    def move_weight(self, name: str, place: np.ndarray) -> None:
        """Keep the weight `name` in `place`, an array of its shape, from now on."""
        np.copyto(place, self._weights[name])
        self._weights[name] = place

    def slots(self) -> dict[str, tuple[Layer, str]]:
        """Return the layer, and the name that it calls it by, of each weight, by name and in order."""
        return {name: (self, name) for name in self._weights}

    def check_weights(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return `values` in the order of the weights, as float32, if they have their names and shapes."""
        weights = self.weights
        if values.keys() != weights.keys():
            raise ValueError(f"layer {self.name!r} must have the weights {list(weights)}, got {list(values)}")
        arrays = {name: _validate.array(values[name], f"{self.name}/{name}", range(33)) for name in weights}
        for name, weight in weights.items():
            _validate.same_shape(arrays[name].shape, weight.shape, f"{self.name}/{name}", "the shape")
        return {name: np.array(array, np.float32) for name, array in arrays.items()}

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights.

        Returns
        -------
        list of ndarray of float32
            In order: a kernel, then its bias.
        """
        return [weight.copy() for weight in self.weights.values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy arrays into the weights.

        Parameters
        ----------
        weights : sequence of array_like
            In the order and with the shapes of `get_weights`.

        Raises
        ------
        TypeError, ValueError
            For arrays that do not fit; no weight has changed then.
        """
        names = list(self.weights)
        if len(weights) != len(names):
            raise ValueError(f"weights must be {len(names)} arrays for layer {self.name!r}, got {len(weights)}")
        self.set_named_weights(dict(zip(names, weights, strict=True)))

    def set_named_weights(self, values: Mapping[str, Any]) -> None:
        """Copy arrays, by name, into the weights: all of them or, on an error, none."""
        slots = self.slots()
        for path, value in self.check_weights(values).items():
            layer, name = slots[path]
            np.copyto(layer._weights[name], value)
            layer.version += 1

    def count_params(self) -> int:
        """Count the parameters.

        Returns
        -------
        int
            The number of all weights' elements.
        """
        return sum(weight.size for weight in self.weights.values())


class ImageLayer(Layer, kw_only=True):
    """A layer of images, (N, H, W, C): the only layout, which `data_format` may say as in Keras's scripts."""

    data_format: Setting[str | None, str] = Setting(_channels_last, None)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the same, for images."""
        self._image_sizes(input_shape)
        return input_shape

    def _image_sizes(self, input_shape: Shape) -> tuple[int, int, int]:
        """Return the H, W and C of inputs (N, H, W, C)."""
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(f"the input of {self.name!r} must have the axes (N, H, W, C), got shape {input_shape}")
        _, height, width, channels = input_shape
        return height or 0, width or 0, channels or 0


def example(shape: Shape, count: int = 1) -> np.ndarray:
    """Return `count` inputs of `shape`, (count, ...), which take no memory."""
    return np.broadcast_to(np.float32(0), (count, *entry_sizes(shape)))
