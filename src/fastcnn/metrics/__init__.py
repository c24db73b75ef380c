"""Metrics, with Keras's names and numerics: figures that are gathered batch by batch.

``base.py`` says what a metric is; the others hold the metrics by family.
"""

from __future__ import annotations

from typing import Any

from fastcnn import _registry
from fastcnn.metrics.base import Mean, MeanMetric, Metric
from fastcnn.metrics.confusion import AUC, Precision, Recall, confusion_matrix
from fastcnn.metrics.means import (
    BinaryAccuracy,
    CategoricalAccuracy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "confusion_matrix",
    "get",
]

_METRICS = [cls for module in ("means", "confusion") for cls in _registry.defined(f"{__name__}.{module}", Metric)]
_CLASSES = _registry.table(*_METRICS, mse=MeanSquaredError, mae=MeanAbsoluteError)


def get(identifier: Any, target_shape: tuple[int, ...] = (), output_shape: tuple[int | None, ...] = ()) -> Metric:
    """Return the metric that `identifier` stands for: a `Metric`, or the name of one, which will be its name.

    As in Keras, "accuracy" (or "acc") is the accuracy that fits the shapes of the targets and of the outputs, both with the batch.

    Parameters
    ----------
    identifier : Metric or str
    target_shape, output_shape : tuple of int or None
        Needed for "accuracy" alone.

    Raises
    ------
    TypeError, ValueError
        For what is neither, an unknown name, or "accuracy" without shapes.

    References
    ----------
    ``keras.metrics.get``.

    Examples
    --------
    >>> from fastcnn import metrics
    >>> type(metrics.get("accuracy", (60000,), (None, 10))).__name__
    'SparseCategoricalAccuracy'
    >>> metrics.get("mse").name
    'mse'
    """
    if not (isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc")):
        metric = _registry.resolve(identifier, _CLASSES, "metric", Metric)
    elif not target_shape or not output_shape:
        raise ValueError(f"target_shape and output_shape must be given for an accuracy, got {target_shape} and {output_shape}")
    elif output_shape[-1] == 1:
        metric = BinaryAccuracy()
    elif len(target_shape) < len(output_shape) or target_shape[-1] == 1:
        metric = SparseCategoricalAccuracy()
    else:
        metric = CategoricalAccuracy()
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
