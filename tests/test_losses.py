"""Losses by themselves, and against Keras's."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient

from fastcnn import losses

#: name: (the class, its options, what it is of).
LOSSES = {
    "sparse": ("SparseCategoricalCrossentropy", {}, "probabilities"),
    "sparse, logits": ("SparseCategoricalCrossentropy", {"from_logits": True}, "logits"),
    "categorical": ("CategoricalCrossentropy", {}, "probabilities"),
    "categorical, logits": ("CategoricalCrossentropy", {"from_logits": True}, "logits"),
    "categorical, smoothed": ("CategoricalCrossentropy", {"label_smoothing": 0.2}, "probabilities"),
    "categorical, logits, smoothed": ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "logits"),
    "binary": ("BinaryCrossentropy", {}, "probabilities"),
    "binary, logits": ("BinaryCrossentropy", {"from_logits": True}, "logits"),
    "binary, smoothed": ("BinaryCrossentropy", {"label_smoothing": 0.2}, "probabilities"),
    "binary, logits, smoothed": ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "logits"),
    "mse": ("MeanSquaredError", {}, "logits"),
    "mae": ("MeanAbsoluteError", {}, "logits"),
    "huber": ("Huber", {}, "logits"),
    "huber, delta": ("Huber", {"delta": 0.3}, "logits"),
}
#: The shape of weights for losses of shape (4, 3).
WEIGHTS = {"none": None, "one a sample": (4,), "one a loss": (4, 3), "one a position": (1, 3), "one a sample, kept": (4, 1)}


def case(name, shape, rng):
    """The loss `name`, with targets and predictions of `shape`; two of these are not quite, or not at all, probabilities."""
    kind, options, of = LOSSES[name]
    y_pred = rng.normal(size=shape)
    if of == "probabilities":
        y_pred = np.exp(y_pred) / np.exp(y_pred).sum(axis=-1, keepdims=True)
        y_pred[1] *= 0.75
    y_true = rng.integers(0, shape[-1], shape[:-1]) if kind.startswith("Sparse") else rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return getattr(losses, kind)(**options), y_true, y_pred


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("shape", "weights"), [((4, 5), None), ((4, 5), (4,)), ((2, 3, 4), None), ((2, 3, 4), (2,)), ((2, 3, 4), (2, 3))])
def test_gradients_are_central_differences(name, shape, weights):
    rng = np.random.default_rng(1)
    loss, y_true, y_pred = case(name, shape, rng)
    sample_weight = None if weights is None else rng.uniform(0, 2, weights)
    value, gradient = loss.value_and_gradient(y_true, y_pred, sample_weight)
    assert_gradient(
        gradient,
        lambda y: np.float64(loss.value_and_gradient(y_true, y, sample_weight)[0]),
        y_pred,
        1.0,
        terms=y_pred.size,
        scale=2 * (1 + abs(value) + np.square(y_pred).sum()),
    )


def keras_loss(name, y_true, y_pred, sample_weight, keras, tensorflow):
    """Keras's loss and its gradient."""
    kind, options, _ = LOSSES[name]
    with tensorflow.GradientTape() as tape:
        predictions = tensorflow.constant(y_pred)
        tape.watch(predictions)
        value = getattr(keras.losses, kind)(**options)(y_true, predictions, sample_weight)
    return value.numpy(), tape.gradient(value, predictions).numpy()


def keras_weights(sample_weight):
    """A weight for each of N samples, for losses (N, T): where Keras wants (N, 1)."""
    return sample_weight[:, None] if sample_weight is not None and sample_weight.ndim == 1 else sample_weight


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_values_and_gradients_are_those_of_keras(name, weights, keras, tensorflow):
    rng = np.random.default_rng(6)
    loss, y_true, y_pred = case(name, (4, 3, 5), rng)
    y_pred = y_pred.astype(np.float32)
    if LOSSES[name][2] == "probabilities":  # some that are kept from 0 and 1
        y_pred[0, 0], y_pred[3, 1] = [1, 0, 0, 0, 0], [0, 0, 1e-9, 0.5, 0.5]
    elif name[:3] in ("mae", "hub"):  # at kinks
        y_pred[0, 0], y_pred[3, 1] = y_true[0, 0], y_true[3, 1] + np.float32(1)
    sample_weight = None if weights == "none" else rng.uniform(0, 3, WEIGHTS[weights]).astype(np.float32)
    expected, expected_gradient = keras_loss(name, y_true, y_pred, keras_weights(sample_weight), keras, tensorflow)
    targets = loss.check_targets(y_true, (None, 3, 5))
    value, gradient = loss.value_and_gradient(targets, y_pred, sample_weight)
    assert loss(y_true, y_pred, sample_weight) == value
    assert_close(np.float32(value), expected, terms=y_pred.size, scale=np.abs(expected) + 1)
    # Every element is a difference of parts that are at most as large as the largest in its row, and those of a loss at most 1 / N.
    largest = np.abs(expected_gradient).max(axis=-1, keepdims=True) + (3 if sample_weight is not None else 1) / 12
    assert_close(gradient, expected_gradient, terms=2 * y_pred.shape[-1], scale=largest)


@pytest.mark.parametrize("name", LOSSES)
def test_one_weight_for_each_sample_whatever_a_samples_shape(name):
    loss, y_true, y_pred = case(name, (3, 3, 5), np.random.default_rng(2))
    weights = np.array([0.5, 0, 2])
    values = [loss.value_and_gradient(y_true[i : i + 1], y_pred[i : i + 1]) for i in range(3)]
    value, gradient = loss.value_and_gradient(y_true, y_pred, weights)
    assert_close(np.float64(value), weights @ [value for value, _ in values] / 3, terms=45, scale=10)
    assert_close(gradient, np.concatenate([part * w / 3 for (_, part), w in zip(values, weights, strict=True)]), terms=4, scale=1)


def test_cross_entropy_is_minus_the_logarithm_of_the_true_class():
    p = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]], np.float32)
    expected = np.float32(-(np.log(0.5) + np.log(0.2)) / 2)
    for loss, targets in (
        (losses.SparseCategoricalCrossentropy(), [1, 2]),
        (losses.SparseCategoricalCrossentropy(), [[1], [2]]),
        (losses.SparseCategoricalCrossentropy(), np.array([1.0, 2.0])),
        (losses.CategoricalCrossentropy(), [[0, 1, 0], [0, 0, 1]]),
    ):
        assert_close(np.float32(loss(targets, p)), expected, terms=3, scale=2)
        assert_close(np.float32(loss.fused_with("softmax")(targets, np.log(p))), expected, terms=3, scale=2)


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy(True), losses.CategoricalCrossentropy(True)])
def test_logits_far_apart_neither_overflow_nor_underflow(loss):
    logits = np.array([[1e4, -1e4, 0], [200, 0, -200]], np.float32)
    targets = np.array([1, 2]) if isinstance(loss, losses.SparseCategoricalCrossentropy) else np.eye(3, dtype=np.float32)[[1, 2]]
    value, gradient = loss.value_and_gradient(targets, logits)
    assert value == (2e4 + 400) / 2
    assert gradient.tolist() == [[0.5, -0.5, 0], [0.5, 0, -0.5]]


def test_binary_cross_entropy_of_logits_is_exact_where_the_sigmoid_saturates():
    """The probabilities of the first two are 1 and 0 in float32; their gradients are not."""
    loss = losses.BinaryCrossentropy().fused_with("sigmoid")
    logits = np.array([[30], [-30], [1e4], [-1e4]], np.float32)
    value, gradient = loss.value_and_gradient(np.array([[1], [0], [0], [1]], np.float32), logits)
    tail = np.exp(np.float32(-30)) / 4
    assert gradient.tolist() == [[-tail], [tail], [0.25], [-0.25]]
    assert value == 2e4 / 4
    value, _ = loss.value_and_gradient(np.array([[1], [0]], np.float32), logits[:2])
    assert value == tail * 4


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        (losses.SparseCategoricalCrossentropy(), "softmax"),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax"),
        (losses.BinaryCrossentropy(label_smoothing=0.1), "sigmoid"),
    ],
)
def test_a_cross_entropy_is_fused_with_its_activation_alone(loss, activation):
    fused = loss.fused_with(activation)
    assert fused.get_config() == loss.get_config() | {"from_logits": True}
    assert fused.fused_with(activation) is None
    for other in {"softmax", "sigmoid", "relu", "linear"} - {activation}:
        assert loss.fused_with(other) is None
    assert losses.MeanSquaredError().fused_with(activation) is None


class OverQuarter(losses.Loss):
    """By how much the first output is over a quarter, as a loss of one's own; its slopes share memory."""

    def losses_and_slopes(self, y_true, y_pred):
        return y_pred[..., 0] - 0.25, np.broadcast_to(np.eye(1, y_pred.shape[-1], dtype=np.float32), y_pred.shape)


def test_a_loss_of_ones_own_gets_targets_checked_weights_and_its_mean():
    y_pred = np.array([[1, 5], [0.5, 7]], np.float32)
    assert OverQuarter()([[0, 0], [0, 0]], y_pred) == 0.5
    value, gradient = OverQuarter().value_and_gradient(y_pred, y_pred, np.array([2, 0], np.float32))
    assert value == 0.75
    assert gradient.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match="y must have the shape"):
        OverQuarter()([0, 0], y_pred)


@pytest.mark.parametrize(
    ("loss", "targets", "error", "message"),
    [
        ("sparse_categorical_crossentropy", [0, 3], ValueError, "0 to 2, got 3"),
        ("sparse_categorical_crossentropy", [0, -1], ValueError, "0 to 2, got -1"),
        ("sparse_categorical_crossentropy", [0, 0.5], ValueError, "got 0.5"),
        ("sparse_categorical_crossentropy", [0, np.nan], ValueError, "got nan"),
        ("sparse_categorical_crossentropy", [0, 1, 2], ValueError, r"\(2,\), got shape \(3,\)"),
        ("sparse_categorical_crossentropy", [[0, 0, 1], [0, 1, 0]], ValueError, "categorical_crossentropy"),
        ("sparse_categorical_crossentropy", ["a", "b"], TypeError, "y"),
        ("categorical_crossentropy", [0, 1], ValueError, "shape"),
        ("categorical_crossentropy", [[0, 1], [0, 1]], ValueError, "shape"),
        ("binary_crossentropy", [0, 1], ValueError, "shape"),
        ("mse", [[0, 1, 2, 3]], ValueError, "shape"),
        ("mse", [[1, 2, 3]], ValueError, r"\(2, 3\), got \(1, 3\)"),
        ("mae", [[1j, 2, 3], [1, 2, 3]], TypeError, "y must hold real numbers"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, targets, error, message):
    with pytest.raises(error, match=message):
        losses.get(loss)(targets, np.full((2, 3), 1 / 3))


@pytest.mark.parametrize(
    ("weights", "error"), [([1, 2, 3], ValueError), ([[1, 2, 3]], ValueError), ([[[1], [2]]], ValueError), (["a", "b"], TypeError)]
)
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy(from_logits=True)])
def test_weights_that_do_not_fit_are_refused(loss, weights, error):
    with pytest.raises(error, match="sample_weight"):
        losses.get(loss)([0, 1], np.full((2, 3), 1 / 3), weights)


def test_no_predictions_have_no_loss():
    with pytest.raises(ValueError, match="y_pred"):
        losses.MeanSquaredError()(np.empty((0, 3)), np.empty((0, 3)))


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("BinaryCrossentropy", {"from_logits": 1}, TypeError),
        ("BinaryCrossentropy", {"label_smoothing": 1.5}, ValueError),
        ("CategoricalCrossentropy", {"label_smoothing": "0.1"}, TypeError),
        ("Huber", {"delta": -1}, ValueError),
        ("Huber", {"delta": None}, TypeError),
    ],
)
def test_bad_options_are_refused(name, options, error):
    with pytest.raises(error, match=next(iter(options))):
        getattr(losses, name)(**options)


def test_targets_may_lack_a_last_axis_of_length_one():
    assert losses.MeanSquaredError()([1, 2], [[1], [4]]) == 2
    assert losses.MeanAbsoluteError()([1, 2], [[1], [4]], sample_weight=[5, 1]) == 1


@pytest.mark.parametrize(("name", "error"), [("hinge", ValueError), (None, TypeError), (len, TypeError)])
def test_unknown_losses_are_refused(name, error):
    with pytest.raises(error, match="loss"):
        losses.get(name)


@pytest.mark.parametrize(
    "name",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "binary_crossentropy",
        "bce",
        "BCE",
        "mean_squared_error",
        "mse",
        "MSE",
        "mean_absolute_error",
        "mae",
        "MAE",
        "huber",
        "Huber",
        "BinaryCrossentropy",
    ],
)
def test_names_are_those_of_keras(name, keras):
    theirs = keras.losses.get(name)  # an object, or a function
    their_name = getattr(theirs, "__name__", type(theirs).__name__)
    assert type(losses.get(name)).__name__.lower() == their_name.replace("_", "").lower()


@pytest.mark.parametrize("name", LOSSES)
def test_a_configuration_makes_the_loss_again(name):
    kind, options, _ = LOSSES[name]
    loss = getattr(losses, kind)(**options)
    config = loss.get_config()
    assert config.items() >= options.items()
    again = losses.get({"class_name": kind, "config": config})
    assert type(again) is type(loss)
    assert again.get_config() == config
