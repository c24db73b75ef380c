"""Losses by themselves; `test_keras_models.py` compares them with Keras's."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient

from fastcnn import losses

LOSSES = {
    "sparse": (losses.SparseCategoricalCrossentropy(), True),
    "sparse, logits": (losses.SparseCategoricalCrossentropy(from_logits=True), False),
    "categorical": (losses.CategoricalCrossentropy(), True),
    "categorical, logits": (losses.CategoricalCrossentropy(from_logits=True), False),
    "mse": (losses.MeanSquaredError(), False),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4)])
def test_gradients_are_central_differences(name, shape):
    loss, wants_probabilities = LOSSES[name]
    rng = np.random.default_rng(1)
    y_pred = rng.normal(size=shape)
    if wants_probabilities:
        y_pred = np.exp(y_pred) / np.exp(y_pred).sum(axis=-1, keepdims=True)
    sparse = isinstance(loss, losses.SparseCategoricalCrossentropy)
    y_true = rng.integers(0, shape[-1], shape[:-1]) if sparse else rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    value, gradient = loss.value_and_gradient(y_true, y_pred)
    assert_gradient(
        np.asarray(gradient, np.float64),
        lambda y: np.float64(loss.value_and_gradient(y_true, y)[0]),
        y_pred,
        1.0,
        terms=y_pred.size,
        scale=1 + abs(value) + np.square(y_pred).sum(),
    )


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


def test_only_a_cross_entropy_after_a_softmax_is_fused():
    assert losses.SparseCategoricalCrossentropy().fused_with("softmax").from_logits
    assert losses.SparseCategoricalCrossentropy().fused_with("relu") is None
    assert losses.CategoricalCrossentropy(from_logits=True).fused_with("softmax") is None
    assert losses.MeanSquaredError().fused_with("softmax") is None


@pytest.mark.parametrize(
    ("loss", "targets", "error", "message"),
    [
        ("sparse_categorical_crossentropy", [0, 3], ValueError, "0 to 2, got 3"),
        ("sparse_categorical_crossentropy", [0, -1], ValueError, "0 to 2, got -1"),
        ("sparse_categorical_crossentropy", [0, 0.5], ValueError, "got 0.5"),
        ("sparse_categorical_crossentropy", [0, np.nan], ValueError, "got nan"),
        ("sparse_categorical_crossentropy", [[0, 0, 1], [0, 1, 0]], ValueError, "categorical_crossentropy"),
        ("sparse_categorical_crossentropy", ["a", "b"], TypeError, "y"),
        ("categorical_crossentropy", [0, 1], ValueError, "shape"),
        ("categorical_crossentropy", [[0, 1], [0, 1]], ValueError, "shape"),
        ("mse", [[0, 1, 2, 3]], ValueError, "shape"),
        ("mse", [[1, 2, 3]], ValueError, "as many"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, targets, error, message):
    with pytest.raises(error, match=message):
        losses.get(loss)(targets, np.full((2, 3), 1 / 3))


def test_targets_may_lack_a_last_axis_of_length_one():
    assert losses.MeanSquaredError()([1, 2], [[1], [4]]) == 2


@pytest.mark.parametrize(("name", "error"), [("hinge", ValueError), (None, TypeError), (len, TypeError)])
def test_unknown_losses_are_refused(name, error):
    with pytest.raises(error, match="loss"):
        losses.get(name)


def test_names_are_those_of_keras():
    for name, kind in (
        ("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy),
        ("categorical_crossentropy", losses.CategoricalCrossentropy),
        ("mean_squared_error", losses.MeanSquaredError),
        ("mse", losses.MeanSquaredError),
    ):
        assert type(losses.get(name)) is kind
