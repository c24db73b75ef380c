"""Ctrl-C, or any signal whose handler raises, ends a kernel early; what is changed in place is changed whole; the next call is right."""

import signal
import time

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import signed

import fastcnn
from fastcnn import _core, layers, models
from fastcnn.ops._images import NHWC
from fastcnn.ops.conv import canonical_shape


class Stop(Exception):
    """What the handler raises."""


@pytest.fixture
def alarm():
    """Starts a timer whose signal raises `Stop`; kernels ask for it after every chunk."""

    def stop(number, frame):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    _core.set_patience(0)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _core.set_patience(60_000_000)
    signal.signal(signal.SIGALRM, before)


def interrupt(alarm, run, seconds=0.002):
    """Run until the signal comes: before, in or behind the kernel, as the machine has it."""
    try:
        alarm(seconds)
        run()
        while True:
            time.sleep(0.001)
    except Stop:
        pass


def convolution():
    rng = np.random.default_rng(1)
    x, w = signed(rng, np.float32, (64, 40, 40, 32), (3, 3, 32, 64))
    return canonical_shape(NHWC, x.shape, w.shape, 1, (1, 1), (1, 1), "valid"), x, w


def forward(unwritten):
    shape, x, w = convolution()
    y = unwritten(shape.y)
    return y, lambda: _core.conv2d(shape, x, w, None, False, y)


def input_gradient(unwritten):
    shape, x, w = convolution()
    dx, dy = unwritten(x.shape), np.ones(shape.y, np.float32)
    return dx, lambda: _core.conv2d_input_gradient(shape, dy, w, None, False, dx)


def softmax(unwritten):
    x = np.zeros((100_000, 100), np.float32)
    p = unwritten(x.shape)
    return p, lambda: _core.softmax(*x.shape, x, p)


def relu(unwritten):
    x = np.zeros(20_000_000, np.float32)
    y = unwritten(x.shape)
    return y, lambda: _core.relu(x.size, x, y)


KERNELS = {function.__name__: function for function in (forward, input_gradient, softmax, relu)}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("winograd", [0, 2])
@pytest.mark.parametrize("name", KERNELS)
def test_a_signal_ends_a_kernel_before_all_is_done(alarm, name, winograd, threads):
    before = _core.get_winograd()
    _core.set_winograd(winograd)
    try:
        with fastcnn.num_threads(threads):
            result, run = KERNELS[name](lambda shape: np.full(shape, np.nan, np.float32))
            for _ in range(100):  # until a signal comes halfway
                result.fill(np.nan)
                interrupt(alarm, run)
                if 0 < np.isnan(result).sum() < result.size:
                    break
            else:
                pytest.fail("no signal ended the kernel halfway")
            run()
            assert not np.isnan(result).any()
    finally:
        _core.set_winograd(before)


def test_a_step_of_an_optimizer_is_done_whole(alarm):
    weights, gradients = np.zeros(10_000_000, np.float32), np.ones(10_000_000, np.float32)
    steps = 0
    for milliseconds in range(1, 11):
        weights.fill(0)
        interrupt(
            alarm,
            lambda: _core.optimizer_step("sgd", weights.size, gradients, [0.5], 0.0, weights, [None, None, None]),
            milliseconds / 1000,
        )
        assert_same_bits(weights, np.full_like(weights, weights[0]))
        steps += weights[0] != 0
    assert steps > 0


def test_a_session_that_was_interrupted_is_right_afterwards(alarm):
    model = models.Sequential([fastcnn.Input((40, 40, 32)), layers.Conv2D(64, 3), layers.MaxPooling2D(2), layers.Conv2D(64, 3)])
    x = convolution()[1]
    expected = fastcnn.InferenceSession(model).run(x)
    for milliseconds in range(1, 6):
        session = fastcnn.InferenceSession(model)
        interrupt(alarm, lambda session=session: session.run(x), milliseconds / 1000)
        assert_same_bits(session.run(x), expected)
