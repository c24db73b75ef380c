"""Bad input is refused with the right exception, which names the argument; and strange but good input works.

Good input is tested here only where no other file does it: empty batches, NaN and infinities are in ``test_ops_*.py``; order in memory,
read-only and memory-mapped arrays, and arrays that change during a call are in ``test_invariance.py``.
"""

import inspect

import numpy as np
import pytest
from bad_inputs import CALLS, CASES, LARGEST, NO_MEMORY, numbers
from compare import assert_close, assert_same_bits, scale_of
from kernels import by_name, on_both_dtypes

import fastcnn
from fastcnn import layers, reference


@pytest.fixture(autouse=True)
def same_number_of_threads():
    with fastcnn.num_threads(2):
        yield


def results_of(operation, **changes):
    """What an operation makes of its good arguments with some changes, as a tuple."""
    function, arguments = CALLS[operation]
    results = function(**{**arguments, **changes})
    return results if isinstance(results, tuple) else (results,)


# --- Bad input --------------------------------------------------------------------------------------------------------------


@by_name(CALLS)
def test_the_calls_that_the_cases_change_work(name):
    assert results_of(name) is not None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_refused_by_name(case):
    with pytest.raises(case.error, match=rf"\b({case.name})\b") as raised:
        results_of(case.operation, **case.changes)
    assert raised.type is case.error


@pytest.mark.parametrize("case", NO_MEMORY, ids=str)
def test_too_much_for_the_memory_is_a_memory_error(case):
    with pytest.raises(MemoryError):
        results_of(case.operation, **case.changes)


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda: layers.Conv2D(4, 3, strides=0), ValueError, "strides"),
        (lambda: layers.Conv2D(4, 3, strides=(1, -1)), ValueError, "strides"),
        (lambda: layers.Conv2D(4, 3, strides=1.5), TypeError, "strides"),
        (lambda: layers.Conv2D(4, 0), ValueError, "kernel_size"),
        (lambda: layers.Conv2D(4, 2.0), TypeError, "kernel_size"),
        (lambda: layers.Conv2D(0, 3), ValueError, "filters"),
        (lambda: layers.Conv2D(4, 3, groups=0), ValueError, "groups"),
        (lambda: layers.Conv2D(4, 3, groups=3), ValueError, "groups"),
        (lambda: layers.Conv2D(4, 3, padding="full"), ValueError, "padding"),
        (lambda: layers.Conv2D(4, 3, dilation_rate=0), ValueError, "dilation_rate"),
        (lambda: layers.DepthwiseConv2D(3, strides=0), ValueError, "strides"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier"),
        (lambda: layers.Conv2DTranspose(4, 3, strides=0), ValueError, "strides"),
        (lambda: layers.MaxPooling2D(0), ValueError, "pool_size"),
        (lambda: layers.MaxPooling2D(2, strides=0), ValueError, "strides"),
        (lambda: layers.AveragePooling2D((2, 0)), ValueError, "pool_size"),
        (lambda: layers.AveragePooling2D(2, strides=-1), ValueError, "strides"),
        (lambda: layers.Dense(0), ValueError, "units"),
    ],
)
def test_layers_refuse_bad_parameters_when_they_are_made(make, error, name):
    with pytest.raises(error, match=rf"\b{name}\b"):
        make()


# --- Strange but good input ---------------------------------------------------------------------------------------------------

#: The calls that take arrays.
ON_ARRAYS = [name for name, (_, arguments) in CALLS.items() if any(isinstance(value, np.ndarray) for value in arguments.values())]


def assert_same_results(operation, changes, others=None):
    """Assert that an operation makes the same of its good arguments with some changes as with others, or with none."""
    for ours, theirs in zip(results_of(operation, **changes), results_of(operation, **(others or {})), strict=True):
        assert_same_bits(np.asarray(ours), np.asarray(theirs))


@by_name(ON_ARRAYS)
def test_numpys_integers_and_sequences_of_them_are_parameters(name):
    function, arguments = CALLS[name]
    values = {"dilation": np.uint64(1), "padding": np.zeros((2, 2), np.int32), "groups": np.int16(1), "axis": np.int8(-1)}
    values |= {"pool_size": [np.int64(2), 2], "kernel_size": np.array([3, 2]), "output_padding": [0, np.uint8(0)]}
    values |= {"stride": np.int8(2 if "pool" in name else 1), "input_shape": np.array(arguments.get("input_shape"))}
    parameters = inspect.signature(function).parameters
    assert_same_results(name, {parameter: value for parameter, value in values.items() if parameter in parameters})


@by_name(ON_ARRAYS)
def test_lists_are_arrays(name):
    arrays = {name: value for name, value in CALLS[name][1].items() if isinstance(value, np.ndarray)}
    wide = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in arrays.items()}
    assert_same_results(name, {name: value.tolist() for name, value in arrays.items()}, wide)


class ArrayLike:
    """What NumPy can make an array of, and nothing else."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


class Exchangeable:
    """What can be exchanged by DLPack, and nothing else."""

    def __init__(self, array):
        self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__


@by_name(ON_ARRAYS)
def test_what_numpy_can_make_an_array_of_is_one(name):
    arrays = {name: value for name, value in CALLS[name][1].items() if isinstance(value, np.ndarray)}
    for convert in (ArrayLike, memoryview, np.ma.masked_array):
        assert_same_results(name, {name: convert(value) for name, value in arrays.items()})
    masked = {name: np.ma.masked_array(value, mask=np.ones(value.shape, bool)) for name, value in arrays.items()}
    assert_same_results(name, masked)  # masks are not looked at
    for argument, value in arrays.items():
        with pytest.raises(TypeError, match=rf"\b{argument}\b"):
            results_of(name, **{argument: Exchangeable(value)})


@on_both_dtypes
@pytest.mark.parametrize("threads", [1, 3])
def test_subnormal_numbers_are_kept_and_arithmetic_stays_as_it_was(isa, dtype, threads):
    tiny = np.finfo(dtype).smallest_subnormal * np.array([1, -3, 5, 7, 0, 9, -11, 64], dtype)
    x = np.tile(tiny, (4, 6, 6, 1))
    with fastcnn.num_threads(threads):
        one = np.eye(8, dtype=dtype)[None, None]
        assert_same_bits(fastcnn.conv2d(x, one), x)
        assert_same_bits(fastcnn.conv2d(x, np.ones((1, 1, 1, 8), dtype), groups=8), x)
        assert_same_bits(fastcnn.conv2d_backward(x, x, one)[0], x)
        assert_same_bits(fastcnn.dense(x, one[0, 0]), x)
        assert_same_bits(fastcnn.max_pool2d(x, 1), x)
        assert_same_bits(fastcnn.avg_pool2d(x, 1), x)
        assert_same_bits(fastcnn.relu(x), np.maximum(x, 0))
    assert_same_bits(tiny * dtype(1), tiny)  # in NumPy, on this thread: nothing was told to flush what is subnormal


def test_a_stride_or_dilation_far_beyond_the_plane(isa):
    x, w = CALLS["conv2d"][1]["x"], CALLS["conv2d"][1]["w"]
    assert_same_bits(fastcnn.conv2d(x, w, stride=LARGEST), fastcnn.conv2d(x, w)[:, :1, :1])
    assert_same_bits(fastcnn.max_pool2d(x, 2, LARGEST), fastcnn.max_pool2d(x, 2, 9))
    assert_same_bits(fastcnn.im2col(x, 2, stride=LARGEST), fastcnn.im2col(x, 2)[:, :1, :1])
    middle = fastcnn.conv2d(x, numbers(3, 3, 4, 6), padding="same", dilation=LARGEST)
    assert_same_bits(middle, fastcnn.conv2d(x, numbers(3, 3, 4, 6)[1:2, 1:2]))


def test_large_padding_with_a_large_kernel(isa):
    x, w = numbers(1, 2, 3, 2), numbers(31, 29, 2, 3)
    y = fastcnn.conv2d(x, w, padding=(30, 28))
    assert_close(y, reference.conv2d(x, w, padding=(30, 28)), terms=12, scale=scale_of(reference.conv2d, x, w, padding=(30, 28)))


def test_arrays_of_more_numbers_than_32_bits_count(isa, tmp_path):
    """A file with holes, of which next to nothing is read: four windows at the corners of one plane."""
    height, width = 2**16 + 1, 2**15
    path = tmp_path / "plane"
    with open(path, "wb") as file:
        file.truncate(4 * height * width)
    plane = np.memmap(path, np.float32, "r+", shape=(1, height, width, 1))
    corners = np.array([[1, -2, 3, -4], [-5, 6, -7, 8], [9, -10, 11, -12], [-13, 14, -15, 16]], np.float32)
    rows, columns = [0, 1, height - 2, height - 1], [0, 1, width - 2, width - 1]
    plane[0, :, :, 0][np.ix_(rows, columns)] = corners
    x, small, stride = plane.view(np.ndarray), corners[None, :, :, None], (height - 2, width - 2)
    assert x.size > 2**31

    y, indices = fastcnn.max_pool2d(x, 2, stride, return_indices=True)
    small_y, small_indices = fastcnn.max_pool2d(small, 2, return_indices=True)
    assert_same_bits(y, small_y)
    h, w = np.divmod(small_indices, 4)
    assert_same_bits(indices, np.array(rows)[h] * width + np.array(columns)[w])
    assert_same_bits(fastcnn.avg_pool2d(x, 2, stride), fastcnn.avg_pool2d(small, 2))
    assert_same_bits(fastcnn.im2col(x, 2, stride=stride), fastcnn.im2col(small, 2, stride=2))
    kernel = numbers(2, 2, 1, 5)
    small_y = fastcnn.conv2d(small, kernel, stride=2)
    assert_same_bits(fastcnn.conv2d(x, kernel, stride=stride), small_y)
    ours = fastcnn.conv2d_backward(small_y, x, kernel, stride=stride, input_grad=False)
    theirs = fastcnn.conv2d_backward(small_y, small, kernel, stride=2, input_grad=False)
    assert_same_bits(ours[1], theirs[1])
