"""Metrics."""

import numpy as np
import pytest

from fastcnn import metrics


def test_accuracies_are_gathered_over_batches_of_any_size():
    accuracy = metrics.SparseCategoricalAccuracy()
    accuracy.update_state(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]))
    accuracy.update_state(np.array([[1]]), np.array([[0.4, 0.6]]))
    assert accuracy.result() == 3 / 4
    accuracy.reset_state()
    assert accuracy.result() == 0


@pytest.mark.parametrize(
    ("targets", "outputs", "kind"),
    [
        ((8,), (None, 10), metrics.SparseCategoricalAccuracy),
        ((8, 1), (None, 10), metrics.SparseCategoricalAccuracy),
        ((8, 4), (None, 4, 10), metrics.SparseCategoricalAccuracy),
        ((8, 10), (None, 10), metrics.CategoricalAccuracy),
        ((8, 1), (None, 1), metrics.BinaryAccuracy),
    ],
)
def test_accuracy_is_the_one_that_fits_the_shapes(targets, outputs, kind):
    for name in ("accuracy", "acc"):
        metric = metrics.get(name, targets, outputs)
        assert type(metric) is kind
        assert metric.name == name


def test_names():
    assert metrics.get("categorical_accuracy").name == "categorical_accuracy"
    assert metrics.get(metrics.BinaryAccuracy("half", threshold=0.25)).name == "half"


@pytest.mark.parametrize(("name", "error"), [("f1", ValueError), (3, TypeError), (metrics.Mean(), TypeError)])
def test_unknown_metrics_are_refused(name, error):
    with pytest.raises(error, match="metric"):
        metrics.get(name)
