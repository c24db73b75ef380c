"""Callbacks that write down how a training goes."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import IO, Any

from fastcnn.callbacks.base import Callback, Logs


class CSVLogger(Callback):
    """Write a row of losses and metrics to a file after every epoch.

    Parameters
    ----------
    filename : path-like
    separator : str, default ","
    append : bool, default False
        Whether rows are added to a file that is there.

    Raises
    ------
    TypeError
        For a `filename` that is no path.
    OSError
        When a training begins, for a file that cannot be written.

    References
    ----------
    ``keras.callbacks.CSVLogger``.

    Examples
    --------
    >>> from fastcnn.callbacks import CSVLogger
    >>> CSVLogger("training.csv").separator
    ','
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: IO[str] | None = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file."""
        self._columns = []
        if self.append and os.path.exists(self.filename):
            with open(self.filename, encoding="utf-8", newline="") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), [])[1:]
        self._file = open(self.filename, "a" if self.append else "w", encoding="utf-8", newline="")  # noqa: SIM115 - until training ends

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a row."""
        assert self._file is not None
        writer = csv.writer(self._file, delimiter=self.separator)
        if not self._columns:
            self._columns = sorted(logs or ())
            writer.writerow(["epoch", *self._columns])
        writer.writerow([epoch, *((logs or {}).get(name, "NA") for name in self._columns)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoard(Callback):
    """Write losses and metrics for TensorBoard after every epoch; needs the extra ``fastcnn[tensorboard]``.

    Parameters
    ----------
    log_dir : path-like, default "logs"
        Gets the folders "train" and "validation".

    Raises
    ------
    TypeError
        For a `log_dir` that is no path.
    ImportError
        When a training begins, without that extra.

    References
    ----------
    ``keras.callbacks.TensorBoard``.

    Examples
    --------
    >>> from fastcnn.callbacks import TensorBoard
    >>> TensorBoard("runs/first").log_dir
    'runs/first'
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        self.log_dir = os.fspath(log_dir)
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Find the library."""
        try:
            from tensorboard.summary import Writer
        except ImportError as error:
            raise ImportError("callbacks.TensorBoard needs tensorboard: pip install 'fastcnn[tensorboard]'") from error
        self._writer = Writer

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write what was found."""
        for name, value in (logs or {}).items():
            folder = "validation" if name.startswith("val_") else "train"
            if folder not in self._writers:
                self._writers[folder] = self._writer(os.path.join(self.log_dir, folder))
            self._writers[folder].add_scalar(f"epoch_{name.removeprefix('val_')}", value, step=epoch)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


class LambdaCallback(Callback):
    """A callback of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end, on_train_begin, on_train_end, on_train_batch_begin, on_train_batch_end : callable, optional
        Called as the method of that name.

    Raises
    ------
    TypeError
        For what is no function.

    References
    ----------
    ``keras.callbacks.LambdaCallback``.

    Examples
    --------
    >>> from fastcnn.callbacks import LambdaCallback
    >>> tell = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs | None], Any] | None = None,
        on_epoch_end: Callable[[int, Logs | None], Any] | None = None,
        on_train_begin: Callable[[Logs | None], Any] | None = None,
        on_train_end: Callable[[Logs | None], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs | None], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs | None], Any] | None = None,
    ) -> None:
        given = {name: function for name, function in locals().items() if name.startswith("on_")}
        for name, function in given.items():
            if not (function is None or callable(function)):
                raise TypeError(f"{name} must be a function, got {function!r}")
            if function is not None:
                setattr(self, name, function)
