"""Schedules of learning rates, against Keras's."""

import json
import math

import numpy as np
import pytest
from compare import assert_close
from kernels import by_name

from fastcnn import optimizers
from fastcnn.optimizers import schedules

#: name: a schedule, from our module or from Keras's.
SCHEDULES = {
    "exponential": lambda of: of.ExponentialDecay(0.1, 7, 0.5),
    "exponential, staircase": lambda of: of.ExponentialDecay(0.1, 7, 0.5, staircase=True),
    "exponential, growing": lambda of: of.ExponentialDecay(1e-3, 100, 3.0),
    "cosine": lambda of: of.CosineDecay(0.1, 20),
    "cosine, alpha": lambda of: of.CosineDecay(0.1, 20, 0.25),
    "cosine, warmup": lambda of: of.CosineDecay(0.01, 20, alpha=0.1, warmup_target=0.2, warmup_steps=5),
    "cosine, no steps of warmup": lambda of: of.CosineDecay(0.01, 20, warmup_target=0.2),
    "cosine, no target of warmup": lambda of: of.CosineDecay(0.1, 20, warmup_steps=5),
    "pieces": lambda of: of.PiecewiseConstantDecay([3, 8, 20], [0.1, 0.05, 0.2, 0.01]),
    "two pieces": lambda of: of.PiecewiseConstantDecay([4], [0.1, 0.05]),
    "pieces, empty": lambda of: of.PiecewiseConstantDecay([3, 3, 8], [0.1, 0.5, 0.2, 0.01]),
}


@by_name(SCHEDULES)
def test_a_schedule_is_that_of_keras(name, keras):
    ours, theirs = (SCHEDULES[name](of) for of in (schedules, keras.optimizers.schedules))
    for step in (*range(32), 1000):
        rate = ours(step)
        assert type(rate) is float
        # Keras works in float32: an exponent is off by its rounding, the cosine by that of its argument.
        assert_close(np.float32(rate), np.float32(theirs(step)), terms=4, scale=abs(rate) * (1 + step / 7) + 0.02)


@by_name(SCHEDULES)
def test_a_schedule_comes_back_from_its_configuration_and_from_that_of_its_optimizer(name):
    schedule = SCHEDULES[name](schedules)
    again = type(schedule).from_config(json.loads(json.dumps(schedule.get_config())))
    nested = optimizers.Adam.from_config(json.loads(json.dumps(optimizers.Adam(schedule).get_config())))
    nested.iterations = 5
    assert again(5) == nested.learning_rate == schedule(5)
    assert again.get_config() == schedule.get_config() == nested.get_config()["learning_rate"]["config"]


def test_a_rate_that_grows_beyond_all_bounds_is_infinite():
    assert schedules.ExponentialDecay(0.1, 1, 10)(1e6) == math.inf


class InverseRoot(schedules.LearningRateSchedule):
    """A schedule of one's own."""

    def __init__(self, first):
        self.first = first

    def __call__(self, step):
        return self.first / np.sqrt(1 + step)


def test_a_schedule_of_ones_own():
    sgd, weights = optimizers.SGD(InverseRoot(0.5)), np.zeros(1, np.float32)
    sgd.build([1])
    for _ in range(4):
        sgd.update(weights, np.ones(1, np.float32))
    assert_close(weights, -0.5 * np.sum(1 / np.sqrt([[1, 2, 3, 4]]), axis=1), terms=4, scale=2, dtype=np.float32)
    assert sgd.get_config()["learning_rate"] == {"class_name": "InverseRoot", "config": {"first": 0.5}}


@pytest.mark.parametrize(("rate", "error"), [(-1.0, ValueError), (math.nan, ValueError), ("fast", TypeError), (None, TypeError)])
def test_what_a_schedule_gives_must_be_a_rate(rate, error):
    class Bad(schedules.LearningRateSchedule):
        def __call__(self, step):
            return rate

    adam, weights = optimizers.Adam(Bad()), np.ones(2, np.float32)
    adam.build([2])
    with pytest.raises(error, match="learning_rate"):
        adam.update(weights, np.ones(2, np.float32))
    assert (weights == 1).all()
    assert adam.iterations == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.ExponentialDecay(-0.1, 10, 0.5), ValueError, "initial_learning_rate"),
        (lambda: schedules.ExponentialDecay("0.1", 10, 0.5), TypeError, "initial_learning_rate"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError, "decay_steps"),
        (lambda: schedules.ExponentialDecay(0.1, 10, -0.5), ValueError, "decay_rate"),
        (lambda: schedules.ExponentialDecay(0.1, 10, 0.5, staircase=1), TypeError, "staircase"),
        (lambda: schedules.CosineDecay(0.1, None), TypeError, "decay_steps"),
        (lambda: schedules.CosineDecay(0.1, 10, alpha=-1), ValueError, "alpha"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_target=-1), ValueError, "warmup_target"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_target=1, warmup_steps=-1), ValueError, "warmup_steps"),
        (lambda: schedules.PiecewiseConstantDecay([10], [0.1]), ValueError, "values must be one more than boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([20, 10], [0.1, 0.2, 0.3]), ValueError, "boundaries must be in ascending order"),
        (lambda: schedules.PiecewiseConstantDecay(10, [0.1, 0.2]), TypeError, "boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([10], "ab"), TypeError, "values"),
        (lambda: schedules.PiecewiseConstantDecay([10], [0.1, -0.2]), ValueError, r"values\[1\]"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
