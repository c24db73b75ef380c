"""Penalties and their gradients, against Keras's, which TensorFlow differentiates."""

import json

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import by_name

from fastcnn import regularizers
from fastcnn.ops import updates

#: name: a regularizer, from our module or from Keras's.
REGULARIZERS = {
    "l1": lambda of: of.L1(0.3),
    "l1, default": lambda of: of.L1(),
    "l2": lambda of: of.L2(0.3),
    "l2, default": lambda of: of.L2(),
    "both": lambda of: of.L1L2(l1=0.3, l2=0.02),
    "neither": lambda of: of.L1L2(),
    "small letters": lambda of: of.l1_l2(l1=0.1),
}


@pytest.mark.parametrize("shape", [(3, 3, 2, 4), (7,), (3, updates.BLOCK + 1)])
@by_name(REGULARIZERS)
def test_penalties_and_their_gradients_are_those_of_keras(name, shape, keras, tensorflow):
    ours, theirs = (REGULARIZERS[name](of) for of in (regularizers, keras.regularizers))
    w = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    w.flat[1] = 0
    with tensorflow.GradientTape() as tape:
        variable = tensorflow.Variable(w)
        penalty = theirs(variable)
    gradient = tape.gradient(penalty, variable)
    expected = np.zeros_like(w) if gradient is None else gradient.numpy()
    assert type(ours(w)) is float
    assert_close(np.float32(ours(w)), penalty.numpy(), terms=w.size, scale=penalty.numpy())
    assert_close(ours.gradient(w), expected, terms=2, scale=np.abs(expected))
    assert type(ours).from_config(json.loads(json.dumps(ours.get_config())))(w) == ours(w)


@by_name(REGULARIZERS)
def test_what_is_asked_stays_as_it_is(name):
    w = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    before, regularizer = w.copy(), REGULARIZERS[name](regularizers)
    for array in (w, w.T, w[::2, 1:]):
        assert regularizer(array) == pytest.approx(regularizer(array.copy()))
        assert_same_bits(regularizer.gradient(array), regularizer.gradient(array.copy()))
    assert_same_bits(w, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_weight_is_seen_in_the_penalty_and_in_its_own_gradient(bad):
    w = np.array([1, bad, 2], np.float32)
    assert not np.isfinite(regularizers.L1L2(0.1, 0.1)(w))
    assert np.isfinite(regularizers.L1L2(0.1, 0.1).gradient(w)).tolist() == [True, False, True]
    assert (regularizers.L1L2(l1=0.5).gradient(w)[[0, 2]] == 0.5).all()


@pytest.mark.parametrize(
    ("identifier", "config"),
    [
        ("l1", {"l1": 0.01}),
        ("l2", {"l2": 0.01}),
        ("L2", {"l2": 0.01}),
        ("l1_l2", {"l1": 0.01, "l2": 0.01}),
        ("L1L2", {"l1": 0.0, "l2": 0.0}),
        ({"class_name": "L1", "config": {"l1": 0.5}}, {"l1": 0.5}),
        (regularizers.L2(0.5), {"l2": 0.5}),
    ],
)
def test_names(identifier, config):
    regularizer = regularizers.get(identifier)
    assert isinstance(regularizer, regularizers.Regularizer)
    assert regularizer.get_config() == config
    assert regularizers.get(None) is None


def test_a_regularizer_of_ones_own():
    class Sum(regularizers.Regularizer):
        def __call__(self, w):
            return float(w.sum())

        def gradient(self, w):
            return np.ones_like(w)

    regularizer = Sum()
    assert regularizers.get(regularizer) is regularizer


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: regularizers.L1(-1), ValueError, "l1"),
        (lambda: regularizers.L2(float("inf")), ValueError, "l2"),
        (lambda: regularizers.L2("0.1"), TypeError, "l2"),
        (lambda: regularizers.L1L2(l2=float("nan")), ValueError, "l2"),
        (lambda: regularizers.get("l3"), ValueError, "regularizer"),
        (lambda: regularizers.get(0.01), TypeError, "regularizer"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
