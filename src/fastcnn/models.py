"""Models: layers put together, with Keras's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, layers
from fastcnn.io import model_file
from fastcnn.layers.base import Input, Layer, Shape, batch_shape
from fastcnn.training import Trainer

__all__ = ["Sequential", "load_model"]

_LAYERS = _registry.table(*(cls for cls in vars(layers).values() if isinstance(cls, type) and issubclass(cls, Layer)))

#: Counts the changes of the model file that an older reader would not understand.
_FORMAT = 1


class Sequential(Trainer):
    """Layers one after the other.

    Parameters
    ----------
    layers : iterable of Layer, optional
        The first entry may be an `Input`. Without one, and without `input_shape` on the first layer, the weights are made when the
        first data come, or by `build`.
    name : str, default "sequential"

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

    def __init__(self, layers: Iterable[Layer | Input] | None = None, name: str = "sequential") -> None:
        super().__init__()
        self.name = name
        self._layers: list[Layer] = []
        self._shapes: list[Shape] = []  # once known: of the input, and of every layer's output
        for layer in layers or ():
            self.add(layer)

    # --- Structure -------------------------------------------------------------------------------------------------------

    def add(self, layer: Layer | Input) -> None:
        """Add a layer at the end.

        Raises
        ------
        ValueError
            For a name that is taken, an `Input` that is not first, or a layer that does not fit the output so far.
        """
        if isinstance(layer, Input):
            if self._layers or self._shapes:
                raise ValueError("Input must be the first entry of a Sequential model")
            self._shapes = [layer.shape]
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must be objects of fastcnn.layers, got {layer!r} of type {type(layer).__name__}")
        shapes = self._shapes
        if not shapes and not self._layers and layer.declared_input_shape:
            shapes = [layer.declared_input_shape]
        if shapes:
            layer.build(shapes[-1])
            shapes = [*shapes, layer.compute_output_shape(shapes[-1])]
        layer.claim_name([other.name for other in self._layers])
        self._layers.append(layer)
        self._shapes = shapes
        self._objective = self._flat = self._session = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights for inputs of `input_shape`, which begins with the batch: (None, 28, 28, 1)."""
        shape = batch_shape(input_shape[1:], "input_shape")
        if not self._shapes:
            self._build(shape)
        elif shape != self._shapes[0]:
            raise ValueError(f"input_shape must be that of the built model, {self._shapes[0]}, got {shape}")

    def _build(self, shape: Shape, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Make all weights, from `arrays` by "layer/weight" where given, once all layers are known to fit."""
        shapes = [shape]
        for layer in self._layers:
            shapes.append(layer.compute_output_shape(shapes[-1]))
        for layer, shape in zip(self._layers, shapes[:-1], strict=True):
            layer.build(shape, None if arrays is None else _below(layer.name, arrays))
        self._shapes = shapes

    def _build_for(self, x: np.ndarray) -> None:
        if not self._layers:
            raise ValueError("the model must have layers")
        if not self._shapes:
            self.build(x.shape)

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return bool(self._layers and self._shapes)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        return list(self._layers)

    @property
    def input_shape(self) -> Shape:
        """The shape of the inputs, with None for the batch."""
        return self._built_shapes()[0]

    @property
    def output_shape(self) -> Shape:
        """The shape of the outputs, with None for the batch."""
        return self._built_shapes()[-1]

    def _built_shapes(self) -> list[Shape]:
        if not self._shapes:
            raise ValueError("the model must be built first: begin with an Input, call build(input_shape), or fit")
        return self._shapes

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer called `name`, or at `index`.

        Raises
        ------
        ValueError
            If there is none.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs either a name or an index")
        if index is not None:
            if not -len(self._layers) <= index < len(self._layers):
                raise ValueError(f"index must be that of one of {len(self._layers)} layers, got {index}")
            return self._layers[index]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ValueError(f"name must be one of {', '.join(repr(layer.name) for layer in self._layers)}, got {name!r}")

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the layers, their output shapes and their numbers of parameters.

        Parameters
        ----------
        print_fn : callable, optional
            Takes each line; `print` by default.
        """
        shapes = self._built_shapes()[1:]
        rows = [("Layer (type)", "Output shape", "Params")]
        for layer, shape in zip(self._layers, shapes, strict=True):
            rows.append((f"{layer.name} ({type(layer).__name__})", str(shape), f"{layer.count_params():,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]))) for row in rows]
        rule = "─" * len(lines[0])
        total = self.count_params()
        trainable = sum(layer.count_params() for layer in self._layers if layer.trainable)
        counts = (("Total", total), ("Trainable", trainable), ("Non-trainable", total - trainable))
        totals = [f"{kind} params: {count:,} ({4 * count / 1024:,.2f} KB)" for kind, count in counts]
        for line in (f'Model: "{self.name}"', lines[0], rule, *lines[1:], rule, *totals):
            (print_fn or print)(line)

    # --- Weights ---------------------------------------------------------------------------------------------------------

    def count_params(self) -> int:
        """Return the number of all weights' elements."""
        self._built_shapes()
        return sum(layer.count_params() for layer in self._layers)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, layer by layer."""
        return [weight for layer in self._layers for weight in layer.get_weights()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy `weights`, in the order and with the shapes of `get_weights`, into the model: all of them or, on an error, none."""
        names = list(self._named_weights())
        if len(weights) != len(names):
            raise ValueError(f"weights must be {len(names)} arrays, got {len(weights)}")
        self._set_named_weights(dict(zip(names, weights, strict=True)))

    def _named_weights(self) -> dict[str, np.ndarray]:
        self._built_shapes()
        return {f"{layer.name}/{name}": weight for layer in self._layers for name, weight in layer.weights.items()}

    def _set_named_weights(self, arrays: Mapping[str, Any]) -> None:
        checked = [layer.check_weights(_below(layer.name, arrays)) for layer in self._layers]
        for layer, values in zip(self._layers, checked, strict=True):
            layer.set_weights(list(values.values()))

    # --- Files -----------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the structure in plain values, fit for JSON."""
        return {"name": self.name, "input_shape": self.input_shape[1:], "layers": [_registry.serialize(layer) for layer in self._layers]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to `path`: its structure, its weights and the state of its training.

        Parameters
        ----------
        path : path-like
            Ends in ``.safetensors``. A file that is there is replaced once the new one is whole.

        Raises
        ------
        ValueError, OSError
            For a path that cannot be written to.
        """
        training, slots = self._training_state()
        arrays = _under("weights", self._named_weights()) | _under("optimizer", slots)
        model_file.write(path, arrays, {"format": _FORMAT, "model": self.get_config(), "training": training})

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights alone to `path`, which ends in ``.safetensors``."""
        model_file.write(path, _under("weights", self._named_weights()))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read the weights that `save` or `save_weights` wrote, for layers of the same names and shapes.

        Raises
        ------
        ValueError
            For a file that is broken or does not fit; the weights are as before then.
        """
        arrays, _ = model_file.read(path)
        named, wanted = _below("weights", arrays), self._named_weights()
        with model_file.refusing(path, "the weights of this model"):
            if named.keys() != wanted.keys():
                raise ValueError(f"it has {list(named)}, not {list(wanted)}")
            self._set_named_weights(named)


def load_model(path: str | os.PathLike[str], compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : path-like
    compile : bool, default True
        Whether to take up the training where it was, if the model had been compiled.

    Returns
    -------
    Sequential

    Raises
    ------
    OSError
        For a file that cannot be opened.
    ValueError
        For a file that is not, in every part, what `save` writes.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastcnn as keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "small.safetensors"))
    ...     copy = keras.load_model(os.path.join(folder, "small.safetensors"))
    >>> bool((copy.get_weights()[0] == model.get_weights()[0]).all())
    True
    """
    arrays, config = model_file.read(path)
    with model_file.refusing(path, "a fastcnn model"):
        if not isinstance(config, dict) or config.get("format") != _FORMAT:
            raise ValueError(f"its configuration is not of format {_FORMAT}")
        structure = config["model"]
        model = Sequential([_registry.resolve(entry, _LAYERS, "layer", Layer) for entry in structure["layers"]], structure["name"])
        model._build(batch_shape(structure["input_shape"], "input_shape"), _below("weights", arrays))
        if compile and config["training"] is not None:
            model._restore_training_state(config["training"], _below("optimizer", arrays))
    return model


def _under(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def _below(folder: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{folder}/"): array for name, array in arrays.items() if name.startswith(f"{folder}/")}
