"""Dense layers, ReLU, softmax and its cross-entropy against the reference, on every kernel set; outputs start as NaN."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, scale_of
from kernels import EDGES, OUTPUTS, by_name, on_both_dtypes, signed, with_special_values

import fastcnn
from fastcnn import _core, reference

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

#: name: (x's shape, units).
DENSE = {
    "one number": ((1, 1), 1),
    "a vector": ((7,), 5),
    "a matrix": ((6, 11), 9),
    "more axes": ((2, 3, 4, 5), 7),
    "an empty batch": ((0, 4), 3),
    "a column": ((9, 5), 1),
    "one input": ((5, 1), 33),
    "many rows": ((700, 3), 4),
    "sums beyond a block": ((3, 3000), 5),
    "sums beyond a block, in pixels that share a cache set": ((5, 3072), 4),
    "filters beyond a block": ((2, 2600), 260),
    "gradients by many filters": ((3, 20), 1100),
    "rows that share a cache set": ((130, 512), 3),
}


@functools.cache
def expected(name, dtype, special=False):
    """x, w, b, dy, and what the reference makes of them: y, dx, dw and db, with their scales and terms."""
    shape, units = DENSE[name]
    rng = np.random.default_rng(1)
    x, w, b, dy = signed(rng, dtype, shape, (shape[-1], units), units, (*shape[:-1], units))
    if special:
        x, w, dy = (with_special_values(rng, array) for array in (x, w, dy))
    results = reference.dense(x, w, b), *reference.dense_backward(dy, x, w)
    scales = scale_of(reference.dense, x, w, b), *scale_of(reference.dense_backward, dy, x, w)
    rows = max(x.size // shape[-1], 1)
    return x, w, b, dy, results, scales, (shape[-1] + 1, units, rows, rows)


@on_both_dtypes
@pytest.mark.parametrize("special", [False, True])
@by_name(DENSE)
def test_dense_and_its_gradients(isa, name, special, dtype):
    x, w, b, dy, results, scales, terms = expected(name, dtype, special)
    ours = fastcnn.dense(x, w, b), *fastcnn.dense_backward(dy, x, w)
    for result, theirs, scale, count in zip(ours, results, scales, terms, strict=True):
        assert_close(result, theirs, terms=count, scale=scale)
    assert_close(fastcnn.dense(x, w, b, activation="relu"), reference.relu(results[0]), terms=terms[0], scale=scales[0])
    assert_close(fastcnn.dense(x, w), reference.dense(x, w), terms=terms[0], scale=scales[0])
    unwanted = fastcnn.dense_backward(dy, x, w, input_grad=False)
    assert unwanted[0] is None
    assert_same_bits(unwanted[1], ours[2])
    assert_same_bits(unwanted[2], ours[3])


@functools.cache
def rows_of_numbers(dtype):
    """More rows and more units than any edge: x, w, y and y's scale."""
    x, w = signed(np.random.default_rng(2), dtype, (EDGES[-1], 5), (5, EDGES[-1]))
    return x, w, reference.dense(x, w), scale_of(reference.dense, x, w)


@on_both_dtypes
@pytest.mark.parametrize("units", EDGES)
def test_every_number_of_rows_and_units(isa, dtype, units):
    x, w, y, scale = rows_of_numbers(dtype)
    for rows in EDGES:
        assert_close(fastcnn.dense(x[:rows], w[:, :units]), y[:rows, :units], terms=5, scale=scale[:rows, :units])


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_gradients_of_dense_by_central_differences(isa, shape):
    x, w, b, dy = arrays = signed(np.random.default_rng(3), np.float64, shape, (4, 5), 5, (*shape[:-1], 5))
    scale = scale_of(reference.dense, x, w, b)
    for i, gradient in enumerate(fastcnn.dense_backward(dy, x, w)):

        def function(array, i=i):
            return fastcnn.dense(*arrays[:i], array, *arrays[i + 1 : 3])

        assert_gradient(gradient, function, arrays[i], dy, terms=5, scale=scale)


# --- Element by element, row by row ---------------------------------------------------------------------------------------


@on_both_dtypes
@pytest.mark.parametrize("size", [*EDGES, 8191, 8193, 16383, 16384, 16385, 50_000])
def test_relu_and_its_gradient(isa, dtype, size):
    rng = np.random.default_rng(size)
    x, dy = (with_special_values(rng, array) for array in signed(rng, dtype, size, size))
    x[rng.random(size) < 0.2] = 0
    y = fastcnn.relu(x)
    assert_close(y, reference.relu(x), terms=1, scale=0.0)
    assert_close(fastcnn.relu_backward(dy, y), reference.relu_backward(dy, y), terms=1, scale=0.0)


@on_both_dtypes
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3, 4, 5, 6)])
def test_relu_of_any_rank(isa, dtype, shape):
    (x,) = signed(np.random.default_rng(4), dtype, shape)
    x = np.asarray(x, dtype)
    y = fastcnn.relu(x)
    assert_close(y, reference.relu(x), terms=1, scale=0.0)
    assert_close(fastcnn.relu_backward(x, y), reference.relu_backward(x, y), terms=1, scale=0.0)


@on_both_dtypes
@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((1, 1), 1), ((5, 3), -1), ((5, 3), 0), ((2, 33, 4), 1), ((0, 4), 1), ((3, 5000), 1)]
)
def test_softmax(isa, dtype, shape, axis):
    (x,) = signed(np.random.default_rng(5), dtype, shape)
    x *= 3
    p = reference.softmax(x, axis) if x.size else x
    spread = np.ptp(x) if x.size else 0  # an exponent that is off by so much eps puts its power off by as much
    assert_close(fastcnn.softmax(x, axis), p, terms=shape[axis], scale=p * (2 + spread))


@on_both_dtypes
def test_softmax_of_extremes(isa, dtype):
    largest = np.finfo(dtype).max
    x = np.array([[largest, largest, -largest], [-largest, -largest, -np.inf], [0, -np.inf, -np.inf], [1, np.nan, 2]], dtype)
    assert_close(fastcnn.softmax(x), reference.softmax(x), terms=3, scale=1.0)


@on_both_dtypes
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (33, 10), (1100, 4), (2, 5000)])
def test_softmax_cross_entropy(isa, dtype, shape):
    rng = np.random.default_rng(6)
    (logits,) = signed(rng, dtype, shape)
    logits *= 3
    labels = rng.integers(0, shape[1], shape[0])
    loss, dlogits = fastcnn.softmax_cross_entropy(logits, labels)
    their_loss, theirs = reference.softmax_cross_entropy(logits, labels)
    assert isinstance(loss, float)
    scale = 2 * np.abs(logits).max() + np.log(shape[1])  # the largest of a row, the logarithm of its sum, and the label's logit
    assert_close(dtype(loss), np.asarray(their_loss), terms=shape[1], scale=scale, dtype=dtype)
    assert_close(dlogits, theirs, terms=shape[1], scale=(1 + (2 + np.ptp(logits)) * reference.softmax(logits)) / shape[0])


def test_a_loss_beyond_the_largest_number_is_inf_without_a_warning(isa):
    largest = np.finfo(np.float64).max
    loss, _ = fastcnn.softmax_cross_entropy([[0.9 * largest, 0], [0.9 * largest, 0]], [1, 1])
    assert loss == np.inf


def test_softmax_cross_entropy_of_nothing(isa):
    loss, dlogits = fastcnn.softmax_cross_entropy(np.zeros((0, 5)), np.zeros(0, int))
    assert np.isnan(loss)
    assert dlogits.shape == (0, 5)


def test_gradient_of_softmax_cross_entropy_by_central_differences(isa):
    logits, labels = 3 * np.random.default_rng(7).standard_normal((4, 5)), np.array([1, 4, 0, 1])
    _, dlogits = fastcnn.softmax_cross_entropy(logits, labels)
    scale = 2 * np.abs(logits).max() + np.log(5)

    def function(logits):
        return np.float64(fastcnn.softmax_cross_entropy(logits, labels)[0])

    assert_gradient(dlogits, function, logits, 1.0, terms=9, scale=scale)


def test_every_kernel_is_tested_with_unwritten_outputs():
    """The table of outputs has every function of the extension but those that set, tell or measure something, or change arrays in place."""
    others = {"isas", "select_isa", "selected_isa", "compiler", "set_num_threads", "get_num_threads", "set_least_share", "fma_rounds"}
    others |= {"optimizer_step", "set_patience", "set_winograd", "get_winograd", "choose_conv2d"}
    functions = {name for name, value in vars(_core).items() if callable(value) and not isinstance(value, type) and name[0] != "_"}
    assert set(OUTPUTS) == functions - others
