"""Metrics of what is taken for what: precision, recall, the area under a curve, and the matrix of all confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _targets, _validate
from fastcnn._settings import Choice, Integer, OptionalInteger, Setting, choice, integer, optional
from fastcnn.metrics.base import Metric

#: The most classes of a confusion matrix: one of 8 GB.
MAX_CLASSES = 2**15
#: The most thresholds of an AUC, 16 MB of them: a model file asks for as many as it likes.
MAX_THRESHOLDS = 2**20


class _ThresholdMetric(Metric):
    """A metric of the weights of positives and negatives above some thresholds, in rising order.

    Predictions are gathered by how many thresholds they are above, which is less work than threshold by threshold. A subclass gives
    `_levels`, and the number of thresholds.
    """

    _threshold_count = 0

    def reset_state(self) -> None:
        """Forget what was gathered."""
        self._weights = np.zeros((2, self._threshold_count + 1))

    def _levels(self, predictions: np.ndarray) -> np.ndarray:
        """Return how many thresholds each prediction is above, as int64."""
        raise NotImplementedError

    def _pick(self, array: np.ndarray) -> np.ndarray:
        """Return what counts of `array`, which has the predictions' shape."""
        return array

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Gather a batch: targets (N, ...), positive where they are not 0, predictions like them, and a weight for each sample or entry."""
        predictions = _targets.predictions(y_pred)
        targets = _targets.like_outputs(y_true, predictions.shape, "y_true")
        weights = _targets.weights(1.0 if sample_weight is None else sample_weight, predictions.shape, np.float64)
        is_positive = self._pick(targets) != 0
        places = self._levels(predictions) + self._weights.shape[1] * is_positive
        self._weights += np.bincount(places.ravel(), self._pick(weights).ravel(), self._weights.size).reshape(self._weights.shape)

    def _above(self) -> np.ndarray:
        """Return the weights of negatives and of positives, (2, T), above each of T thresholds."""
        return self._weights[:, :0:-1].cumsum(axis=1)[:, ::-1]


def _thresholds(value: Any, name: str) -> float | list[float] | None:
    """Return `value`, if there is any, as floats in [0, 1]."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return None if value is None else _validate.real(value, name, 0, 1)
    if not len(value):
        raise ValueError(f"{name} must be a number, or some, got none")
    return [_validate.real(threshold, f"{name}[{i}]", 0, 1) for i, threshold in enumerate(value)]


class _Ratio(_registry.Configurable):
    """The arguments that come before the name."""

    thresholds: Setting[float | Sequence[float] | None, float | list[float] | None] = Setting(_thresholds, None)
    top_k: OptionalInteger = optional(integer(1))
    class_id: OptionalInteger = optional(integer(0))


class _RatioMetric(_ThresholdMetric, _Ratio):
    """What precision and recall have in common; `Precision` says what the arguments are."""

    def __post_init__(self) -> None:
        default = 0.5 if self.top_k is None else -np.inf
        self._limits = np.atleast_1d(np.array(default if self.thresholds is None else self.thresholds, np.float32))
        self._threshold_count = self._limits.size
        super().__post_init__()

    def _pick(self, array: np.ndarray) -> np.ndarray:
        if self.class_id is None:
            return array
        if array.ndim < 2 or self.class_id >= array.shape[-1]:
            raise ValueError(f"y_pred must have an entry {self.class_id}, the class_id, on its last axis, got shape {array.shape}")
        return array[..., self.class_id]

    def _levels(self, predictions: np.ndarray) -> np.ndarray:
        if self.top_k is not None:
            order = np.argsort(-predictions, axis=-1, kind="stable")
            predictions = predictions.copy()
            np.put_along_axis(predictions, order[..., self.top_k :], -np.inf, axis=-1)
        return np.count_nonzero(self._pick(predictions)[..., None] > self._limits, axis=-1)

    def _ratio(self, tp: np.ndarray, fp: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """Return the ratio, for each threshold, of the weights of true and of false positives and of all that is positive."""
        raise NotImplementedError

    def result(self) -> Any:
        """Return the ratio of what was gathered: a float, or for several thresholds an ndarray."""
        fp, tp = self._above()
        ratios = self._ratio(tp, fp, self._weights[1].sum())
        return float(ratios[0]) if ratios.size == 1 else ratios[np.searchsorted(np.sort(self._limits), self._limits)]


class Precision(_RatioMetric):
    """Which share of what is predicted to be positive is positive; 0 of nothing.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        In [0, 1]; predictions above count as positive. 0.5 by default; all do with `top_k`.
    top_k : int, optional
        Only so many predictions of each sample, the largest, the first of equals, count as positive.
    class_id : int, optional
        Only this entry of the last axis is looked at.
    name : str, optional
        By default "precision".

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or out of its range; from `update_state`, for a `class_id` that predictions lack, and for targets,
        predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.Precision``.

    Examples
    --------
    >>> from fastcnn.metrics import Precision
    >>> precision = Precision()
    >>> precision.update_state([0, 1, 1, 1], [0.9, 0.8, 0.2, 0.1])
    >>> precision.result()
    0.5
    """

    def _ratio(self, tp: np.ndarray, fp: np.ndarray, positives: np.ndarray) -> np.ndarray:
        return _divide(tp, tp + fp)


class Recall(_RatioMetric):
    """Which share of what is positive is predicted to be; 0 of nothing.

    Parameters
    ----------
    thresholds, top_k, class_id, name
        As for `Precision`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or out of its range; from `update_state`, for a `class_id` that predictions lack, and for targets,
        predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.Recall``.

    Examples
    --------
    >>> from fastcnn.metrics import Recall
    >>> recall = Recall()
    >>> recall.update_state([0, 1, 1, 1, 1], [0.9, 0.8, 0.2, 0.1, 0.3])
    >>> recall.result()
    0.25
    """

    def _ratio(self, tp: np.ndarray, fp: np.ndarray, positives: np.ndarray) -> np.ndarray:
        return _divide(tp, positives)


class _Curve(_registry.Configurable):
    """The arguments that come before the name."""

    num_thresholds: Integer = integer(2, 200, MAX_THRESHOLDS)
    curve: Choice = choice("ROC", "PR")


class AUC(_ThresholdMetric, _Curve):
    """The area under the curve that true positives draw as the threshold falls; predictions are probabilities.

    Parameters
    ----------
    num_thresholds : int, default 200
        From just below 0 to just above 1, evenly spaced.
    curve : {"ROC", "PR"}
        Recall over the false positives' share of the negatives, or precision over recall.
    name : str, optional
        By default "auc".

    Raises
    ------
    TypeError, ValueError
        For `num_thresholds` that are no integer from 2 to 2**20, or another `curve`; from `update_state`, for targets, predictions and
        weights that do not fit each other.

    Notes
    -----
    Between thresholds, "ROC" is taken to be straight, and "PR" what it is where true positives grow linearly with all predicted ones.

    References
    ----------
    J. Davis, M. Goadrich: The relationship between precision-recall and ROC curves. ICML 2006, section 4. The curve and its area are
    those of ``keras.metrics.AUC`` with its `summation_method` "interpolation".

    Examples
    --------
    >>> from fastcnn.metrics import AUC
    >>> auc = AUC(num_thresholds=3)
    >>> auc.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    >>> auc.result()
    0.75
    """

    def __post_init__(self) -> None:
        self._threshold_count = self.num_thresholds
        super().__post_init__()

    def _levels(self, predictions: np.ndarray) -> np.ndarray:
        """Return how many thresholds each prediction is above: the first, which is below 0, and those of i / (T - 1) below it."""
        scaled = np.clip(predictions, 0, 1) * np.float32(self.num_thresholds - 1)
        return np.fmax(np.ceil(scaled), 1).astype(np.int64)  # a NaN is above the first alone

    def result(self) -> float:
        """Return the area."""
        fp, tp = self._above()
        negatives, positives = self._weights.sum(axis=1)
        if self.curve == "ROC":
            return float(np.trapezoid(_divide(tp, positives)[::-1], _divide(fp, negatives)[::-1]))
        predicted = tp + fp
        slope = _divide(np.diff(tp), np.diff(predicted))
        growth = np.log(_divide(predicted[:-1], predicted[1:]), out=np.zeros_like(slope), where=predicted[1:] > 0)
        # With tp = slope * predicted + offset, the integral of tp / predicted over tp between two thresholds.
        offset = tp[1:] - slope * predicted[1:]
        return float(np.sum(_divide(slope * (offset * growth - np.diff(tp)), positives)))


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a / b``, and 0 where `b` is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """Count what is taken for what.

    Parameters
    ----------
    labels : array_like, shape (N, ...)
        The numbers of the true classes; (N, 1) is taken as (N,).
    predictions : array_like, shape (N, ...) or (N, ..., C)
        The numbers of the predicted classes; or C scores, of which the largest counts, the first of equals.
    num_classes : int, optional
        By default C, or one more than the largest number.

    Returns
    -------
    ndarray of int64, shape (num_classes, num_classes)
        Rows for the true classes, columns for the predicted ones.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    Rows and columns are those of ``sklearn.metrics.confusion_matrix``.

    Examples
    --------
    >>> from fastcnn.metrics import confusion_matrix
    >>> confusion_matrix([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    array([[1, 0],
           [1, 1]])
    """
    true, predicted = _validate.array(labels, "labels", range(1, 33)), _validate.array(predictions, "predictions", range(1, 33))
    if num_classes is not None:
        num_classes = _validate.integer(num_classes, "num_classes", 1, MAX_CLASSES)
    if true.ndim > 1 and true.shape[-1] == 1:
        true = true[..., 0]
    if predicted.ndim == true.ndim + 1:
        if predicted.shape[-1] < 2:
            raise ValueError(f"predictions must be numbers of classes, such as p[:, 0] > 0.5, or 2 scores at least, got {predicted.shape}")
        num_classes = num_classes or predicted.shape[-1]
        predicted = predicted.argmax(axis=-1)
    _validate.same_shape(predicted.shape, true.shape, "predictions", "the shape of labels, with or without a last axis of scores,")
    limit = num_classes or MAX_CLASSES
    true, predicted = _targets.class_numbers(true, limit, "labels"), _targets.class_numbers(predicted, limit, "predictions")
    if num_classes is None:
        num_classes = 1 + max(int(true.max(initial=0)), int(predicted.max(initial=0)))
    pairs = true.ravel() * num_classes + predicted.ravel()
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
