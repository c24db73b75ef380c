"""Metrics that are means: how often predictions are right, and how far they are off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _targets
from fastcnn._settings import Integer, Real, integer, real
from fastcnn.metrics.base import MeanMetric


class SparseCategoricalAccuracy(MeanMetric):
    """How often the likeliest class, the first of equals, is the true one; targets (N, ...) or (N, ..., 1) are numbers of classes.

    Parameters
    ----------
    name : str, optional
        By default "sparse_categorical_accuracy".

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.SparseCategoricalAccuracy``.

    Examples
    --------
    >>> from fastcnn.metrics import SparseCategoricalAccuracy
    >>> accuracy = SparseCategoricalAccuracy()
    >>> accuracy.update_state([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return `y_true` (N, ...)."""
        return _targets.labels(y_true, output_shape, "y_true")

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return whether each prediction is right."""
        return y_true == y_pred.argmax(axis=-1)


class CategoricalAccuracy(MeanMetric):
    """How often the likeliest class, the first of equals, is the true one; targets (N, ..., C) have an entry for each class.

    Parameters
    ----------
    name : str, optional
        By default "categorical_accuracy".

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.CategoricalAccuracy``.

    Examples
    --------
    >>> from fastcnn.metrics import CategoricalAccuracy
    >>> accuracy = CategoricalAccuracy()
    >>> accuracy.update_state([[0, 0, 1], [0, 1, 0]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return whether each prediction is right."""
        return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


class BinaryAccuracy(MeanMetric):
    """How often a prediction is on the side of `threshold` that its target, 0 or 1, says.

    Parameters
    ----------
    name : str, optional
        By default "binary_accuracy".
    threshold : float, default 0.5
        Predictions above it count as 1.

    Raises
    ------
    TypeError, ValueError
        For a `threshold` that is no number in [0, 1]; from `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.BinaryAccuracy``.

    Examples
    --------
    >>> from fastcnn.metrics import BinaryAccuracy
    >>> accuracy = BinaryAccuracy()
    >>> accuracy.update_state([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]])
    >>> accuracy.result()
    0.75
    """

    threshold: Real = real(0, 1, 0.5)

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return whether each prediction is right."""
        return y_true == (y_pred > self.threshold)


class _K(_registry.Configurable):
    """The argument that comes before the name."""

    k: Integer = integer(1, 5)


class _TopK(MeanMetric, _K):
    """How often the true class is among the `k` likeliest, of class numbers (N, ...)."""

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return whether each prediction is right."""
        likelier = y_pred > np.take_along_axis(y_pred, y_true[..., None], axis=-1)
        return (np.count_nonzero(likelier, axis=-1) < self.k) & np.isfinite(y_pred).all(axis=-1)


class TopKCategoricalAccuracy(_TopK):
    """How often the true class is among the `k` likeliest; targets (N, ..., C) have an entry for each class.

    Parameters
    ----------
    k : int, default 5
    name : str, optional
        By default "top_k_categorical_accuracy".

    Raises
    ------
    TypeError, ValueError
        For a `k` that is no positive integer; from `update_state`, for targets, predictions and weights that do not fit each other.

    Notes
    -----
    See `SparseTopKCategoricalAccuracy`.

    References
    ----------
    ``keras.metrics.TopKCategoricalAccuracy``.

    Examples
    --------
    >>> from fastcnn.metrics import TopKCategoricalAccuracy
    >>> accuracy = TopKCategoricalAccuracy(k=2)
    >>> accuracy.update_state([[0, 0, 1], [0, 0, 1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return the numbers of the true classes, (N, ...)."""
        return super().check_targets(y_true, output_shape).argmax(axis=-1)


class SparseTopKCategoricalAccuracy(_TopK):
    """How often the true class is among the `k` likeliest; targets (N, ...) or (N, ..., 1) are numbers of classes.

    Parameters
    ----------
    k : int, default 5
    name : str, optional
        By default "sparse_top_k_categorical_accuracy".

    Raises
    ------
    TypeError, ValueError
        For a `k` that is no positive integer; from `update_state`, for targets that are no numbers of classes, and for targets, predictions
        and weights that do not fit each other.

    Notes
    -----
    A class is among them if fewer than `k` are likelier, and if all predictions are finite: TensorFlow's ``in_top_k``, as in Keras.

    References
    ----------
    ``keras.metrics.SparseTopKCategoricalAccuracy``.

    Examples
    --------
    >>> from fastcnn.metrics import SparseTopKCategoricalAccuracy
    >>> accuracy = SparseTopKCategoricalAccuracy(k=2)
    >>> accuracy.update_state([2, 2], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
    >>> accuracy.result()
    0.5
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return `y_true` as int64 (N, ...)."""
        return _targets.class_numbers(_targets.labels(y_true, output_shape, "y_true"), output_shape[-1] or 0, "y_true")


class MeanSquaredError(MeanMetric):
    """The mean of the squared differences; targets have the predictions' shape.

    Parameters
    ----------
    name : str, optional
        By default "mean_squared_error".

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.MeanSquaredError``.

    Examples
    --------
    >>> from fastcnn.metrics import MeanSquaredError
    >>> error = MeanSquaredError()
    >>> error.update_state([[0, 1], [0, 0]], [[2, 1], [0, 0]])
    >>> error.result()
    1.0
    """

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the squared differences."""
        return np.square(y_pred - y_true)


class MeanAbsoluteError(MeanMetric):
    """The mean of the differences' sizes; targets have the predictions' shape.

    Parameters
    ----------
    name : str, optional
        By default "mean_absolute_error".

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.MeanAbsoluteError``.

    Examples
    --------
    >>> from fastcnn.metrics import MeanAbsoluteError
    >>> error = MeanAbsoluteError()
    >>> error.update_state([[0, 1], [0, 0]], [[2, 1], [0, 0]])
    >>> error.result()
    0.5
    """

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the differences' sizes."""
        return np.abs(y_pred - y_true)
