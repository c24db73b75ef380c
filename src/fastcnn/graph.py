"""Networks as they are described: which layer takes what from which. Nothing is computed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from fastcnn.layers.base import Layer

#: A shape with the batch first, which is None: (None, 28, 28, 1).
Shape: TypeAlias = tuple[int | None, ...]


def entry_sizes(shape: Shape) -> tuple[int, ...]:
    """Return the sizes of one entry of a batch of `shape`."""
    return tuple(size or 0 for size in shape[1:])


def one_or_list(values: Sequence[Any]) -> Any:
    """Return the only one of `values`, or a list of them, as Keras has it."""
    return values[0] if len(values) == 1 else list(values)


@dataclass(frozen=True, eq=False, repr=False)
class Tensor:
    """What a layer will give: an array that is known by its shape alone.

    Attributes
    ----------
    shape : tuple
        Begins with None, for the batch.
    node : Node
        Where it comes from.
    """

    dtype: ClassVar[str] = "float32"
    shape: Shape
    node: Node

    @property
    def name(self) -> str:
        """The name of the layer that it comes from."""
        return self.node.layer.name

    def __repr__(self) -> str:
        return f"<Tensor {self.name!r} of shape {self.shape}>"

    def __array__(self, *_: Any, **__: Any) -> Any:
        """Refuse: there are no numbers yet."""
        raise TypeError(f"{self!r} describes an array that is not computed yet; make a Model of it and call predict")


class Node:
    """One call of a layer: what it takes, and what it gives."""

    def __init__(self, layer: Layer, inputs: Sequence[Tensor], shapes: Iterable[Shape]) -> None:
        self.layer = layer
        self.inputs = tuple(inputs)
        self.outputs = tuple(Tensor(shape, self) for shape in shapes)


class Graph:
    """All that lies between some inputs and some outputs.

    Parameters
    ----------
    inputs, outputs : sequence of Tensor

    Attributes
    ----------
    nodes : list of Node
        Each after those it takes something from.
    layers : list of Layer
        Each once, in Keras's order: from the farthest to the nearest to an output.

    Raises
    ------
    ValueError
        If an output depends on an `Input` that is not among the inputs.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        given = set(self.inputs)
        found: dict[Node, int] = {}  # in the order in which they were met, from the outputs on
        self.nodes: list[Node] = []
        for output in self.outputs:
            self._visit(output, given, found)
        self.layers = self._in_keras_order(found)

    def _visit(self, output: Tensor, given: set[Tensor], found: dict[Node, int]) -> None:
        """Add what `output` comes from, depth first; a loop, as networks are deeper than a stack of calls."""
        path: list[tuple[Node, Iterator[Tensor]]] = []

        def enter(tensor: Tensor) -> None:
            node = tensor.node
            if node in found or (node.inputs and tensor in given):
                return
            if not node.inputs and tensor not in given:
                raise ValueError(f"inputs must hold all that the outputs depend on, but {tensor!r} is missing")
            found[node] = len(found)
            path.append((node, iter(node.inputs)))

        enter(output)
        while path:
            node, sources = path[-1]
            source = next(sources, None)
            if source is not None:
                enter(source)
            else:
                self.nodes.append(node)
                path.pop()

    def _in_keras_order(self, found: dict[Node, int]) -> list[Layer]:
        """Return the layers by their distance from the outputs, then as they were met; so weights have Keras's order."""
        node_depths: dict[Node, int] = {}
        layer_depths: dict[Layer, int] = {}
        for node in reversed(self.nodes):
            depth = max(node_depths.get(node, 0), layer_depths.get(node.layer, 0))
            node_depths[node] = layer_depths[node.layer] = depth
            for source in node.inputs:
                node_depths[source.node] = max(depth + 1, node_depths.get(source.node, 0))
        met: dict[Layer, int] = {}
        for node in found:
            met.setdefault(node.layer, len(met))
        unused = [tensor.node.layer for tensor in self.inputs if not tensor.node.inputs and tensor.node.layer not in met]
        return [*sorted(met, key=lambda layer: (-layer_depths[layer], met[layer])), *unused]


def keyed_layers(listed: Sequence[Layer]) -> dict[str, Layer]:
    """Return layers by names that are unique in a model: "conv2d", "conv2d_1" for those that were not given one."""
    given = Counter(layer.name for layer in listed if layer.name_is_given)
    if doubled := sorted(name for name, count in given.items() if count > 1):
        raise ValueError(f"name must be unique in a model, got several layers called {', '.join(map(repr, doubled))}")
    keys: dict[Layer, str] = {}
    taken, numbers = set(given), Counter[str]()
    for layer in sorted(listed, key=lambda layer: layer.created):
        key = layer.name
        while not layer.name_is_given and key in taken:
            numbers[layer.name] += 1
            key = f"{layer.name}_{numbers[layer.name]}"
        keys[layer] = key
        taken.add(key)
    keyed = {keys[layer]: layer for layer in listed}
    for key, layer in keyed.items():
        if not layer.is_named:  # the first model decides; another one may know the layer by another name
            layer.name, layer.is_named = key, True
    return keyed
