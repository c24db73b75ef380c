"""Callbacks that act on how well a training does."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcnn import _registry, _validate
from fastcnn._settings import Choice, Flag, Integer, OptionalReal, Real, Setting, choice, flag, integer, optional, real
from fastcnn.callbacks.base import Callback, Logs
from fastcnn.io import model_file


def _monitored(value: Any, name: str) -> Any:
    _validate.instance(value, str, name, "the name of a loss or a metric")
    return value


_MONITOR: Setting[str, str] = Setting(_monitored, "val_loss")
_MODE: Choice = choice("auto", "min", "max")


class _Monitor(Callback, _registry.Configurable):
    """A callback that watches a loss or a metric, and knows the best so far."""

    monitor, mode, min_delta = _MONITOR, _MODE, 0.0  # a subclass declares its arguments in their order, these among them

    def __post_init__(self) -> None:
        super().__post_init__()
        larger = self.mode == "max" or (self.mode == "auto" and any(word in self.monitor for word in ("acc", "auc", "precision", "recall")))
        self._sign = -1.0 if larger else 1.0  # what is watched, times this, is to become small
        self.best = self._first_best = self._sign * math.inf

    def _current(self, logs: Logs | None) -> float | None:
        """Return what is watched, if it was found out in this epoch."""
        if logs is None or self.monitor not in logs:
            warnings.warn(f"{type(self).__name__} watches {self.monitor!r}, but there is only {', '.join(logs or ())}", stacklevel=4)
            return None
        return logs[self.monitor]

    def _is_better(self, value: float, than: float) -> bool:
        return self._sign * value < self._sign * than - abs(self.min_delta)


class EarlyStopping(_Monitor):
    """Stop when a loss or a metric has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    min_delta : float, default 0
        Less than this is no improvement.
    patience : int, default 0
        The epochs without improvement after which training stops.
    verbose : int, default 0
        1 prints a line.
    mode : {"auto", "min", "max"}
        Whether less or more is better; by default, more for what is called an accuracy, AUC, precision or recall.
    baseline : float, optional
        What must be reached for patience to begin anew.
    restore_best_weights : bool, default False
        Whether the weights of the best epoch are put back at the end.
    start_from_epoch : int, default 0

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a negative number of epochs, or another `mode`.

    References
    ----------
    L. Prechelt: Early stopping - but when? Neural networks: tricks of the trade, 1998; as ``keras.callbacks.EarlyStopping``.

    Examples
    --------
    >>> from fastcnn.callbacks import EarlyStopping
    >>> EarlyStopping(monitor="val_accuracy", patience=3, restore_best_weights=True).patience
    3
    """

    _resumed = ("best", "wait", "best_epoch", "best_weights")

    monitor: Setting[str, str] = _MONITOR
    min_delta: Real = real(-math.inf, math.inf, 0.0)
    patience: Integer = integer(0, 0)
    verbose: int = 0
    mode: Choice = _MODE
    baseline: OptionalReal = optional(real(-math.inf, math.inf))
    restore_best_weights: Flag = flag(False)
    start_from_epoch: Integer = integer(0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew."""
        self.wait, self.stopped_epoch, self.best_epoch, self.best = 0, 0, 0, self._first_best
        self.best_weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """See whether the epoch was better."""
        current = self._current(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        better = self._is_better(current, self.best)
        if self.restore_best_weights and (better or not self.best_weights):
            self.best_weights = self.model.get_weights()
        if better:
            self.best, self.best_epoch = current, epoch
            if self.baseline is None or self._is_better(current, self.baseline):
                self.wait = 0
                return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put the best weights back, if that is wanted."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: stopped early; the best was epoch {self.best_epoch + 1}")
        if self.best_weights:
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(_Monitor):
    """Make the learning rate smaller when a loss or a metric has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    factor : float, default 0.1
        What the learning rate is multiplied by; below 1.
    patience : int, default 10
        The epochs without improvement after which that happens.
    verbose : int, default 0
        1 prints a line.
    mode : {"auto", "min", "max"}
        As for `EarlyStopping`.
    min_delta : float, default 1e-4
        Less than this is no improvement.
    cooldown : int, default 0
        The epochs after a reduction in which none are counted.
    min_lr : float, default 0
        The smallest learning rate.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a `factor` outside of [0, 1), a negative number of epochs or `min_lr`, or another `mode`.

    References
    ----------
    ``keras.callbacks.ReduceLROnPlateau``.

    Examples
    --------
    >>> from fastcnn.callbacks import ReduceLROnPlateau
    >>> ReduceLROnPlateau(factor=0.2, patience=5, min_lr=1e-5).factor
    0.2
    """

    _resumed = ("best", "wait", "cooldown_counter")

    monitor: Setting[str, str] = _MONITOR
    factor: Real = real(0, math.nextafter(1, 0), 0.1)
    patience: Integer = integer(0, 10)
    verbose: int = 0
    mode: Choice = _MODE
    min_delta: Real = real(-math.inf, math.inf, 1e-4)
    cooldown: Integer = integer(0, 0)
    min_lr: Real = real(0, math.inf, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew."""
        self.best, self.wait, self.cooldown_counter = self._first_best, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """See whether the epoch was better, and note the learning rate."""
        rate = float(self.model.optimizer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        current = self._current(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_better(current, self.best):
            self.best, self.wait = current, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: the learning rate is {self.model.optimizer.learning_rate:g} from now on")


def _frequency(value: Any, name: str) -> Any:
    return value if value == "epoch" else _validate.integer(value, name, 1)


class ModelCheckpoint(_Monitor):
    """Save the model as it is trained: all that `fit(resume_from=...)` needs to go on as if it had never stopped.

    Each file is written beside its place and put there once it is whole and on the disk, so that there is always one that is good.

    Parameters
    ----------
    filepath : path-like
        May hold names in braces, of the epoch (from 1) and of the logs: "best-{epoch:02d}-{val_loss:.3f}.safetensors".
    monitor : str, default "val_loss"
        What `save_best_only` looks at.
    verbose : int, default 0
        1 prints a line.
    save_best_only : bool, default False
        Whether only what is better than all before is saved.
    save_weights_only : bool, default False
        Whether the weights are saved alone, for `load_weights`.
    mode : {"auto", "min", "max"}
        As for `EarlyStopping`.
    save_freq : "epoch" or int, default "epoch"
        After how many steps a file is written, counted through the epochs; by default, after each epoch.
    initial_value_threshold : float, optional
        What the first file must be better than.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, another `mode`, or a `save_freq` below 1; in a training, ValueError for a path that does not end
        in ``.safetensors``, or with unknown names in braces.
    OSError
        When a training begins, for a path that cannot be written to.

    References
    ----------
    ``keras.callbacks.ModelCheckpoint``.

    Examples
    --------
    >>> from fastcnn.callbacks import ModelCheckpoint
    >>> ModelCheckpoint("model.safetensors", monitor="val_accuracy", save_best_only=True).mode
    'auto'
    """

    runs_last = True
    _resumed = ("best", "steps")

    filepath: Setting[str | os.PathLike[str], str] = Setting(lambda value, _: os.fspath(value))
    monitor: Setting[str, str] = _MONITOR
    verbose: int = 0
    save_best_only: Flag = flag(False)
    save_weights_only: Flag = flag(False)
    mode: Choice = _MODE
    save_freq: Setting[str | int, str | int] = Setting(_frequency, "epoch")
    initial_value_threshold: OptionalReal = optional(real(-math.inf, math.inf))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial_value_threshold is not None:
            self.best = self.initial_value_threshold
        self._epoch = self.steps = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse a path that cannot be written to before anything is trained."""
        model_file.check_writable(self.filepath)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save, if it is time."""
        self.steps += 1
        if isinstance(self.save_freq, int) and self.steps % self.save_freq == 0:
            self._save(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is time."""
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs | None) -> None:
        if self.save_best_only:
            current = self._current(logs)
            if current is None or not self._is_better(current, self.best):
                return
            self.best = current
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except KeyError as error:
            names = ", ".join(["epoch", *(logs or ())])
            raise ValueError(f"filepath must have names in braces among {names}, got {self.filepath!r}") from error
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` returns the learning rate; epochs are counted from 0.
    verbose : int, default 0
        1 prints a line.

    Raises
    ------
    TypeError, ValueError
        For a `schedule` that is no function; in a training, for what it returns if that is no number from 0 on.

    References
    ----------
    ``keras.callbacks.LearningRateScheduler``.

    Examples
    --------
    >>> from fastcnn.callbacks import LearningRateScheduler
    >>> halve = LearningRateScheduler(lambda epoch, rate: rate if epoch < 3 else rate / 2)
    """

    def __init__(self, schedule: Callable[[int, float], float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of the epoch and the learning rate, got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the learning rate."""
        rate = _validate.real(self.schedule(epoch, float(self.model.optimizer.learning_rate)), "schedule's result", 0, math.inf)
        self.model.optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the learning rate."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """Stop when the loss is no number any more.

    References
    ----------
    ``keras.callbacks.TerminateOnNaN``.

    Examples
    --------
    >>> from fastcnn.callbacks import TerminateOnNaN
    >>> stop = TerminateOnNaN()
    """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        if logs is not None and not math.isfinite(logs["loss"]):
            print(f"Step {batch}: the loss is {logs['loss']}; stopped")
            self.model.stop_training = True
