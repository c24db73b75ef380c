"""A model: all layers between some inputs and some outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from fastcnn import _registry
from fastcnn.graph import Graph, Node, Shape, Tensor, keyed_layers, one_or_list
from fastcnn.layers.base import Layer
from fastcnn.models.saving import Saving, layer_from, model_class
from fastcnn.network import Network
from fastcnn.random import Draws

__all__ = ["Model"]


@model_class
class Model(Saving):
    """All layers between some inputs and some outputs: a network with branches, and a layer of larger ones.

    Parameters
    ----------
    inputs : Tensor, or list or dict of Tensor
        What `Input` gave, or what a layer gives inside another model.
    outputs : Tensor, or list or dict of Tensor
    name : str, optional

    Raises
    ------
    TypeError
        If inputs or outputs are no tensors.
    ValueError
        If there are none, an output depends on an `Input` that is not among the inputs, or two layers were given one name.

    References
    ----------
    ``keras.Model``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcnn as keras
    >>> from fastcnn import layers
    >>> inputs = keras.Input(shape=(8, 8, 16))
    >>> x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    >>> model = keras.Model(inputs, [x, layers.Flatten()(x)])
    >>> [y.shape for y in model.predict(np.zeros((5, 8, 8, 16)), verbose=0)]
    [(5, 8, 8, 16), (5, 1024)]
    """

    #: The layers by their names in this model; none before there is a graph.
    _keyed: Mapping[str, Layer] = MappingProxyType({})

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name, trainable=trainable)
        self._set_graph(_tensors(inputs, "inputs"), _tensors(outputs, "outputs"))
        if not trainable:
            self.trainable = False

    def _set_graph(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        graph = Graph(inputs, outputs)
        self._keyed = keyed_layers(self._listed(graph))
        self.graph = graph
        self.built = True
        self._compiled = self._flat = self._session = None

    @staticmethod
    def _listed(graph: Graph) -> list[Layer]:
        """Return the layers that `layers` shows."""
        return graph.layers

    # --- As a layer --------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Refuse inputs of another shape than the model's."""
        shapes = [tensor.shape for tensor in self._built_graph().inputs]
        wanted = shapes if self.takes_many else shapes[0]
        given = [tuple(shape) for shape in input_shape] if self.takes_many else (None, *input_shape[1:])
        if given != wanted:
            raise ValueError(f"input_shape must be that of model {self.name!r}, {wanted}, got {input_shape}")

    @property
    def takes_many(self) -> bool:  # type: ignore[override]
        """Whether there are several inputs."""
        return self.graph is not None and len(self.graph.inputs) > 1

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the outputs' shape, or a list of them."""
        return one_or_list(self._output_shapes(input_shape))

    def _output_shapes(self, input_shape: Any) -> list[Shape]:
        self.build(input_shape)
        return [tensor.shape for tensor in self._built_graph().outputs]

    def _compute(self, arrays: tuple[np.ndarray, ...], draws: Draws | None) -> Any:
        network = Network.of(self._built_graph()).fused()
        if draws is None:
            outputs = network.infer(arrays)
        else:
            outputs, caches = network.forward(arrays, draws)
            for layer, observed in network.observe(caches):
                layer.absorb(observed)
        return one_or_list(outputs)

    @property  # type: ignore[misc]
    def trainable(self) -> bool:
        """Whether training changes the weights; set for all layers at once, it takes effect at the next `compile`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self._keyed.values():
            layer.trainable = self._trainable

    # --- Structure -------------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, in Keras's order; a model among them is one."""
        return list(self._keyed.values())

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that the model begins with."""
        return list(self._built_graph().inputs)

    @property
    def outputs(self) -> list[Tensor]:
        """The tensors that the model ends with."""
        return list(self._built_graph().outputs)

    @property
    def input(self) -> Any:
        """The tensor, or the list of tensors, that the model begins with."""
        return one_or_list(self.inputs)

    @property
    def output(self) -> Any:
        """The tensor, or the list of tensors, that the model ends with."""
        return one_or_list(self.outputs)

    @property  # type: ignore[misc]
    def input_shape(self) -> Any:
        """The shape of the inputs, with None for the batch; a list for several."""
        return one_or_list([tensor.shape for tensor in self.inputs])

    @input_shape.setter
    def input_shape(self, shape: Any) -> None:
        """Take no notice: a model begins with its inputs."""

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, with None for the batch; a list for several."""
        return one_or_list([tensor.shape for tensor in self.outputs])

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer called `name`, or at `index`.

        Parameters
        ----------
        name : str, optional
        index : int, optional
            In the order of `layers`; from the end if negative. Exactly one of the two is given.

        Returns
        -------
        Layer

        Raises
        ------
        ValueError
            If there is none, or not one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs either a name or an index")
        keyed = self._keyed
        if index is not None:
            if not -len(keyed) <= index < len(keyed):
                raise ValueError(f"index must be that of one of {len(keyed)} layers, got {index}")
            return list(keyed.values())[index]
        if name is None or name not in keyed:
            raise ValueError(f"name must be one of {', '.join(map(repr, keyed))}, got {name!r}")
        return keyed[name]

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the layers, their output shapes, their numbers of parameters and, where that is not the layer above, what they take.

        Parameters
        ----------
        print_fn : callable, optional
            Takes each line; `print` by default.

        Raises
        ------
        ValueError
            For a model that has no weights yet.

        Examples
        --------
        >>> import fastcnn as keras
        >>> from fastcnn import layers
        >>> keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.ReLU()], name="small").summary()
        Model: "small"
        Layer (type)   Output shape  Params
        ───────────────────────────────────
        dense (Dense)  (None, 3)         15
        re_lu (ReLU)   (None, 3)          0
        ───────────────────────────────────
        Total params: 15 (0.06 KB)
        Trainable params: 15 (0.06 KB)
        Non-trainable params: 0 (0.00 KB)
        """
        from fastcnn.summaries import summary_lines

        for line in summary_lines(self.name, self._built_graph(), self._keyed):
            (print_fn or print)(line)

    # --- Weights ---------------------------------------------------------------------------------------------------------

    def slots(self) -> dict[str, tuple[Layer, str]]:
        """Return the layer, and the name that it calls it by, of each weight, by "layer/name"."""
        self._built_graph()
        return {f"{key}/{path}": slot for key, layer in self._keyed.items() for path, slot in layer.slots().items()}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays that the layers compute with, by "layer/name"."""
        return {path: layer.weights[name] for path, (layer, name) in self.slots().items()}

    def get_config(self) -> dict[str, Any]:
        """Return the structure in plain values, fit for JSON.

        Returns
        -------
        dict
            From which `from_config` makes the model again.
        """
        graph, keys = self._built_graph(), {layer: key for key, layer in self._keyed.items()}
        places = {node: index for index, node in enumerate(graph.nodes)}

        def place(tensor: Tensor) -> list[int]:
            return [places[tensor.node], tensor.node.outputs.index(tensor)]

        return {
            "name": self.name,
            "layers": {key: _registry.serialize(layer) for layer, key in keys.items()},
            "calls": [[keys[node.layer], [place(tensor) for tensor in node.inputs]] for node in graph.nodes],
            "inputs": [place(tensor) for tensor in graph.inputs],
            "outputs": [place(tensor) for tensor in graph.outputs],
            "trainable": self._trainable,
        }

    @classmethod
    def _from_config(cls, config: Mapping[str, Any]) -> Self:
        made = {key: layer_from(entry) for key, entry in config["layers"].items()}
        nodes: list[Node] = []
        for key, sources in config["calls"]:
            tensors = [nodes[node].outputs[output] for node, output in sources]
            if tensors:
                made[key](tensors if len(tensors) > 1 or made[key].takes_many else tensors[0])
            nodes.append(made[key].nodes[-1])
        inputs, outputs = ([nodes[node].outputs[output] for node, output in config[end]] for end in ("inputs", "outputs"))
        model = cls(inputs, outputs, config["name"])
        model._trainable = bool(config["trainable"])  # its layers have their own
        return model


def _tensors(value: Any, name: str) -> list[Tensor]:
    tensors = list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else [value]
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be tensors, from Input or from layers, got {tensor!r:.100} of type {type(tensor).__name__}")
    if not tensors:
        raise ValueError(f"{name} must be one tensor at least")
    return tensors
