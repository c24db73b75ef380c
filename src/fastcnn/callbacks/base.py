"""Callbacks: what `fit` tells about itself as it goes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

#: Losses and metrics by name; a callback may add to those of an epoch.
Logs: TypeAlias = MutableMapping[str, float]


class Callback:
    """The base of all callbacks: override what you want to hear of.

    `model` is the model in training; setting ``model.stop_training = True`` ends the training after the epoch (in `on_train_batch_end`,
    after the batch). `params` has "epochs", "steps" (None if only its end will tell) and "verbose". Logs are losses and metrics by name.

    References
    ----------
    ``keras.callbacks.Callback``.

    Examples
    --------
    >>> from fastcnn.callbacks import Callback
    >>> class StopAtAccuracy(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = logs["accuracy"] > 0.99
    """

    model: Any = None
    params: Mapping[str, Any] = {}
    #: Whether the callback hears of something after the others: what it writes down has their state, too.
    runs_last = False
    #: The attributes, plain values and arrays, that a training which is resumed goes on with.
    _resumed: tuple[str, ...] = ()

    def set_model(self, model: Any) -> None:
        """Keep the model that `fit` is about to train."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keep what `fit` was told."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Hear that `fit` begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Hear that `fit` ends."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Hear that `epoch` (from 0) begins."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Hear that `epoch` ends, with its loss and metrics by name ("loss", "val_loss")."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Hear that the step `batch` (from 0) of the epoch begins."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Hear that the step `batch` of the epoch ends, with the means so far."""

    def get_state(self) -> dict[str, Any]:
        """Return, in plain values and arrays, what the callback must know to go on in another process."""
        return {name: getattr(self, name) for name in self._resumed}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was."""
        for name in self._resumed:
            setattr(self, name, type(getattr(self, name))(state[name]))


class CallbackList:
    """Several callbacks, of which only those hear of something that listen for it.

    Parameters
    ----------
    callbacks : sequence of Callback

    References
    ----------
    ``keras.callbacks.CallbackList``.

    Examples
    --------
    >>> from fastcnn.callbacks import CallbackList, History
    >>> history = History()
    >>> CallbackList([history]).tell("on_epoch_end", 0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = sorted(callbacks, key=lambda each: each.runs_last)
        hooks = [name for name in vars(Callback) if name.startswith(("on_", "set_"))]
        self._listeners = {hook: [getattr(each, hook) for each in self._callbacks if _overrides(each, hook)] for hook in hooks}

    def tell(self, hook: str, *arguments: Any) -> None:
        """Call the method `hook` of all who listen."""
        for listener in self._listeners[hook]:
            listener(*arguments)

    def begin(self, model: Any, params: Mapping[str, Any]) -> None:
        """Tell all which model is in training, and what `fit` was told."""
        for each in self._callbacks:
            each.set_model(model)
            each.set_params(params)

    def hears(self, hook: str) -> bool:
        """Whether anybody listens for `hook`."""
        return bool(self._listeners[hook])

    def get_state(self) -> dict[str, Any]:
        """Return the state of all, by class and by place among those of the class."""
        return {key: each.get_state() for key, each in self._keyed()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Give each its own."""
        for key, each in self._keyed():
            if key in state:
                each.set_state(state[key])

    def _keyed(self) -> list[tuple[str, Callback]]:
        names = [type(each).__name__ for each in self._callbacks]
        return [(f"{names[place]}_{names[:place].count(names[place])}", each) for place, each in enumerate(self._callbacks)]


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether the callback, or its class, has a method `hook` of its own."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)


class History(Callback):
    """The losses and metrics of every epoch; `fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        By name ("loss", "accuracy", "val_loss", "val_accuracy"), one entry an epoch.
    epoch : list of int
        The epochs, from 0.

    References
    ----------
    ``keras.callbacks.History``.

    Examples
    --------
    >>> from fastcnn.callbacks import History
    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    _resumed = ("history", "epoch")

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
