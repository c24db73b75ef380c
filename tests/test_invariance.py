"""What must not change a result by a bit: threads, batches, how arguments lie in memory, and other calls at the same time."""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import DTYPES, LONG, ORDERS, busy_with, by_name, on_both_dtypes, placed, signed
from operations import BATCHED, CONVOLUTION, NETWORKS, OPERATIONS, POOLING, arrays_of, assert_all_same_bits, results_of

import fastcnn
from fastcnn import _core

# --- Threads and batches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), [*itertools.product(OPERATIONS, DTYPES), *itertools.product(NETWORKS, DTYPES[:1])])
def test_any_number_of_threads_gives_the_same_bits(isa, name, dtype):
    arrays = arrays_of(name, dtype)
    with fastcnn.num_threads(1):
        alone = results_of(name, arrays)
    for threads in (2, 3, 4, 7, 8, 16):
        with fastcnn.num_threads(threads):
            assert_all_same_bits(results_of(name, arrays), alone)


@by_name(OPERATIONS | NETWORKS)
def test_every_repeat_gives_the_same_bits(name):
    arrays = arrays_of(name, np.float32)
    with fastcnn.num_threads(3):
        first = results_of(name, arrays)
        for _ in range(100 if LONG else 10):
            assert_all_same_bits(results_of(name, arrays), first)


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
def test_any_place_in_a_cache_line_gives_the_same_bits(isa, name, dtype):
    """All arrays begin one number later each time, and at last not on a number at all."""
    arrays = arrays_of(name, dtype)
    expected = results_of(name, arrays)
    size = np.dtype(dtype).itemsize
    for offset in (*range(size, 64 + size, size), 1, size // 2 + 1):
        assert_all_same_bits(results_of(name, [placed(array, offset) for array in arrays]), expected)


@on_both_dtypes
def test_any_place_in_a_page_gives_the_same_bits(isa, dtype):
    """Depthwise results are found from the last vector on where their addresses would end as those of the next pixels do."""
    page, size = 4096, np.dtype(dtype).itemsize
    channels = page // size // 2
    shape = (2, 4, 5, channels, channels, 3, 3, 4, 5, 1, 1, 1, 1, 1, 1, channels)
    x, w = signed(np.random.default_rng(1), dtype, (2, 4, 5, channels), (3, 3, 1, channels))
    x, expected = placed(x, 0, page), fastcnn.conv2d(x, w, padding=1, groups=channels)
    for offset in (0, size, 64, 192, 256, 256 + size, page // 2 + 64, page - 64):
        y = placed(np.full_like(x, np.nan), offset, page)
        _core.conv2d(shape, x, w, None, False, y)
        assert_same_bits(y, expected)


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
    """Eight threads, each with all operations in an order of its own, again and again."""
    names = [*OPERATIONS, *NETWORKS]
    arrays = {name: arrays_of(name, np.float32) for name in names}
    with fastcnn.num_threads(1):
        expected = {name: results_of(name, arrays[name]) for name in names}

    def work(seed):
        for name in np.random.default_rng(seed).choice(names, 1000 if LONG else 40):
            assert_all_same_bits(results_of(name, arrays[name]), expected[name])

    with fastcnn.num_threads(threads), ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


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
