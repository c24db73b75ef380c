"""Optimizers by themselves, in float64 by hand; `test_keras_models.py` compares them with Keras's."""

import numpy as np
import pytest
from compare import assert_close, assert_same_bits

from fastcnn import optimizers


def gradients(steps=5, size=50):
    rng = np.random.default_rng(1)
    return [rng.normal(size=size).astype(np.float32) for _ in range(steps)]


def run(optimizer, start):
    weights = start.astype(np.float32)
    optimizer.build([weights.size])
    for gradient in gradients():
        optimizer.update(weights, gradient)
    return weights


def test_adam_is_the_papers_rule():
    rate, beta_1, beta_2, epsilon = 0.01, 0.8, 0.9, 1e-3
    weights, mean, square = np.ones(50), 0.0, 0.0
    for step, gradient in enumerate(gradients(), 1):
        g = gradient.astype(np.float64)
        mean, square = beta_1 * mean + (1 - beta_1) * g, beta_2 * square + (1 - beta_2) * g**2
        weights -= rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step) * mean / (np.sqrt(square) + epsilon)
    ours = run(optimizers.Adam(rate, beta_1, beta_2, epsilon), np.ones(50))
    assert_close(ours, weights, terms=5, scale=1 + 5 * rate, dtype=np.float32)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_with_and_without_momentum(momentum, nesterov):
    weights, velocity = np.ones(50), np.zeros(50)
    for gradient in gradients():
        g = gradient.astype(np.float64)
        velocity = momentum * velocity - 0.1 * g
        weights += momentum * velocity - 0.1 * g if nesterov else velocity
    ours = run(optimizers.SGD(0.1, momentum=momentum, nesterov=nesterov), np.ones(50))
    scale = 1 + 0.1 * sum(map(np.abs, gradients())) / (1 - momentum)
    assert_close(ours, weights, terms=5, scale=scale, dtype=np.float32)


def test_a_gradient_of_zero_moves_nothing():
    for optimizer in (optimizers.Adam(), optimizers.SGD(momentum=0.9)):
        weights = np.ones(3, np.float32)
        optimizer.build([3])
        optimizer.update(weights, np.zeros(3, np.float32))
        assert_same_bits(weights, np.ones(3, np.float32))


def test_building_begins_anew():
    adam = optimizers.Adam()
    first = run(adam, np.ones(50))
    assert adam.iterations == 5
    assert_same_bits(run(adam, np.ones(50)), first)


def test_the_learning_rate_can_be_changed_on_the_way():
    sgd, weights = optimizers.SGD(0.5), np.zeros(1, np.float32)
    sgd.build([1])
    sgd.update(weights, np.ones(1, np.float32))
    sgd.learning_rate = 0.25
    sgd.update(weights, np.ones(1, np.float32))
    assert weights == np.float32(-0.75)
    assert sgd.get_config() == {"learning_rate": 0.25, "momentum": 0.0, "nesterov": False}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.Adam(learning_rate=-1), ValueError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate=float("nan")), ValueError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate="fast"), TypeError, "learning_rate"),
        (lambda: optimizers.Adam(beta_1=1), ValueError, "beta_1"),
        (lambda: optimizers.Adam(epsilon=-1e-7), ValueError, "epsilon"),
        (lambda: optimizers.SGD(momentum=2), ValueError, "momentum"),
        (lambda: optimizers.SGD(nesterov=1), TypeError, "nesterov"),
        (lambda: optimizers.get("adamm"), ValueError, "optimizer"),
        (lambda: optimizers.get(None), TypeError, "optimizer"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
