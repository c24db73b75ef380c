"""Bad input is refused with the right exception, which names the argument; and strange but good input works.

The table of both is in ``input_table.py``; its cases run in child processes. What no row of it says is here: every kernel set, sizes and
parameters far beyond the usual. Order in memory and arrays that change during a call are also in ``test_invariance.py``.
"""

import inspect

import numpy as np
import pytest
from bad_inputs import CALLS, LARGEST, numbers
from compare import assert_close, assert_same_bits, scale_of
from input_table import ROWS, TABLE
from isolated import outcomes_of
from kernels import by_name, on_both_dtypes

import fastcnn
from fastcnn import _validate, reference
from fastcnn.ops import _images, conv, conv_pool, pool
from fastcnn.ops._images import NHWC


@pytest.fixture(autouse=True)
def same_number_of_threads():
    with fastcnn.num_threads(2):
        yield


def results_of(operation, **changes):
    """What an operation makes of its good arguments with some changes, as a tuple."""
    function, arguments = CALLS[operation]
    results = function(**{**arguments, **changes})
    return results if isinstance(results, tuple) else (results,)


# --- The table ----------------------------------------------------------------------------------------------------------


@by_name(CALLS)
def test_the_calls_that_the_cases_change_work(name):
    assert results_of(name) is not None


@pytest.fixture(scope="module")
def outcomes(request):
    """What failed of each case of the table that is asked for: all have run in child processes."""
    asked = [item.callspec.params["index"] for item in request.session.items if item.name.startswith("test_no_input_does_harm[")]
    return outcomes_of("input_table", asked, seconds=20)


@pytest.mark.parametrize("index", range(len(TABLE)), ids=[str(entry) for entry in TABLE])
def test_no_input_does_harm(outcomes, index):
    if outcomes[index]:
        pytest.fail(outcomes[index], pytrace=False)


def test_every_kind_of_input_has_cases():
    assert {entry.case.row for entry in TABLE} == set(range(1, ROWS + 1))
    assert len(TABLE) >= 1000


PLANTED = """
import os, signal, time

def fails():
    raise ValueError("planted")

def hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)

TABLE = [print, os.abort, print, fails, hangs, lambda: os.kill(os.getpid(), signal.SIGSEGV), print, lambda: os._exit(0), print]

def run(case):
    case()
"""


def test_a_crash_or_a_hang_is_the_failure_of_its_case(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)
    outcomes = outcomes_of("planted", list(range(9)), seconds=1)
    assert sorted(outcomes) == list(range(9))
    assert [index for index, failure in outcomes.items() if not failure] == [0, 2, 6, 8]
    found = {1: "SIGABRT", 3: "ValueError: planted", 4: "Timeout", 5: "SIGSEGV", 7: "status 0"}
    for index, words in found.items():
        assert words in outcomes[index]


def test_a_table_that_cannot_be_read_is_no_success(tmp_path, monkeypatch):
    (tmp_path / "unreadable.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="nothing_of_that_name"):
        outcomes_of("unreadable", [0], seconds=1)


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
    values = {
        "dilation": np.uint64(1),
        "padding": np.zeros((2, 2), np.int32),
        "groups": np.int16(4 if "depthwise" in name else 1),
        "axis": np.int8(-1),
    }
    values |= {"pool_size": [np.int64(2), 2], "kernel_size": np.array([3, 2]), "output_padding": [0, np.uint8(0)]}
    values |= {"stride": np.int8(2 if "pool" in name else 1), "input_shape": np.array(arguments.get("input_shape"))}
    parameters = inspect.signature(function).parameters
    assert_same_results(name, {parameter: value for parameter, value in values.items() if parameter in parameters})


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


# --- What layers ask of the same code -----------------------------------------------------------------------------------------


def test_entries_by_name_or_in_order():
    assert _validate.by_name({"b": 2}, ["a", "b"], "loss") == [None, 2]
    assert _validate.by_name((1, 2), ["a", "b"], "loss") == [1, 2]
    for unfit in ({"c": 1}, [1], 1):
        with pytest.raises(ValueError, match=r"\bloss\b"):
            _validate.by_name(unfit, ["a", "b"], "loss")


def test_what_is_of_another_kind_is_refused():
    _validate.instance("conv1", str | None, "name", "a string")
    with pytest.raises(TypeError, match=r"name must be a string, got 3 of type int"):
        _validate.instance(3, str | None, "name", "a string")


def test_shapes_that_layers_pass_on_are_checked():
    x, w = np.ones((1, 4, 4, 2), np.float32), np.ones((3, 3, 2, 3), np.float32)
    shape = conv.canonical_shape(NHWC, x.shape, w.shape, 1, (1, 1), (1, 1), "valid")
    with pytest.raises(ValueError, match=r"\bx\b"):
        conv.canonical_shape(NHWC, x.shape[1:], w.shape, 1, (1, 1), (1, 1), "valid")
    with pytest.raises(ValueError, match=r"\bdy\b"):
        conv.backward(shape, np.ones((1, 2, 2, 2), np.float32), x, w, True, ())
    assert pool.fits_winners((15, 17))
    assert not pool.fits_winners((16, 16))


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.zeros(3), TypeError),
        ([None], TypeError),
        ([np.zeros((3, 3, 2, 3))], ValueError),
        ([np.zeros((3, 3, 2, 3), np.float32)] * 3, ValueError),
        ([np.zeros((3, 3, 2, 3), np.float32, "F")], ValueError),
    ],
)
def test_arrays_for_results_are_checked(out, error):
    x, w = np.ones((1, 4, 4, 2), np.float32), np.ones((3, 3, 2, 3), np.float32)
    with pytest.raises(error, match=r"\bout\b") as raised:
        fastcnn.conv2d_backward(fastcnn.conv2d(x, w), x, w, out=out)
    assert raised.type is error


def test_results_are_seen_by_whoever_watches(monkeypatch):
    seen = []
    monkeypatch.setattr(_images, "watchers", [seen.append])
    y = fastcnn.relu(np.ones(3, np.float32))
    assert [array is y for array in seen] == [True]


def test_planes_and_gradients_that_are_not_wanted():
    x, w = numbers(4, 6), numbers(3, 2, 4, 4)
    assert_same_bits(fastcnn.max_pool2d(x), fastcnn.max_pool2d(x[None, :, :, None])[0, :, :, 0])
    assert_same_bits(fastcnn.avg_pool2d_backward(x, (8, 12)), np.repeat(np.repeat(x / 4, 2, 0), 2, 1))
    dy, x = numbers(2, 4, 6, 4), numbers(2, 6, 7, 4)
    assert fastcnn.conv2d_backward(dy, x, w, input_grad=False)[0] is None
    assert fastcnn.conv2d_transpose_backward(x, dy, w, input_grad=False)[0] is None


@pytest.mark.parametrize(("padding", "shape"), [("same", (1, 8, 12, 3)), ("valid", (1, 9, 12, 3))])
def test_sizes_by_keras_rules_of_transposed_convolutions(padding, shape):
    assert fastcnn.conv2d_transpose(numbers(1, 4, 6, 2), numbers(3, 2, 3, 2), stride=2, padding=padding).shape == shape


def test_winners_as_bytes_are_those_of_max_pooling():
    x = numbers(2, 6, 8, 3)
    y, winners = pool.max_pool2d_winners(x, (2, 2), (2, 2), "valid", False)
    expected, indices = fastcnn.max_pool2d(x, return_indices=True)
    assert_same_bits(y, expected)
    gradient = pool.max_pool2d_winners_backward(y, None, winners, x.shape, (2, 2), (2, 2), "valid")
    assert_same_bits(gradient, fastcnn.max_pool2d_backward(y, indices, x.shape))


def test_whether_a_pair_is_fused_is_found_out():
    x, w = numbers(1, 30, 30, 3), numbers(3, 3, 3, 16)
    shape = conv.canonical_shape(NHWC, x.shape, w.shape, 1, (1, 1), (1, 1), "valid")
    assert conv_pool.is_fused(x, w, conv_pool.ConvPoolShape.of(shape, (2, 2), (2, 2), "valid"))


@pytest.mark.parametrize("value", [0, 1.5, 2, np.float32(0.5), np.int64(2)])
def test_a_number_within_its_limits_is_kept(value):
    assert _validate.real(value, "rate", 0, 2) == value


@pytest.mark.parametrize(
    ("error", "value"),
    [*((TypeError, value) for value in ("2", b"2", True, None, [1], 1j)), *((ValueError, value) for value in (-1, 3, np.nan, np.inf))],
)
def test_what_is_no_number_within_its_limits_is_refused(error, value):
    with pytest.raises(error, match=r"^rate must be"):
        _validate.real(value, "rate", 0, 2)


@pytest.mark.parametrize(("value", "kept"), [(0.2, (-0.2, 0.2)), (-0.2, (-0.2, 0.2)), (1, (-0.5, 1)), ([0.3, -0.1], (-0.1, 0.3))])
def test_limits_are_in_order_and_as_far_as_is_allowed(value, kept):
    assert _validate.limits(value, "factor", -0.5, 1) == kept


@pytest.mark.parametrize(("value", "error"), [((1,), ValueError), ((0, 1, 2), ValueError), (2, ValueError), ((0, "1"), TypeError)])
def test_what_are_no_limits_is_refused(value, error):
    with pytest.raises(error, match=r"^factor must be"):
        _validate.limits(value, "factor", -1, 1)


def test_integers_are_one_or_some():
    assert _validate.integers(2, "axis", 0, 3) == [2]
    assert _validate.integers((0, 3), "axis", 0, 3) == [0, 3]
    with pytest.raises(ValueError, match=r"^axis must be"):
        _validate.integers([1, 4], "axis", 0, 3)
