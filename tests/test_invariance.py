"""What must not change a result by a bit: threads, batches, how arguments lie in memory, other calls at the same time, and forks."""

import contextlib
import functools
import os
import signal
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import ORDERS, by_name, on_both_dtypes, signed

import fastcnn
from fastcnn import _core

CONVOLUTION = {"stride": (2, 1), "padding": "same"}
POOLING = {"pool_size": 3, "stride": 2, "padding": 1}


def max_pool_gradient(x, dy, **options):
    """The gradient of a maximum pooling, with the winners of a pooling of x."""
    _, indices = fastcnn.max_pool2d(x, return_indices=True, **options)
    return fastcnn.max_pool2d_backward(dy, indices, x.shape)


#: name: (a function, the shapes of its arrays). Each is more than one chunk of work.
OPERATIONS = {
    "conv2d": (functools.partial(fastcnn.conv2d, activation="relu", **CONVOLUTION), [(5, 14, 13, 3), (3, 3, 3, 17), (17,)]),
    "conv2d, wide": (fastcnn.conv2d, [(5, 6, 7, 300), (3, 3, 300, 40), (40,)]),
    "conv2d, grouped": (functools.partial(fastcnn.conv2d, groups=3, dilation=2), [(5, 12, 13, 6), (3, 2, 2, 9), (9,)]),
    "conv2d, depthwise": (functools.partial(fastcnn.conv2d, groups=9, **CONVOLUTION), [(5, 14, 13, 9), (3, 3, 1, 9), (9,)]),
    "conv2d, depthwise, long pixels": (functools.partial(fastcnn.conv2d, groups=600, padding=1), [(3, 6, 9, 600), (3, 3, 1, 600), (600,)]),
    "conv2d, groups of four": (functools.partial(fastcnn.conv2d, groups=9, **CONVOLUTION), [(5, 14, 13, 36), (3, 3, 4, 36), (36,)]),
    "conv2d_backward": (functools.partial(fastcnn.conv2d_backward, **CONVOLUTION), [(5, 7, 13, 17), (5, 14, 13, 3), (3, 3, 3, 17)]),
    "conv2d_backward, wide": (fastcnn.conv2d_backward, [(5, 4, 5, 40), (5, 6, 7, 150), (3, 3, 150, 40)]),
    "conv2d_backward, one row of weights": (fastcnn.conv2d_backward, [(5, 30, 31, 3), (5, 30, 31, 1), (1, 1, 1, 3)]),
    "conv2d_backward, depthwise": (
        functools.partial(fastcnn.conv2d_backward, groups=9, **CONVOLUTION),
        [(5, 7, 13, 9), (5, 14, 13, 9), (3, 3, 1, 9)],
    ),
    "conv2d_backward, groups of four": (
        functools.partial(fastcnn.conv2d_backward, groups=9, **CONVOLUTION),
        [(5, 7, 13, 36), (5, 14, 13, 36), (3, 3, 4, 36)],
    ),
    "conv2d_transpose": (functools.partial(fastcnn.conv2d_transpose, stride=2), [(5, 7, 9, 5), (3, 2, 6, 5), (6,)]),
    "conv2d_transpose_backward": (
        functools.partial(fastcnn.conv2d_transpose_backward, stride=2),
        [(5, 15, 18, 6), (5, 7, 9, 5), (3, 2, 6, 5)],
    ),
    "dense": (fastcnn.dense, [(70, 300), (300, 40), (40,)]),
    "dense_backward": (fastcnn.dense_backward, [(700, 40), (700, 30), (30, 40)]),
    "max_pool2d": (functools.partial(fastcnn.max_pool2d, return_indices=True, **POOLING), [(5, 14, 13, 9)]),
    "max_pool2d_backward": (functools.partial(max_pool_gradient, **POOLING), [(5, 14, 13, 70), (5, 7, 7, 70)]),
    "avg_pool2d": (functools.partial(fastcnn.avg_pool2d, **POOLING), [(5, 14, 13, 9)]),
    "avg_pool2d_backward": (functools.partial(fastcnn.avg_pool2d_backward, input_shape=(5, 14, 13, 9), **POOLING), [(5, 7, 7, 9)]),
    "im2col": (functools.partial(fastcnn.im2col, kernel_size=3, **CONVOLUTION), [(5, 14, 13, 9)]),
    "col2im": (functools.partial(fastcnn.col2im, input_shape=(5, 14, 13, 9), kernel_size=3, **CONVOLUTION), [(5, 7, 13, 81)]),
    "relu": (fastcnn.relu, [(40_000,)]),
    "relu_backward": (fastcnn.relu_backward, [(40_000,), (40_000,)]),
    "softmax": (fastcnn.softmax, [(1100, 9)]),
}
#: name: (how many of its arrays, the first ones, hold a batch; which of its results do).
BATCHED = {
    "conv2d": (1, [0]),
    "conv2d, wide": (1, [0]),
    "conv2d, grouped": (1, [0]),
    "conv2d, depthwise": (1, [0]),
    "conv2d, depthwise, long pixels": (1, [0]),
    "conv2d, groups of four": (1, [0]),
    "conv2d_backward": (2, [0]),
    "conv2d_backward, wide": (2, [0]),
    "conv2d_backward, depthwise": (2, [0]),
    "conv2d_backward, groups of four": (2, [0]),
    "conv2d_transpose": (1, [0]),
    "conv2d_transpose_backward": (2, [0]),
    "dense": (1, [0]),
    "dense_backward": (2, [0]),
    "max_pool2d": (1, [0, 1]),
    "max_pool2d_backward": (2, [0]),
    "avg_pool2d": (1, [0]),
    "im2col": (1, [0]),
    "softmax": (1, [0]),
}


@functools.cache
def arrays_of(name, dtype):
    return signed(np.random.default_rng(1), dtype, *OPERATIONS[name][1])


def results_of(name, arrays):
    """All results of an operation as a tuple."""
    results = OPERATIONS[name][0](*arrays)
    return results if isinstance(results, tuple) else (results,)


def assert_all_same_bits(results, expected):
    for ours, theirs in zip(results, expected, strict=True):
        assert_same_bits(ours, theirs)


# --- Threads and batches --------------------------------------------------------------------------------------------------


@on_both_dtypes
@by_name(OPERATIONS)
def test_any_number_of_threads_gives_the_same_bits(isa, name, dtype):
    arrays = arrays_of(name, dtype)
    with fastcnn.num_threads(1):
        alone = results_of(name, arrays)
    for threads in (2, 3, 7):
        with fastcnn.num_threads(threads):
            assert_all_same_bits(results_of(name, arrays), alone)


@on_both_dtypes
@by_name(BATCHED)
def test_an_image_has_the_same_bits_alone_and_in_a_batch(isa, name, dtype):
    count, which = BATCHED[name]
    arrays = arrays_of(name, dtype)
    batch = results_of(name, arrays)
    images = len(arrays[0])
    for some in (slice(0, 1), slice(images - 1, images), slice(1, images - 1)):
        part = results_of(name, [array[some] if i < count else array for i, array in enumerate(arrays)])
        for i in which:
            assert_same_bits(part[i], batch[i][some])


@on_both_dtypes
def test_an_image_without_n_is_a_batch_of_one(isa, dtype):
    x, w, b = arrays_of("conv2d", dtype)
    assert_same_bits(fastcnn.conv2d(x[0], w, b, **CONVOLUTION), fastcnn.conv2d(x[:1], w, b, **CONVOLUTION)[0])
    dy = fastcnn.conv2d(x[:1], w, **CONVOLUTION)
    alone, batch = fastcnn.conv2d_backward(dy[0], x[0], w, **CONVOLUTION), fastcnn.conv2d_backward(dy, x[:1], w, **CONVOLUTION)
    assert_same_bits(alone[0], batch[0][0])
    assert_all_same_bits(alone[1:], batch[1:])
    assert_same_bits(fastcnn.max_pool2d(x[0], **POOLING), fastcnn.max_pool2d(x[:1], **POOLING)[0])
    assert_same_bits(fastcnn.dense(x[0, 0, 0], w[0, 0]), fastcnn.dense(x[0, 0, :1], w[0, 0])[0])


# --- Memory ---------------------------------------------------------------------------------------------------------------


@on_both_dtypes
@pytest.mark.parametrize("order", ORDERS)
@by_name(OPERATIONS)
def test_any_order_in_memory_gives_the_same_bits(name, order, dtype):
    """Each array in turn; the others lie as usual."""
    arrays = arrays_of(name, dtype)
    expected = results_of(name, arrays)
    for i, array in enumerate(arrays):
        other = ORDERS[order](array)
        results = results_of(name, [*arrays[:i], other, *arrays[i + 1 :]])
        assert {type(result) for result in results} == {np.ndarray}
        assert_all_same_bits(results, expected)


@on_both_dtypes
@by_name(OPERATIONS)
def test_arrays_with_strides_of_zero_are_their_copies(name, dtype):
    broadcast = [np.broadcast_to(array[:1], array.shape) for array in arrays_of(name, dtype)]
    assert 0 in broadcast[0].strides
    assert_all_same_bits(results_of(name, broadcast), results_of(name, [array.copy() for array in broadcast]))


@on_both_dtypes
@by_name(OPERATIONS)
def test_memory_mapped_arrays_can_be_arguments(name, dtype, tmp_path):
    arrays, mapped = arrays_of(name, dtype), []
    for i, array in enumerate(arrays):
        np.save(tmp_path / f"{i}.npy", array)
        mapped.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
    results = results_of(name, mapped)
    assert {type(result) for result in results} == {np.ndarray}
    assert_all_same_bits(results, results_of(name, arrays))


@pytest.mark.parametrize(
    ("given", "working"),
    [
        (np.bool_, np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.float16, np.float32),
        (np.int32, np.float64),
        (np.uint64, np.float64),
    ],
)
@by_name(OPERATIONS)
def test_other_dtypes_are_what_numpy_makes_of_them(name, given, working):
    arrays = [(4 * np.abs(array)).astype(given) for array in arrays_of(name, np.float64)]
    results = results_of(name, arrays)
    assert_all_same_bits(results, results_of(name, [array.astype(working) for array in arrays]))
    assert {result.dtype for result in results} <= {np.dtype(working), np.dtype(np.int64)}


@by_name([name for name, (_, shapes) in OPERATIONS.items() if len(shapes) > 1])
def test_the_widest_operand_decides(name):
    """But for a bias, which follows the others."""
    arrays = arrays_of(name, np.float32)
    wide = [array.astype(np.float64) for array in arrays]
    with_bias = arrays[-1].ndim == 1 and "relu" not in name
    for i in range(len(arrays) - with_bias):
        if name == "max_pool2d_backward" and i == 0:
            continue  # its first array only finds the winners
        mixed = [*arrays[:i], wide[i], *arrays[i + 1 :]]
        assert_all_same_bits(results_of(name, mixed), results_of(name, wide))
    if with_bias:
        assert_all_same_bits(results_of(name, [*arrays[:-1], wide[-1]]), results_of(name, arrays))


@on_both_dtypes
@by_name(OPERATIONS)
def test_arguments_are_never_written_and_results_never_share_their_memory(isa, name, dtype):
    arrays = [array.copy() for array in arrays_of(name, dtype)]
    before = [array.tobytes() for array in arrays]
    with fastcnn.num_threads(3):
        results = results_of(name, arrays)
    assert [array.tobytes() for array in arrays] == before
    for i, result in enumerate(results):
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in (*arrays, *results[:i]))


@by_name(OPERATIONS)
def test_a_result_stays_as_it_is_while_others_come_and_go(name):
    """Its memory is its own for as long as anything looks at it, also after the array itself is gone."""
    arrays = arrays_of(name, np.float32)
    kept = [result.reshape(-1)[1:] for result in results_of(name, arrays)]
    copies = [view.copy() for view in kept]
    for _ in range(3):
        results_of(name, [-array for array in arrays])
    assert_all_same_bits(kept, copies)


# --- At the same time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [5000.0, 1e12])
def test_what_runs_on_its_caller_gives_the_same_bits(share):
    x, w = signed(np.random.default_rng(1), np.float32, (5, 14, 13, 3), (3, 3, 3, 17))
    with fastcnn.num_threads(3):
        shared_out = fastcnn.conv2d(x, w)
        _core.set_least_share(share)
        try:
            assert_same_bits(fastcnn.conv2d(x, w), shared_out)
        finally:
            _core.set_least_share(0)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_python_threads_at_once_give_the_same_bits(isa, threads):
    arrays = {name: arrays_of(name, np.float32) for name in OPERATIONS}
    with fastcnn.num_threads(1):
        expected = {name: results_of(name, arrays[name]) for name in OPERATIONS}
    names = [name for name in OPERATIONS for _ in range(6)]
    with fastcnn.num_threads(threads), ThreadPoolExecutor(8) as pool:
        for name, results in zip(names, pool.map(lambda name: results_of(name, arrays[name]), names), strict=True):
            assert_all_same_bits(results, expected[name])


@contextlib.contextmanager
def busy_with(work):
    """Repeat `work` on another thread for as long as the block runs, which begins when it was done once."""
    begun, enough = threading.Event(), threading.Event()

    def loop():
        while not enough.is_set():
            work()
            begun.set()

    thread = threading.Thread(target=loop)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_an_array_that_changes_during_the_call_does_no_harm():
    """The result is of no use, but it has its shape, and what comes after is right."""
    x, w, b = (array.copy() for array in arrays_of("conv2d", np.float32))
    dy = arrays_of("max_pool2d_backward", np.float32)[1]
    _, indices = fastcnn.max_pool2d(x, return_indices=True, **POOLING)
    dy, winners = dy[..., :3].copy(), indices.copy()

    def change():
        np.negative(x, out=x)
        winners[...] = -1
        winners[...] = indices

    with fastcnn.num_threads(2), busy_with(change):
        for _ in range(200):
            assert fastcnn.conv2d(x, w, b, **CONVOLUTION).shape == (5, 7, 13, 17)
            with contextlib.suppress(ValueError):
                assert fastcnn.max_pool2d_backward(dy, winners, x.shape).shape == x.shape
    arrays = arrays_of("conv2d", np.float32)
    assert_all_same_bits(results_of("conv2d", arrays), results_of("conv2d", [array.copy() for array in arrays]))


# --- After a fork ---------------------------------------------------------------------------------------------------------

#: Seconds after which a child that hangs is ended by its own alarm, so that the test fails and does not hang, too.
PATIENCE = 60


def assert_child_gets(name, arrays, expected, threads):
    """Fork; in the child, run an operation with so many threads, and compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, a fork beside threads warns
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            fastcnn.set_num_threads(threads)
            assert_all_same_bits(results_of(name, arrays), expected)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_made_by_fork_computes(threads):
    arrays = arrays_of("conv2d", np.float32)
    with fastcnn.num_threads(3):
        expected = results_of("conv2d", arrays)
        assert_child_gets("conv2d", arrays, expected, threads)
        assert_all_same_bits(results_of("conv2d", arrays), expected)  # the parent's pool still works


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_forked_while_a_thread_is_inside_a_kernel_computes(threads):
    arrays = arrays_of("conv2d, wide", np.float32)
    with fastcnn.num_threads(3):
        expected = results_of("conv2d, wide", arrays)
        with busy_with(lambda: results_of("conv2d, wide", arrays)):
            for _ in range(10):
                assert_child_gets("conv2d, wide", arrays, expected, threads)
