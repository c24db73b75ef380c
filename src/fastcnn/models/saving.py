"""Models in files, and the training of models: what was told to `compile`, and how far it has come."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from fastcnn import _registry, _room, _validate, layers, optimizers, random
from fastcnn.callbacks import CallbackList
from fastcnn.flat_weights import FlatWeights
from fastcnn.io import model_file
from fastcnn.io.model_file import below, packed, under, unpacked
from fastcnn.layers.base import Layer
from fastcnn.training import Checkpoint, Trainer

__all__ = ["load_model"]

#: Counts the changes of the model file that an older reader would not understand.
_FORMAT = 3

#: The most layers that a run of a model from a file may call: models that call others twice, which do the same, are many in few bytes.
_MOST_CALLS = 100_000

#: What `compile` is told, by the names of its arguments.
_TOLD = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")

_LAYERS = _registry.table(*(cls for cls in vars(layers).values() if isinstance(cls, type) and issubclass(cls, Layer)))


def model_class(cls: Any) -> Any:
    """Make a class of models known to files."""
    _LAYERS[_registry.snake_case(cls.__name__)] = cls
    return cls


def layer_from(entry: Any) -> Layer:
    """Return the layer or the model that `serialize` described."""
    return _registry.resolve(entry, _LAYERS, "layer", Layer)


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

    @classmethod
    def _from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the model that `get_config` described, with new weights."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None) -> Self:
        """Make the model that `get_config` described, with new weights.

        Parameters
        ----------
        config : dict
        custom_objects : dict of str to type, optional
            The classes of layers of one's own, by name.

        Returns
        -------
        Model

        Raises
        ------
        KeyError, TypeError, ValueError
            For what `get_config` did not give.
        """
        with _registry.knowing((custom_objects or {}).items()):
            return cls._from_config(config)

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
        """Write the weights alone.

        Parameters
        ----------
        path : path-like
            As for `save`.

        Raises
        ------
        ValueError, OSError
            As from `save`; and ValueError for a model that has no weights yet.
        """
        model_file.write(path, under("weights", self.weights))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read the weights that `save` or `save_weights` wrote.

        Parameters
        ----------
        path : path-like
            Of a file with weights for layers of the same names and shapes.

        Raises
        ------
        OSError
            For a file that cannot be read.
        ValueError
            For a file that is broken or does not fit; the weights are as before then.
        """
        arrays, _ = model_file.read(path)
        with model_file.refusing(path, "the weights of this model"):
            self.set_named_weights(self._own_weights(arrays))

    def _own_weights(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the weights among the arrays of a file, if they are, in name, shape and dtype, those of this model."""
        named = below("weights", arrays)
        for name, array in named.items():
            if array.dtype != np.float32:
                raise ValueError(f"{name} must be float32, got {array.dtype}")
        return self.check_weights(named)

    def _read_checkpoint(self, path: str | os.PathLike[str]) -> Checkpoint:
        arrays, config = model_file.read(path)
        with model_file.refusing(path, "a checkpoint of a training of this model"), _registry.knowing(self._own_classes()):
            training, state = (config or {})["training"], below("training", arrays)
            epoch, step = (_validate.integer(number, "position", 0) for number in training["position"])
            optimizer, epochs = self._progress(training, state)
            seed = _validate.integer(training["seed"], "seed", 0, 2**64 - 1)
            weights = self._own_weights(arrays)
            metrics = self._prepare().all_metrics() if step else {}
            metric_states = {name: unpacked(training["metric_states"][name], state) for name in metrics}
            for name, metric in metrics.items():
                if unknown := metric_states[name].keys() - vars(metric).keys():
                    raise ValueError(f"the metric {name} has no {', '.join(sorted(unknown))}")
            callback_states: dict[str, Any] = unpacked(training["callbacks"], state)

        def take_up(callbacks: CallbackList) -> None:
            with model_file.refusing(path, "a checkpoint of a training of this model"):  # what is of one's own may yet refuse its state
                callbacks.set_state(callback_states)
                for name, metric in metrics.items():
                    metric.set_state(metric_states[name])
            self.optimizer, self._epochs = optimizer, epochs
            self.set_named_weights(weights)
            random.set_seed(seed)

        return Checkpoint(epoch, step, take_up)

    def _training_state(self) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
        """Return what `compile` was told and how far training has come: a configuration, and arrays by name."""
        if self.optimizer is None or self.loss is None:
            return None, {}
        paths = {slot: path for path, slot in self.slots().items()}
        config: dict[str, Any] = {
            "optimizer": _registry.serialize(self.optimizer),
            "trained": None if self._flat is None else [paths[slot] for slot in self._flat.slots],
            "iterations": self.optimizer.iterations,
            "epochs": self._epochs,
            "seed": random.get_seed(),
            "loss": _registry.plain(self.loss),
            "metrics": _registry.plain(self._metric_identifiers),
            "weighted_metrics": _registry.plain(self._weighted_identifiers),
            "loss_weights": self._loss_weights,
        }
        arrays = {f"slots/{name}": slot for name, slot in self.optimizer.slots.items()}
        if self._callbacks is not None:
            config["position"] = self._position
            config["callbacks"] = packed(self._callbacks.get_state(), "callbacks", arrays)
            states = {name: metric.get_state() for name, metric in self._prepare().all_metrics().items()}
            config["metric_states"] = packed(states, "metrics", arrays)
        return config, arrays

    def _restore_training_state(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what `_training_state` gave, but for a position in `fit`."""
        self.compile(**{name: config[name] for name in _TOLD})
        if config["trained"] is not None:  # what is trainable may have changed since
            self._flat = FlatWeights(self._whole_layers(config["trained"]))
        self._prepare()
        self.optimizer, self._epochs = self._progress(config, arrays)

    def _whole_layers(self, paths: Sequence[str]) -> list[tuple[Layer, str]]:
        """Return the slots of these weights, which must be, layer by layer, all that training changes."""
        slots = self.slots()
        found = [slots[path] for path in paths]
        if found != [(layer, name) for layer in dict.fromkeys(layer for layer, _ in found) for name in layer.learned_names]:
            raise ValueError("what is trained must be all weights of a layer, in order, and each of them once")
        return found

    def _progress(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[optimizers.Optimizer, int]:
        """Return the optimizer as it was, and how many epochs had begun; nothing of the model changes."""
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
                np.copyto(slot, slots[name], casting="equiv")
        optimizer.iterations = iterations
        return optimizer, epochs

    def _own_classes(self) -> list[tuple[str, type]]:
        """Return one's own classes among those of all that the model consists of, and that it is trained by, with their names."""
        parts = _parts([self, self.optimizer, self.loss, self._metric_identifiers, self._weighted_identifiers])
        return [(cls.__name__, cls) for cls in {type(part): None for part in parts} if not cls.__module__.startswith("fastcnn.")]

    def __reduce__(self) -> Any:
        """Return how a copy is made: from the structure and the weights, so that the depth of a network is no matter."""
        weights = self.get_weights() if self.graph is not None else None
        training = self._training_state() if self.graph is not None else (None, {})
        return _rebuilt, (type(self), self.get_config(), self._own_classes(), self.class_names, weights, *training)


def _rebuilt(cls: Any, config: Any, classes: Any, class_names: list[str], weights: Any, training: Any, state: Any) -> Saving:
    """Return a copy of a model; see `Saving.__reduce__`."""
    with _registry.knowing(classes):
        model: Saving = cls.from_config(config)
        model.class_names = list(class_names)
        if weights is not None:
            model.set_weights(weights)
        if training is not None:
            model._restore_training_state(training, state)
    return model


def _parts(value: Any) -> Iterator[_registry.Configurable]:
    """Yield the configurable objects in `value`, and all that they hold, the layers of models among it."""
    if isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _parts(each)
    elif isinstance(value, _registry.Configurable):
        yield value
        yield from _parts(value.graph.layers if isinstance(value, Layer) and value.graph is not None else list(value.parts()))


def _calls(layer: Layer, known: dict[Layer, int]) -> int:
    """Return how many layers a call of `layer` calls; those of a model in it count as often as it is called."""
    if layer.graph is None:
        return 1
    if layer not in known:
        known[layer] = sum(_calls(node.layer, known) for node in layer.graph.nodes)
    return known[layer]


def _class_names(value: Any) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise TypeError(f"class_names must be a list of strings, got {value!r}")
    return value


def load_model(path: str | os.PathLike[str], custom_objects: Mapping[str, type] | None = None, compile: bool = True) -> Any:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : path-like
    custom_objects : dict of str to type, optional
        The classes of layers, losses, metrics, schedules, initializers and regularizers of one's own, by name.
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

    References
    ----------
    ``keras.saving.load_model``.

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
    with model_file.refusing(path, "a fastcnn model"), _registry.knowing((custom_objects or {}).items()):
        if config is None or config.get("format") != _FORMAT:
            raise ValueError(f"its configuration is not of format {_FORMAT}")
        with _room.room_for(sum(array.size for array in below("weights", arrays).values())):
            model = layer_from(config["model"])
        if not isinstance(model, Saving):
            raise ValueError(f"it holds a layer, {model.name!r}")
        if (calls := _calls(model, {})) > _MOST_CALLS:
            raise ValueError(f"a run of it would call {calls} layers, more than the {_MOST_CALLS} that are allowed")
        model.set_named_weights(model._own_weights(arrays))
        model.class_names = _class_names(config["class_names"])
        if model.class_names and (shapes := [each.shape for each in model._built_graph().outputs]) != [(None, len(model.class_names))]:
            raise ValueError(f"it names {len(model.class_names)} classes, but its outputs are {shapes}")
        if compile and config["training"] is not None:
            model._restore_training_state(config["training"], below("training", arrays))
    return model
