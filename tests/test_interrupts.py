"""Ctrl-C, or any signal whose handler raises, ends a kernel early; what is changed in place is changed whole; the next call is right."""

import contextlib
import functools
import os
import signal
import time

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import LONG, by_name, signed
from operations import network

import fastcnn
from fastcnn import _core, callbacks, layers, models, optimizers
from fastcnn.ops import _images, updates
from fastcnn.ops._images import NHWC
from fastcnn.ops.conv import canonical_shape


class Stop(Exception):
    """What the handler raises."""


@contextlib.contextmanager
def timer(handler):
    """A function that starts a timer, whose signal goes to the handler; kernels ask for it after every chunk."""
    before = signal.signal(signal.SIGALRM, handler)
    _core.set_patience(0)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _core.set_patience(60_000_000)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def alarm():
    """Starts a timer whose signal raises `Stop`."""

    def stop(number, frame):
        raise Stop

    with timer(stop) as start:
        yield start


@pytest.fixture
def ctrl_c():
    """Starts a timer that presses Ctrl-C."""
    with timer(lambda number, frame: os.kill(os.getpid(), signal.SIGINT)) as start:
        yield start


def interrupt(start, run, seconds=0.002):
    """Run until the signal comes: before, in or behind the kernel, as the machine has it."""
    with pytest.raises((Stop, KeyboardInterrupt)):
        start(seconds)
        run()
        while True:
            time.sleep(0.001)


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


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_handlers_own_calls_do_not_end_the_call_that_it_came_into(threads):
    """A handler computes, is interrupted itself, and deals with that: who was waiting for it goes on to the end."""
    result, run = forward(lambda shape: np.full(shape, np.nan, np.float32))
    run()
    expected, (_, run_inside) = result.copy(), forward(lambda shape: np.full(shape, np.nan, np.float32))
    inside = []

    def handler(number, frame):
        if inside:
            raise Stop
        inside.append(True)
        interrupt(start, run_inside, 0.001)
        time.sleep(0.005)

    with timer(handler) as start, fastcnn.num_threads(threads):
        for milliseconds in range(1, 11):
            inside.clear()
            result.fill(np.nan)
            start(milliseconds / 1000)
            run()
            while not inside:
                time.sleep(0.001)
            assert_same_bits(result, expected)


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------------


def conv2d_and_gradients(x, w, **options):
    """Calls of a convolution of ones and of its gradients."""
    x, w = np.ones(x, np.float32), np.ones(w, np.float32)
    dy = fastcnn.conv2d(x, w, **options)
    return functools.partial(fastcnn.conv2d, x, w, **options), functools.partial(fastcnn.conv2d_backward, dy, x, w, **options)


def pool2d_and_gradients(*shape, size):
    """Calls of max and average pooling of ones and of their gradients."""
    x = np.ones(shape, np.float32)
    y, indices = fastcnn.max_pool2d(x, size, return_indices=True)
    return (
        functools.partial(fastcnn.max_pool2d, x, size),
        functools.partial(fastcnn.max_pool2d, x, size, return_indices=True),
        functools.partial(fastcnn.max_pool2d_backward, y, indices, shape),
        functools.partial(fastcnn.avg_pool2d, x, size),
        functools.partial(fastcnn.avg_pool2d_backward, y, shape, size),
    )


def patches(*shape, size):
    x = np.ones(shape, np.float32)
    cols = fastcnn.im2col(x, size)
    return functools.partial(fastcnn.im2col, x, size), functools.partial(fastcnn.col2im, cols, shape, size)


def dense_and_gradients():
    x, w = np.ones((2000, 1000), np.float32), np.ones((1000, 1000), np.float32)
    return functools.partial(fastcnn.dense, x, w), functools.partial(fastcnn.dense_backward, x, x, w)


def rows():
    x = np.ones((20_000, 500), np.float32)
    return (
        functools.partial(fastcnn.relu, x),
        functools.partial(fastcnn.relu_backward, x, x),
        functools.partial(fastcnn.softmax, x),
        functools.partial(fastcnn.softmax, x.reshape(1, -1)),
        functools.partial(fastcnn.softmax_cross_entropy, x, np.zeros(len(x), int)),
    )


def filled():
    """Calls that fill arrays that they do not make: long rows are gathered, and a long row of random numbers is drawn."""
    x = np.ones((8, 2_000_000), np.float32)

    def made(fill):
        array = _images.empty(x.shape, np.float32)
        fill(array)
        return array

    gather = functools.partial(updates.gather, x, np.arange(8))
    return functools.partial(made, gather), functools.partial(made, lambda u: updates.uniform(1, 0, 0, np.zeros(1, int), u.reshape(1, -1)))


#: name: makes calls that take tens of milliseconds: many small images, few large ones, one huge row or window.
LARGE = {
    "5x5": lambda: conv2d_and_gradients((16, 32, 32, 32), (5, 5, 32, 64)),
    "5x5, one image": lambda: conv2d_and_gradients((1, 128, 128, 32), (5, 5, 32, 64)),
    "3x3": lambda: conv2d_and_gradients((32, 32, 32, 64), (3, 3, 64, 64)),
    "3x3, one image": lambda: conv2d_and_gradients((1, 181, 181, 64), (3, 3, 64, 64)),
    "depthwise": lambda: conv2d_and_gradients((32, 32, 32, 128), (5, 5, 1, 128), groups=128),
    "groups of four": lambda: conv2d_and_gradients((16, 32, 32, 128), (5, 5, 4, 128), groups=32),
    "of images": lambda: conv2d_and_gradients((32, 64, 64, 3), (7, 7, 3, 32)),
    "of one image": lambda: conv2d_and_gradients((1, 400, 400, 3), (7, 7, 3, 32), stride=2),
    "pooling": lambda: pool2d_and_gradients(32, 64, 64, 64, size=2),
    "pooling, one image": lambda: pool2d_and_gradients(1, 600, 600, 32, size=3),
    "pooling, huge windows": lambda: pool2d_and_gradients(1, 1000, 1000, 16, size=100),
    "patches": lambda: patches(8, 64, 64, 32, size=3),
    "long patches": lambda: patches(1, 206, 206, 8, size=200),
    "dense": dense_and_gradients,
    "rows": rows,
    "filled": filled,
}


@pytest.mark.parametrize("threads", [1, 2])
@by_name(LARGE)
def test_ctrl_c_cuts_every_large_call_short(monkeypatch, ctrl_c, name, threads):
    """At random moments, until it came inside often enough: then the results, in which there was nothing before, are not all there."""
    made = []

    def unwritten(array):
        array.fill(np.nan if array.dtype.kind == "f" else -1)
        made.append(array)

    monkeypatch.setattr(_images, "watchers", [unwritten])
    rng = np.random.default_rng(1)
    with fastcnn.num_threads(threads):
        for call in LARGE[name]():
            made.clear()
            call()
            expected, short = list(made), 0
            for _ in range(1000):
                made.clear()
                interrupt(ctrl_c, call, rng.uniform(0.0005, 0.01))
                short += len(made) > 0 and any(not np.array_equal(ours, theirs) for ours, theirs in zip(made, expected, strict=False))
                if short == (100 if LONG else 1):
                    break
            else:
                pytest.fail("Ctrl-C did not end the call")
            made.clear()
            call()
            for ours, theirs in zip(made, expected, strict=True):
                assert_same_bits(ours, theirs)


def state_of(model):
    """The weights and what the optimizer keeps, as bytes."""
    return b"".join(array.tobytes() for array in (*model.get_weights(), *model.optimizer.slots.values()))


def test_a_fit_that_was_interrupted_has_the_weights_of_a_whole_step(ctrl_c):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((96, 14, 13, 3), np.float32), np.arange(96) % 9

    def compiled():
        model = network()
        model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        return model

    def fit(model, **options):
        fastcnn.random.set_seed(1)
        model.fit(x, y, batch_size=16, epochs=2, verbose=0, **options)

    model = compiled()
    states = {state_of(model)}

    def note(*_):
        states.add(state_of(model))

    start = time.perf_counter()
    fit(model, callbacks=[callbacks.LambdaCallback(on_train_begin=note, on_train_batch_end=note)])
    seconds = time.perf_counter() - start
    found = set()
    for _ in range(100 if LONG else 20):
        again = compiled()
        interrupt(ctrl_c, functools.partial(fit, again), rng.uniform(0, seconds))
        found.add(state_of(again))
    assert found <= states
    assert len(states) > 12
    assert len(found) > 2
