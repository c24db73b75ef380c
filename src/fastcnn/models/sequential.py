"""A model whose layers are in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from fastcnn import _registry, _validate
from fastcnn.graph import Graph, Shape, Tensor, keyed_layers
from fastcnn.layers.base import Layer, batch_shape
from fastcnn.layers.core import Input, InputLayer
from fastcnn.models.model import Model
from fastcnn.models.saving import Saving, layer_from, model_class

__all__ = ["Sequential"]


@model_class
class Sequential(Model):
    """Layers one after the other.

    Parameters
    ----------
    layers : iterable of Layer, optional
        The first entry may be an `Input`. Without one, and without `input_shape` on the first layer, the weights are made when the
        first data come, or by `build`.
    name : str, default "sequential"

    Raises
    ------
    TypeError
        For what is no layer.
    ValueError
        For what `add` refuses.

    References
    ----------
    ``keras.Sequential``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcnn as keras
    >>> from fastcnn import layers
    >>> model = keras.Sequential([
    ...     keras.Input(shape=(28, 28, 1)),
    ...     layers.Conv2D(32, (3, 3), activation="relu"),
    ...     layers.MaxPooling2D((2, 2)),
    ...     layers.Flatten(),
    ...     layers.Dense(10, activation="softmax"),
    ... ])
    >>> model.count_params()
    54410
    >>> model.predict(np.zeros((5, 28, 28, 1)), verbose=0).shape
    (5, 10)
    """

    def __init__(self, layers: Iterable[Layer | Tensor] | None = None, name: str | None = None, trainable: bool = True) -> None:
        Saving.__init__(self, name=name, trainable=trainable)
        self._keyed: dict[str, Layer] = {}
        self._extend(layers or ())

    @staticmethod
    def _listed(graph: Graph) -> list[Layer]:
        return [layer for layer in graph.layers if not isinstance(layer, InputLayer)]

    def add(self, layer: Layer | Tensor) -> None:
        """Add a layer at the end.

        Parameters
        ----------
        layer : Layer or Tensor
            Or, first of all, what `Input` gave.

        Raises
        ------
        TypeError
            For what is no layer.
        ValueError
            For a name that is taken, an `Input` that is not first, or a layer that does not fit the output so far.
        """
        self._extend([layer])

    def _extend(self, entries: Iterable[Layer | Tensor]) -> None:
        """Add layers at the end: all of them or, on an error, none."""
        graph, present = self.graph, self.layers
        begin = None if graph is None else graph.inputs[0]
        listed = dict.fromkeys(present)
        for entry in entries:
            layer = entry.node.layer if isinstance(entry, Tensor) else entry
            _validate.instance(layer, Layer, "layers", "objects of fastcnn.layers")
            if isinstance(layer, InputLayer):
                if listed or begin is not None:
                    raise ValueError("Input must be the first entry of a Sequential model")
                begin = layer.output
            elif layer in listed:
                raise ValueError(f"layers must each be there once, but {layer.name!r} was added already")
            elif layer.name_is_given and layer.name in self._keyed:  # whose names stay as they are
                raise ValueError(f"name must be unique in a model, got a second layer {layer.name!r}")
            else:
                listed[layer] = None
        layers = list(listed)
        keyed = keyed_layers(layers)
        if begin is None and not present and layers and (shape := _declared_shape(layers[0])) is not None:
            begin = Input(shape[1:])
        if begin is None:
            self._keyed = keyed
        else:
            self._connect_all(begin, begin if graph is None else graph.outputs[0], layers[len(present) :])

    def _connect_all(self, begin: Tensor, tensor: Tensor, layers: Sequence[Layer]) -> None:
        """Make the graph that begins with `begin`: to `tensor`, and from there through the layers."""
        for layer in layers:
            tensor = layer(tensor)
        self._set_graph([begin], [tensor])

    def pop(self) -> Layer:
        """Take the last layer away.

        Returns
        -------
        Layer

        Raises
        ------
        ValueError
            If there is none.
        """
        present = self.layers
        if not present:
            raise ValueError("there must be a layer to take away")
        last = present[-1]
        if self.graph is not None:
            self._set_graph(self.graph.inputs, self.graph.outputs[0].node.inputs)
        else:
            self._keyed = keyed_layers(present[:-1])
        return last

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights for inputs of `input_shape`, which begins with the batch: (None, 28, 28, 1)."""
        if self.graph is not None:
            super().build(input_shape)
            return
        shape = batch_shape(tuple(input_shape)[1:], "input_shape")
        sizes: Any = shape
        for layer in self.layers:
            sizes = layer.compute_output_shape(sizes)
        begin = Input(shape[1:])
        self._connect_all(begin, begin, self.layers)

    def _build_for(self, x: np.ndarray) -> None:
        if not self._keyed:
            raise ValueError("the model must have layers")
        if self.graph is None:
            self.build(x.shape)

    def get_config(self) -> dict[str, Any]:
        """Return the structure in plain values, fit for JSON."""
        shape = None if self.graph is None else list(self.graph.inputs[0].shape[1:])
        return {
            "name": self.name,
            "input_shape": shape,
            "layers": [_registry.serialize(layer) for layer in self.layers],
            "trainable": self._trainable,
        }

    @classmethod
    def _from_config(cls, config: Mapping[str, Any]) -> Self:
        model = cls([layer_from(entry) for entry in config["layers"]], config["name"])
        if config["input_shape"] is not None:
            model.build((None, *config["input_shape"]))
        model._trainable = bool(config["trainable"])  # its layers have their own
        return model


def _declared_shape(layer: Layer) -> Shape | None:
    """Return the shape of inputs that a first layer knows of."""
    return layer.graph.inputs[0].shape if layer.graph is not None else layer.input_shape
