"""Callbacks: what `fit` tells about itself as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Callback", "History"]


class Callback:
    """The base of all callbacks: override what you want to hear of.

    `model` is the model in training; setting ``model.stop_training = True`` ends the training after the epoch.

    Examples
    --------
    >>> from fastcnn.callbacks import Callback
    >>> class StopAtAccuracy(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         self.model.stop_training = logs["accuracy"] > 0.99
    """

    model: Any = None

    def set_model(self, model: Any) -> None:
        """Keep the model that `fit` is about to train."""
        self.model = model

    def on_train_begin(self) -> None:
        """Hear that `fit` begins."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Hear that `epoch` (from 0) begins."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Hear that `epoch` ends, with its loss and metrics by name ("loss", "val_loss")."""

    def on_train_end(self) -> None:
        """Hear that `fit` ends."""


class History(Callback):
    """The losses and metrics of every epoch; `fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        By name ("loss", "accuracy", "val_loss", "val_accuracy"), one entry an epoch.
    epoch : list of int
        The epochs, from 0.

    Examples
    --------
    >>> from fastcnn.callbacks import History
    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
