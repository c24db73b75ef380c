"""Models in files, and the training of models: what was told to `compile`, and how far it has come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastcnn import _registry, _validate, layers, optimizers, random
from fastcnn.io import model_file
from fastcnn.layers.base import Layer
from fastcnn.models.naming import below, under
from fastcnn.training import Trainer

__all__ = ["load_model"]

#: Counts the changes of the model file that an older reader would not understand.
_FORMAT = 2

_LAYERS = _registry.table(*(cls for cls in vars(layers).values() if isinstance(cls, type) and issubclass(cls, Layer)))
_MODELS: dict[str, Any] = {}


def model_class(cls: Any) -> Any:
    """Make a class of models known to files."""
    _MODELS[cls.__name__] = cls
    return cls


def layer_from(entry: Any, custom_objects: Mapping[str, type] | None) -> Layer:
    """Return the layer or the model that `serialize` described."""
    if isinstance(entry, Mapping) and entry.get("class_name") in _MODELS:
        model: Layer = _MODELS[entry["class_name"]].from_config(entry["config"], custom_objects)
        return model
    own = {_registry.snake_case(name): cls for name, cls in (custom_objects or {}).items()}
    return _registry.resolve(entry, _LAYERS | own, "layer", Layer)


class Saving(Trainer):
    """What a model can do with files.

    Attributes
    ----------
    class_names : list of str
        What the outputs are called, if they are classes with names; kept in files.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_names: list[str] = []

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays that the layers compute with, by "layer/name"."""
        raise NotImplementedError

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, with None for the batch; a list for several."""
        raise NotImplementedError

    def _set_named_weights(self, arrays: Mapping[str, Any]) -> None:
        """Copy the arrays into the weights of these names: all of them or, on an error, none."""
        raise NotImplementedError

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
        training, state = self._training_state()
        arrays = under("weights", self.weights) | under("training", state)
        config = {"format": _FORMAT, "model": _registry.serialize(self), "class_names": self.class_names, "training": training}
        model_file.write(path, arrays, config)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights alone to `path`, which ends in ``.safetensors``."""
        model_file.write(path, under("weights", self.weights))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read the weights that `save` or `save_weights` wrote, for layers of the same names and shapes.

        Raises
        ------
        ValueError
            For a file that is broken or does not fit; the weights are as before then.
        """
        arrays, _ = model_file.read(path)
        self._load_named_weights(path, arrays)

    def _load_named_weights(self, path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
        named, wanted = below("weights", arrays), self.weights
        with model_file.refusing(path, "the weights of this model"):
            if named.keys() != wanted.keys():
                raise ValueError(f"it has {list(named)}, not {list(wanted)}")
            self._set_named_weights(named)

    def _resume(self, path: str | os.PathLike[str]) -> tuple[int, int, dict[str, Any]]:
        arrays, config = model_file.read(path)
        with model_file.refusing(path, "a checkpoint of a training of this model"):
            training, state = config["training"], below("training", arrays)
            epoch, step = (_validate.integer(number, "position", 0) for number in training["position"])
            callbacks: dict[str, Any] = _unpacked(training["callbacks"], state)
            self._restore_progress(training, state)
            states = _unpacked(training["metric_states"], state)
            for name, metric in self._prepare().all_metrics().items() if step else ():
                metric.set_state(states[name])
            random.set_seed(training["seed"])
        self._load_named_weights(path, arrays)
        return epoch, step, callbacks

    def _training_state(self) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
        """Return what `compile` was told and how far training has come: a configuration, and arrays by name."""
        if self.optimizer is None or self.loss is None:
            return None, {}
        config = {
            "optimizer": _registry.serialize(self.optimizer),
            "iterations": self.optimizer.iterations,
            "epochs": self._epochs,
            "seed": random.get_seed(),
            "loss": _registry.plain(self.loss),
            "metrics": _registry.plain(self._metric_identifiers),
            "loss_weights": self._loss_weights,
        }
        arrays = {f"slots/{name}": slot for name, slot in self.optimizer.slots.items()}
        if self._callbacks is not None:
            config["position"] = self._position
            config["callbacks"] = _packed(self._callbacks.get_state(), "callbacks", arrays)
            states = {name: metric.get_state() for name, metric in self._prepare().all_metrics().items()}
            config["metric_states"] = _packed(states, "metrics", arrays)
        return config, arrays

    def _restore_training_state(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what `_training_state` gave, but for a position in `fit`."""
        self.compile(config["optimizer"], config["loss"], config["metrics"], config["loss_weights"])
        self._restore_progress(config, arrays)

    def _restore_progress(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take up the optimizer, and how far training has come: in whole or, on an error, not at all."""
        optimizer = optimizers.get(config["optimizer"])
        iterations = _validate.integer(config["iterations"], "iterations", 0, 2**63 - 1)
        epochs = _validate.integer(config["epochs"], "epochs", 0)
        slots = below("slots", arrays)
        if slots or iterations:
            _, flat = self._prepare_weights()
            optimizer.build(flat.sizes)
            if slots.keys() != optimizer.slots.keys():
                raise ValueError(f"the optimizer must have the arrays {list(optimizer.slots)}, got {list(slots)}")
            for name, slot in optimizer.slots.items():
                _validate.same_shape(slots[name].shape, slot.shape, name, "the shape")
                np.copyto(slot, slots[name])
        optimizer.iterations = iterations
        self.optimizer, self._epochs = optimizer, epochs


def _with_own(value: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Return `value` with the objects, of one's own classes, that dictionaries in it describe."""
    if isinstance(value, Mapping):
        if value.get("class_name") in custom_objects:
            return custom_objects[value["class_name"]].from_config(value["config"])
        return {key: _with_own(entry, custom_objects) for key, entry in value.items()}
    return [_with_own(entry, custom_objects) for entry in value] if isinstance(value, list) else value


def _packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` with a reference for every array in it, which goes to `arrays` under a name that begins with `name`."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {key: _packed(entry, f"{name}/{key}", arrays) for key, entry in value.items()}
    return [_packed(entry, f"{name}/{i}", arrays) for i, entry in enumerate(value)] if isinstance(value, list) else value


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return what `_packed` was given."""
    if isinstance(value, Mapping):
        return arrays[value["array"]] if value.keys() == {"array"} else {key: _unpacked(entry, arrays) for key, entry in value.items()}
    return [_unpacked(entry, arrays) for entry in value] if isinstance(value, list) else value


def load_model(path: str | os.PathLike[str], custom_objects: Mapping[str, type] | None = None, compile: bool = True) -> Any:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : path-like
    custom_objects : dict of str to type, optional
        The classes of layers, losses and metrics of one's own, by name.
    compile : bool, default True
        Whether to take up the training where it was, if the model had been compiled.

    Returns
    -------
    Model

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
        model = layer_from(config["model"], custom_objects)
        if not isinstance(model, Saving):
            raise ValueError(f"it holds a layer, {model.name!r}")
        model._set_named_weights(below("weights", arrays))
        model.class_names = [str(name) for name in config["class_names"]]
        if model.class_names and model.output_shape != (None, len(model.class_names)):
            raise ValueError(f"it names {len(model.class_names)} classes, but its output is {model.output_shape}")
        if compile and config["training"] is not None:
            model._restore_training_state(_with_own(config["training"], custom_objects or {}), below("training", arrays))
    return model
