"""Metrics, with Keras's names: means that are gathered batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry

__all__ = ["BinaryAccuracy", "CategoricalAccuracy", "Mean", "Metric", "SparseCategoricalAccuracy", "get"]


class _Mean(_registry.Configurable):
    """A mean that is gathered bit by bit."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or _registry.snake_case(type(self).__name__)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget what was gathered."""
        self._total, self._weight = 0.0, 0

    def get_state(self) -> dict[str, Any]:
        """Return what was gathered, as numbers and arrays."""
        return {"total": self._total, "weight": self._weight}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._total, self._weight = float(state["total"]), int(state["weight"])

    def result(self) -> float:
        """Return the mean of what was gathered; 0 where nothing was."""
        return self._total / self._weight if self._weight else 0.0

    def _gather(self, total: float, weight: int) -> None:
        self._total += total
        self._weight += weight


class Mean(_Mean):
    """The weighted mean of numbers, such as the losses of batches.

    Parameters
    ----------
    name : str, optional
        By default "mean".

    Examples
    --------
    >>> from fastcnn.metrics import Mean
    >>> mean = Mean()
    >>> mean.update_state(1.0, 3)
    >>> mean.update_state(2.0, 1)
    >>> mean.result()
    1.25
    """

    def update_state(self, value: float, weight: int = 1) -> None:
        """Gather `value`, which stands for `weight` examples."""
        self._gather(value * weight, weight)


class Metric(_Mean):
    """The base of what `compile` takes as a metric: the share of predictions that match their targets. A subclass gives `_matches`.

    Parameters
    ----------
    name : str, optional
        The key in a history; by default made of the class's name.
    """

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike) -> None:
        """Gather a batch of targets and predictions."""
        matches = self._matches(np.asarray(y_true), np.asarray(y_pred))
        self._gather(int(np.count_nonzero(matches)), matches.size)

    def _matches(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class SparseCategoricalAccuracy(Metric):
    """How often the likeliest class is the true one; targets (N, ...) or (N, ..., 1) are numbers of classes.

    Parameters
    ----------
    name : str, optional
        By default "sparse_categorical_accuracy".

    Examples
    --------
    >>> from fastcnn.metrics import SparseCategoricalAccuracy
    >>> accuracy = SparseCategoricalAccuracy()
    >>> accuracy.update_state([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def _matches(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        matches: np.ndarray = y_true.reshape(y_pred.shape[:-1]) == y_pred.argmax(axis=-1)
        return matches


class CategoricalAccuracy(Metric):
    """How often the likeliest class is the true one; targets (N, ..., C) have an entry for each class.

    Parameters
    ----------
    name : str, optional
        By default "categorical_accuracy".

    Examples
    --------
    >>> from fastcnn.metrics import CategoricalAccuracy
    >>> accuracy = CategoricalAccuracy()
    >>> accuracy.update_state([[0, 0, 1], [0, 1, 0]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def _matches(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        matches: np.ndarray = y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)
        return matches


class BinaryAccuracy(Metric):
    """How often a prediction is on the side of `threshold` that its target, 0 or 1, says.

    Parameters
    ----------
    name : str, optional
        By default "binary_accuracy".
    threshold : float, default 0.5
        Predictions above it count as 1.

    Examples
    --------
    >>> from fastcnn.metrics import BinaryAccuracy
    >>> accuracy = BinaryAccuracy()
    >>> accuracy.update_state([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]])
    >>> accuracy.result()
    0.75
    """

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = _registry.real(threshold, "threshold", 0, 1)

    def _matches(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        matches: np.ndarray = y_true.reshape(y_pred.shape) == (y_pred > self.threshold)
        return matches


_CLASSES = _registry.table(SparseCategoricalAccuracy, CategoricalAccuracy, BinaryAccuracy)


def get(identifier: Any, target_shape: tuple[int, ...] = (), output_shape: tuple[int | None, ...] = ()) -> Metric:
    """Return the metric that `identifier` stands for: a `Metric`, or the name of one.

    As in Keras, "accuracy" (or "acc") is the accuracy that fits the shapes of the targets and of the outputs, both with the batch.

    Examples
    --------
    >>> from fastcnn import metrics
    >>> type(metrics.get("accuracy", (60000,), (None, 10))).__name__
    'SparseCategoricalAccuracy'
    """
    if identifier not in ("accuracy", "acc"):
        return _registry.resolve(identifier, _CLASSES, "metric", Metric)
    if output_shape[-1] == 1:
        return BinaryAccuracy(identifier)
    if len(target_shape) < len(output_shape) or target_shape[-1] == 1:
        return SparseCategoricalAccuracy(identifier)
    return CategoricalAccuracy(identifier)
