"""Children of a process whose threads are inside kernels compute as it does, however they are made."""

import functools
import multiprocessing
import os
import signal
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kernels import LONG, busy_with, signed
from operations import NETWORKS, OPERATIONS, arrays_of, assert_all_same_bits, digest, results_of

import fastcnn
from fastcnn import _core

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

#: Seconds after which a child that hangs is ended by its own alarm, so that the test fails and does not hang, too.
PATIENCE = 10 if LONG else 60


def assert_child(work):
    """Fork; the child must do `work` without an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, a fork beside threads warns
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def compute(name, arrays, expected, threads):
    """Run an operation with so many threads, and compare."""
    with fastcnn.num_threads(threads):
        assert_all_same_bits(results_of(name, arrays), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_made_by_fork_computes(threads):
    arrays = arrays_of("conv2d", np.float32)
    with fastcnn.num_threads(3):
        expected = results_of("conv2d", arrays)
        assert_child(lambda: compute("conv2d", arrays, expected, threads))
        assert_all_same_bits(results_of("conv2d", arrays), expected)  # the parent's pool still works


def test_children_forked_while_other_threads_call_everything_compute():
    """Each child another operation, on one thread or several; and the threads in between are right, too."""
    names = [*OPERATIONS, *NETWORKS]
    arrays = {name: arrays_of(name, np.float32) for name in names}
    with fastcnn.num_threads(3):
        expected = {name: results_of(name, arrays[name]) for name in names}

        def call_everything():
            for name in names:
                assert_all_same_bits(results_of(name, arrays[name]), expected[name])

        with busy_with(call_everything), busy_with(call_everything):
            for child in range(200 if LONG else len(names)):
                name = names[child % len(names)]
                assert_child(functools.partial(compute, name, arrays[name], expected[name], 1 + 2 * (child % 2)))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_forked_while_a_thread_is_inside_a_long_kernel_computes(threads):
    x, w = signed(np.random.default_rng(1), np.float32, (64, 40, 40, 32), (5, 5, 32, 64))
    arrays = arrays_of("conv2d, wide", np.float32)
    with fastcnn.num_threads(3):
        expected = results_of("conv2d, wide", arrays)
        with busy_with(lambda: fastcnn.conv2d(x, w)):
            for _ in range(10):
                assert_child(lambda: compute("conv2d, wide", arrays, expected, threads))


def test_children_of_children_compute():
    arrays = arrays_of("conv2d", np.float32)
    with fastcnn.num_threads(3):
        expected = results_of("conv2d", arrays)

        def again():
            compute("conv2d", arrays, expected, 3)
            assert_child(lambda: compute("conv2d", arrays, expected, 3))

        assert_child(again)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_processes_of_multiprocessing_compute(method):
    names = ["conv2d", "conv2d_backward", "max_pool2d", "a training step", "a session"]
    with fastcnn.num_threads(3):
        expected = [digest(name) for name in names]
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map_async(digest, names).get(timeout=10 * PATIENCE) == expected


def test_many_threads_may_fork_at_once():
    arrays = arrays_of("conv2d", np.float32)
    with fastcnn.num_threads(2):
        expected = results_of("conv2d", arrays)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(assert_child, lambda: compute("conv2d", arrays, expected, 2)) for _ in range(20)]:
                done.result()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_forked_by_a_signals_handler_inside_a_kernel_is_right_or_says_that_it_is_not(threads):
    """The threads that had a part of the work are not in the child: what they had not finished is lost."""
    x, w = signed(np.random.default_rng(1), np.float32, (64, 40, 40, 32), (3, 3, 32, 64))
    children = []
    with fastcnn.num_threads(threads):
        expected = fastcnn.conv2d(x, w)
        before = signal.signal(signal.SIGALRM, lambda number, frame: children.append(os.fork()))
        _core.set_patience(0)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.004)
            try:
                y = fastcnn.conv2d(x, w)
                while not children:
                    signal.pause()
            except RuntimeError:
                y = None
            if children[0] == 0:
                os._exit(0 if y is None or np.array_equal(y, expected) else 1)
            _, status = os.waitpid(children[0], 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert np.array_equal(y, expected)
        finally:
            _core.set_patience(60_000_000)
            signal.signal(signal.SIGALRM, before)
