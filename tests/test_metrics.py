"""Metrics by themselves, and against Keras's."""

import numpy as np
import pytest
from compare import assert_close, assert_same_bits

from fastcnn import callbacks, layers, metrics, models, optimizers

#: name: (the class, its options, what targets are).
METRICS = {
    "sparse accuracy": ("SparseCategoricalAccuracy", {}, "classes"),
    "accuracy": ("CategoricalAccuracy", {}, "one-hot"),
    "binary accuracy": ("BinaryAccuracy", {}, "bits"),
    "binary accuracy, threshold": ("BinaryAccuracy", {"threshold": 0.3}, "bits"),
    "sparse top 5": ("SparseTopKCategoricalAccuracy", {}, "classes"),
    "sparse top 1": ("SparseTopKCategoricalAccuracy", {"k": 1}, "classes"),
    "sparse top 3": ("SparseTopKCategoricalAccuracy", {"k": 3}, "classes"),
    "top 3": ("TopKCategoricalAccuracy", {"k": 3}, "one-hot"),
    "mse": ("MeanSquaredError", {}, "numbers"),
    "mae": ("MeanAbsoluteError", {}, "numbers"),
    "precision": ("Precision", {}, "bits"),
    "precision, threshold": ("Precision", {"thresholds": 0.375}, "bits"),
    "precision, thresholds": ("Precision", {"thresholds": [0.875, 0.3, 0.3]}, "bits"),
    "precision, even thresholds": ("Precision", {"thresholds": [0.0, 0.5, 1.0]}, "bits"),
    "precision, top 2": ("Precision", {"top_k": 2}, "bits"),
    "precision, top 2 above": ("Precision", {"top_k": 2, "thresholds": 0.75}, "bits"),
    "precision, one class": ("Precision", {"class_id": 4}, "bits"),
    "precision, top 2, one class": ("Precision", {"top_k": 2, "class_id": 1}, "bits"),
    "recall": ("Recall", {}, "bits"),
    "recall, thresholds": ("Recall", {"thresholds": [0.1, 0.625]}, "bits"),
    "recall, top 3, one class": ("Recall", {"top_k": 3, "class_id": 0}, "bits"),
    "auc": ("AUC", {}, "bits"),
    "auc, 7 thresholds": ("AUC", {"num_thresholds": 7}, "bits"),
    "auc, 2 thresholds": ("AUC", {"num_thresholds": 2}, "bits"),
    "auc, precision and recall": ("AUC", {"curve": "PR"}, "bits"),
    "auc, precision and recall, 7 thresholds": ("AUC", {"curve": "PR", "num_thresholds": 7}, "bits"),
}
CLASSES = 6


def batches(targets, weighted):
    """Three batches of targets, predictions with ties, at thresholds too, and weights, one of them 0."""
    rng = np.random.default_rng(3)
    for n in (7, 1, 24):
        y_pred = rng.integers(0, 9, (n, CLASSES)).astype(np.float32) / 8
        y_pred[n // 2 :] = rng.integers(0, 200, (n - n // 2, CLASSES)).astype(np.float32) / 199
        labels = rng.integers(0, CLASSES, n)
        y_true = {
            "classes": labels,
            "one-hot": np.eye(CLASSES, dtype=np.float32)[labels],
            "bits": (rng.random((n, CLASSES)) < 0.2 + 0.6 * y_pred).astype(np.float32),
            "numbers": rng.normal(size=(n, CLASSES)).astype(np.float32),
        }[targets]
        weights = rng.uniform(0, 2, n).astype(np.float32)
        weights[0] = 0
        yield y_true, y_pred, weights if weighted else None


def assert_same_results(ours, theirs, data):
    """Assert that two metrics tell the same after every batch, and after a reset too."""
    for _ in range(2):
        for y_true, y_pred, weights in data:
            ours.update_state(y_true, y_pred, weights)
            theirs.update_state(y_true, y_pred, weights)
            expected = theirs.result().numpy()
            assert_close(np.asarray(ours.result(), np.float32), expected, terms=400, scale=np.abs(expected))
        ours.reset_state()
        theirs.reset_state()
    assert np.all(ours.result() == 0)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_results_are_those_of_keras(name, weighted, keras):
    kind, options, targets = METRICS[name]
    ours, theirs = getattr(metrics, kind)(**options), getattr(keras.metrics, kind)(**options)
    assert_same_results(ours, theirs, list(batches(targets, weighted)))


@pytest.mark.parametrize("kind", ["SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "MeanSquaredError", "BinaryAccuracy"])
@pytest.mark.parametrize("weights", [None, (4,), (4, 3), (4, 1)])
def test_predictions_of_many_positions_are_as_in_keras(kind, weights, keras):
    rng = np.random.default_rng(4)
    options = {"k": 2} if "TopK" in kind else {}
    data = []
    for _ in range(2):
        y_pred = rng.integers(0, 4, (4, 3, CLASSES)).astype(np.float32) / 4
        y_true = rng.integers(0, CLASSES, (4, 3)) if kind.startswith("Sparse") else rng.integers(0, 2, y_pred.shape).astype(np.float32)
        data.append((y_true, y_pred, None if weights is None else rng.uniform(0, 2, weights).astype(np.float32)))
    assert_same_results(getattr(metrics, kind)(**options), getattr(keras.metrics, kind)(**options), data)


def test_top_k_of_numbers_that_are_not_finite_is_that_of_keras(keras):
    y_pred = np.array([[np.nan, 1, 2], [0, 1, -np.inf], [0, np.inf, 1], [3, 2, 1]], np.float32)
    data = [(np.array([label]), row[None], None) for row in y_pred for label in range(3)]
    assert_same_results(metrics.SparseTopKCategoricalAccuracy(2), keras.metrics.SparseTopKCategoricalAccuracy(2), data)


@pytest.mark.parametrize("kind", ["Precision", "Recall", "AUC", "BinaryAccuracy", "MeanAbsoluteError"])
@pytest.mark.parametrize("columns", [("flat", "flat"), ("flat", "column"), ("column", "flat"), ("column", "column")])
def test_one_prediction_a_sample_may_have_an_axis_of_its_own(kind, columns):
    rng = np.random.default_rng(5)
    y_true, y_pred, weights = rng.integers(0, 2, 30), rng.random(30), rng.random(30)
    results = []
    for shapes in (columns, ("flat", "flat")):
        metric = getattr(metrics, kind)()
        metric.update_state(*(a if shape == "flat" else a[:, None] for a, shape in zip((y_true, y_pred), shapes, strict=True)), weights)
        results.append(metric.result())
    assert results[0] == results[1] > 0


def test_the_area_under_a_curve_in_full():
    """With a threshold between any two predictions, the area under the ROC curve is how often a positive is above a negative."""
    rng = np.random.default_rng(6)
    y_true, y_pred = rng.integers(0, 2, 200), rng.permutation(200) / 200 + 1 / 400
    auc = metrics.AUC(num_thresholds=201)
    auc.update_state(y_true, y_pred)
    pairs = y_pred[y_true == 1][:, None] > y_pred[y_true == 0]
    assert auc.result() == pytest.approx(pairs.mean(), rel=1e-12)


@pytest.mark.parametrize("kind", ["Precision", "Recall", "AUC"])
@pytest.mark.parametrize("target", [0, 1])
def test_without_positives_or_negatives_nothing_is_divided_by_zero(kind, target, keras):
    data = [(np.full(3, target, np.float32), np.array([0.1, 0.5, 0.9], np.float32), None)]
    assert_same_results(getattr(metrics, kind)(), getattr(keras.metrics, kind)(), data)
    if kind == "AUC":
        assert_same_results(metrics.AUC(curve="PR"), keras.metrics.AUC(curve="PR"), data)


def test_a_prediction_at_the_threshold_is_not_above_it(keras):
    """Though 0.3 in float32 is above 0.3 in float64."""
    data = [(np.ones(2, np.float32), np.array([0.3, 0.4], np.float32), None)]
    assert_same_results(metrics.Recall(0.3), keras.metrics.Recall(0.3), data)
    assert_same_results(metrics.BinaryAccuracy(threshold=0.3), keras.metrics.BinaryAccuracy(threshold=0.3), data)


def test_predictions_that_are_not_numbers_are_above_no_threshold():
    for kind, result in ((metrics.Precision, 1.0), (metrics.Recall, 0.5), (metrics.AUC, 0.75)):
        metric = kind()
        metric.update_state([1, 1, 0], [0.9, np.nan, 0])
        assert metric.result() == result


def test_accuracies_are_gathered_over_batches_of_any_size():
    accuracy = metrics.SparseCategoricalAccuracy()
    accuracy.update_state(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]))
    accuracy.update_state(np.array([[1]]), np.array([[0.4, 0.6]]))
    assert accuracy.result() == 3 / 4
    accuracy.reset_state()
    assert accuracy.result() == 0


def test_means_are_those_of_keras(keras):
    ours, theirs = metrics.Mean(), keras.metrics.Mean()
    for values, weights in (
        (3.0, None),
        (1.0, 4),
        ([1, 5], None),
        ([[1, 2, 6], [4, 4, 4]], [1, 0.5]),
        ([[1, 2], [3, 4]], [[1, 2], [0, 3]]),
    ):
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
        assert_close(np.float32(ours.result()), theirs.result().numpy(), terms=20, scale=10)


@pytest.mark.parametrize("name", METRICS)
def test_targets_and_weights_that_do_not_fit_are_refused_and_nothing_is_gathered(name):
    kind, options, targets = METRICS[name]
    metric = getattr(metrics, kind)(**options)
    y_true, y_pred, _ = next(batches(targets, False))
    metric.update_state(y_true, y_pred)
    before = metric.result()
    for error, culprit, arguments in (
        (ValueError, "y_true", (y_true[:-1], y_pred)),
        (ValueError, "y_true", (np.zeros((7, CLASSES + 1)), y_pred)),
        (TypeError, "y_true", (y_true.astype(str), y_pred)),
        (TypeError, "y_pred", (y_true, y_pred + 1j)),
        (ValueError, "y_pred", (y_true, y_pred[:, :0])),
        (ValueError, "sample_weight", (y_true, y_pred, np.ones(6))),
        (ValueError, "sample_weight", (y_true, y_pred, np.ones((7, CLASSES, 2)))),
        (TypeError, "sample_weight", (y_true, y_pred, ["1"] * 7)),
    ):
        with pytest.raises(error, match=culprit):
            metric.update_state(*arguments)
    assert np.all(metric.result() == before)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("BinaryAccuracy", {"threshold": 2}, ValueError),
        ("SparseTopKCategoricalAccuracy", {"k": 0}, ValueError),
        ("TopKCategoricalAccuracy", {"k": 1.5}, TypeError),
        ("Precision", {"thresholds": 1.5}, ValueError),
        ("Precision", {"thresholds": []}, ValueError),
        ("Precision", {"thresholds": [0.5, "0.6"]}, TypeError),
        ("Recall", {"top_k": 0}, ValueError),
        ("Recall", {"class_id": -1}, ValueError),
        ("AUC", {"num_thresholds": 1}, ValueError),
        ("AUC", {"curve": "roc!"}, ValueError),
        ("AUC", {"curve": 3}, TypeError),
    ],
)
def test_bad_options_are_refused(name, options, error):
    with pytest.raises(error, match=next(iter(options))):
        getattr(metrics, name)(**options)


def test_a_class_that_is_not_there_is_refused():
    for y in (np.ones((2, 3)), np.ones(4)):
        with pytest.raises(ValueError, match="class_id"):
            metrics.Precision(class_id=3).update_state(y, y)
    with pytest.raises(ValueError, match="y_true must hold whole numbers from 0 to 2, got 3"):
        metrics.SparseTopKCategoricalAccuracy().update_state([3], [[0.1, 0.2, 0.7]])


@pytest.mark.parametrize(
    ("targets", "outputs", "kind"),
    [
        ((8,), (None, 10), metrics.SparseCategoricalAccuracy),
        ((8, 1), (None, 10), metrics.SparseCategoricalAccuracy),
        ((8, 4), (None, 4, 10), metrics.SparseCategoricalAccuracy),
        ((8, 10), (None, 10), metrics.CategoricalAccuracy),
        ((8, 1), (None, 1), metrics.BinaryAccuracy),
        ((8,), (None, 1), metrics.BinaryAccuracy),
    ],
)
def test_accuracy_is_the_one_that_fits_the_shapes(targets, outputs, kind):
    for name in ("accuracy", "acc", "Accuracy"):
        metric = metrics.get(name, targets, outputs)
        assert type(metric) is kind
        assert metric.name == name


@pytest.mark.parametrize(
    "name", ["categorical_accuracy", "mse", "MSE", "mae", "MAE", "AUC", "auc", "Precision", "recall", "BinaryAccuracy"]
)
def test_names_are_those_of_keras(name, keras):
    assert type(metrics.get(name)).__name__ == type(keras.metrics.get(name.lower() if name == "auc" else name)).__name__
    assert metrics.get(name).name == name


@pytest.mark.parametrize("name", METRICS)
def test_names_by_default_are_those_of_keras(name, keras):
    kind, options, _ = METRICS[name]
    keras.backend.clear_session()
    assert getattr(metrics, kind)(**options).name == getattr(keras.metrics, kind)(**options).name


def test_names_of_ones_own():
    assert metrics.get(metrics.BinaryAccuracy("half", threshold=0.25)).name == "half"
    assert metrics.AUC(name="area").name == "area"


@pytest.mark.parametrize("name", METRICS)
def test_a_configuration_makes_the_metric_again(name):
    kind, options, targets = METRICS[name]
    metric = getattr(metrics, kind)(**options, name="mine")
    again = metrics.get({"class_name": kind, "config": metric.get_config()})
    assert again.get_config() == metric.get_config()
    for one in (metric, again):
        one.update_state(*next(batches(targets, True)))
    assert np.all(again.result() == metric.result())


class WithinTwo(metrics.MeanMetric):
    """A metric of one's own."""

    def values(self, y_true, y_pred):
        return np.abs(y_true - y_pred) <= 2


def test_a_mean_of_ones_own_gets_targets_checked_and_weights():
    metric = WithinTwo()
    metric.update_state([1, 2], [[3], [5]])
    assert (metric.name, metric.result()) == ("within_two", 0.5)
    metric.update_state([[7]], [[7]], sample_weight=[2])
    assert metric.result() == 0.75
    with pytest.raises(ValueError, match="y_true"):
        metric.update_state([[1, 2]], [[3], [5]])


@pytest.mark.parametrize("shapes", [(), ((5,),), ((5,), ()), ((), (None, 3))])
def test_accuracy_of_unknown_shapes_is_refused(shapes):
    with pytest.raises(ValueError, match="target_shape and output_shape"):
        metrics.get("accuracy", *shapes)


@pytest.mark.parametrize(("name", "error"), [("f1", ValueError), (3, TypeError), (metrics.Mean(), TypeError)])
def test_unknown_metrics_are_refused(name, error):
    with pytest.raises(error, match="metric"):
        metrics.get(name)


def test_a_confusion_matrix_counts_true_rows_and_predicted_columns(tensorflow):
    rng = np.random.default_rng(7)
    labels, scores = rng.integers(0, 4, 100), rng.integers(0, 5, (100, 5)).astype(np.float32)
    predicted = scores.argmax(axis=-1)
    expected = tensorflow.math.confusion_matrix(labels, predicted, 5).numpy()
    for predictions in (scores, predicted, predicted.astype(np.float32)):
        matrix = metrics.confusion_matrix(labels, predictions, 5)
        assert matrix.dtype == np.int64
        assert matrix.tolist() == expected.tolist()
    assert metrics.confusion_matrix(labels, scores).tolist() == expected.tolist()
    assert metrics.confusion_matrix(labels[:, None], scores).tolist() == expected.tolist()
    assert metrics.confusion_matrix(labels.reshape(4, 25), scores.reshape(4, 25, 5)).tolist() == expected.tolist()
    assert metrics.confusion_matrix([0, 2], [1, 0]).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert metrics.confusion_matrix([True, False], np.array([0.7, 0.6]) > 0.5).tolist() == [[0, 1], [0, 1]]
    assert metrics.confusion_matrix(np.empty(0, int), np.empty((0, 2))).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 3], np.ones((2, 3))), ValueError, "labels must hold whole numbers from 0 to 2, got 3"),
        (([0, 1], [0, 2], 2), ValueError, "predictions must hold whole numbers from 0 to 1, got 2"),
        (([0, -1], [0, 1]), ValueError, "labels"),
        (([0, 1], [0, 0.5]), ValueError, "predictions"),
        (([0, np.nan], [0, 1]), ValueError, "labels"),
        (([0, 1], [0, 10**9]), ValueError, "predictions"),
        (([0, 1], [0, 1, 1]), ValueError, "predictions"),
        (([0, 1], [[0.2], [0.7]]), ValueError, "numbers of classes"),
        (([0, 1], ["a", "b"]), TypeError, "predictions"),
        (([0, 1], [0, 1], 0), ValueError, "num_classes"),
        (([0, 1], [0, 1], 2.0), TypeError, "num_classes"),
        (([0, 1], [0, 1], 2**40), ValueError, "num_classes"),
    ],
)
def test_confusions_that_do_not_fit_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        metrics.confusion_matrix(*arguments)


class Seen(metrics.Metric):
    """Remembers what it was given."""

    def reset_state(self):
        self.batches = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.batches.append((y_true.copy(), y_pred.copy(), sample_weight))

    def result(self):
        return float(len(self.batches))


@pytest.mark.parametrize("width", [3, 9000])
def test_metrics_are_given_every_batch_in_order_though_some_at_a_time(width):
    """Outputs of many bytes do not wait for others."""
    rng = np.random.default_rng(2)
    x, y, weights = rng.normal(size=(111, 4)), rng.normal(size=(111, width)), rng.random(111)
    seen, weighted = Seen(), Seen(name="weighted")
    model = models.Sequential([layers.Input((4,)), layers.Dense(width)])
    model.compile(optimizers.SGD(0.0), "mse", metrics=[seen], weighted_metrics=[weighted])
    history = model.fit(x, y, batch_size=3, shuffle=True, sample_weight=weights, verbose=0).history
    assert history["seen"] == history["weighted"] == [37.0]
    first = np.concatenate([y_true for y_true, _, _ in weighted.batches])
    order = [int(np.flatnonzero((y.astype(np.float32) == row).all(axis=1))[0]) for row in first]
    assert sorted(order) == list(range(111))
    assert_same_bits(np.concatenate([y_pred for _, y_pred, _ in weighted.batches]), model(x[order]))
    assert_same_bits(np.concatenate([weight for _, _, weight in weighted.batches]), weights[order].astype(np.float32))
    assert all(weight is None for _, _, weight in seen.batches)


def test_means_in_the_middle_of_an_epoch_have_all_batches_so_far():
    heard = []
    listener = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(logs["seen"]))
    model = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[Seen()])
    model.fit(np.ones((40, 4)), np.ones((40, 2)), batch_size=2, callbacks=[listener], verbose=0)
    assert heard == list(range(1, 21))
