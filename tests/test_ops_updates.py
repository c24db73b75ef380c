"""What training does to flat arrays: the steps of optimizers against NumPy, gradients in given arrays, and batches."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import EDGES, by_name, on_both_dtypes, signed

import fastcnn
from fastcnn.ops import updates

SIZES = (0, *EDGES, 4095, 4096, 4097, 20_000)


def sgd(w, g, slots, rate, momentum, nesterov):
    """Return the weights and the slots after a step; so do those below."""
    if slots[0] is None:
        return w - rate * g, slots
    velocity = momentum * slots[0] - rate * g
    return w + (momentum * velocity - rate * g if nesterov else velocity), (velocity,)


def moved(g, mean, square, share_1, share_2):
    return mean + share_1 * (g - mean), square + share_2 * (g * g - square)


def adam(w, g, slots, rate, share_1, share_2, epsilon):
    mean, square = moved(g, *slots, share_1, share_2)
    return w - rate * mean / (np.sqrt(square) + epsilon), (mean, square)


def rmsprop(w, g, slots, rate, rho, share, momentum, epsilon):
    square, velocity, mean = slots
    square = rho * square + share * g * g
    mean = None if mean is None else rho * mean + share * g
    variance = square if mean is None else np.maximum(square - mean * mean, 0)
    change = rate * g / np.sqrt(variance + epsilon)
    velocity = None if velocity is None else momentum * velocity + change
    return w - (change if velocity is None else velocity), (square, velocity, mean)


def lion(w, g, slots, rate, beta_1, share_1, beta_2, share_2):
    return w - rate * np.sign(beta_1 * slots[0] + share_1 * g), (beta_2 * slots[0] + share_2 * g,)


#: name: (a rule, its formula, its coefficients, its slots: of signed numbers, of squares, or none).
RULES = {
    "sgd": (sgd, (0.1, 0.9, 0), (None,)),
    "sgd, momentum": (sgd, (0.1, 0.9, 0), ("signed",)),
    "sgd, nesterov": (sgd, (0.1, 0.9, 1), ("signed",)),
    "adam": (adam, (0.01, 0.2, 0.1, 1e-3), ("signed", "square")),
    "rmsprop": (rmsprop, (0.01, 0.8, 0.2, 0.7, 1e-3), ("square", None, None)),
    "rmsprop, momentum": (rmsprop, (0.01, 0.8, 0.2, 0.7, 1e-3), ("square", "signed", None)),
    "rmsprop, centered": (rmsprop, (0.01, 0.8, 0.2, 0.7, 1e-1), ("square", None, "signed")),
    "rmsprop, centered, momentum": (rmsprop, (0.01, 0.8, 0.2, 0.7, 1e-1), ("square", "signed", "signed")),
    "lion": (lion, (0.01, 0.9, 0.1, 0.8, 0.2), ("signed",)),
}


def arrays_for(name, dtype, size):
    """Return weights, gradients and slots."""
    rng = np.random.default_rng(size)
    weights, gradients = signed(rng, dtype, size, size)
    return weights, gradients, [slot and (abs if slot == "square" else np.asarray)(signed(rng, dtype, size)[0]) for slot in RULES[name][2]]


def step(name, weights, gradients, slots, decay=0.0):
    formula, coefficients, _ = RULES[name]
    updates.step(formula.__name__, weights, gradients, coefficients, slots, decay)


@on_both_dtypes
@pytest.mark.parametrize("size", SIZES)
@by_name(RULES)
def test_a_step_is_the_formula(isa, dtype, size, name):
    formula, coefficients, _ = RULES[name]
    for decay in (0.0, 0.25):
        weights, gradients, slots = arrays_for(name, dtype, size)
        expected = in_float64(formula, weights - decay * weights.astype(np.float64), gradients, slots, coefficients)
        reach = scales(formula, weights, gradients, slots, coefficients)
        step(name, weights, gradients, slots, decay)
        for actual, wanted, scale in zip((weights, *slots), expected, reach, strict=True):
            if actual is not None:
                assert_close(actual, wanted, terms=9, scale=scale, dtype=dtype)


def in_float64(formula, weights, gradients, slots, coefficients):
    """Return the weights and the slots after a step."""
    weights, gradients, *slots = (array if array is None else array.astype(np.float64) for array in (weights, gradients, *slots))
    after, slots = formula(weights, gradients, slots, *coefficients)
    return after, *slots


def scales(formula, weights, gradients, slots, coefficients):
    """What the roundings of a step are relative to: what goes up adds up, and what it is divided by stays as it was."""
    weights, gradients, *slots = (array if array is None else np.abs(array.astype(np.float64)) for array in (weights, gradients, *slots))
    if formula is sgd:
        velocity = 0 if slots[0] is None else slots[0]
        return weights + 2 * gradients + velocity, gradients + velocity
    after, new_slots = formula(-weights, gradients, slots, *coefficients)
    sensitivity = 1.0
    if formula is rmsprop and slots[2] is not None:  # what is left of two squares is off by what they are
        square, _, mean = new_slots
        sensitivity = 1 + (square + coefficients[-1]) / (np.maximum(square - mean * mean, 0) + coefficients[-1])
    reach = [slot if slot is None else (slot + new) * sensitivity for slot, new in zip(slots, new_slots, strict=True)]
    return np.abs(after) * sensitivity, *reach


@by_name(RULES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_gradient_spoils_its_own_weight_alone(isa, name, bad):
    weights, gradients, slots = arrays_for(name, np.float32, 70)
    gradients[[3, 69]] = bad
    step(name, weights, gradients, slots)
    spoilt = ~np.isfinite([array for array in (weights, *slots) if array is not None]).all(axis=0)
    assert np.flatnonzero(spoilt).tolist() == [3, 69]
    assert np.isnan(weights[[3, 69]]).all() or bad == np.inf


@by_name(RULES)
def test_without_decay_infinity_stays(isa, name):
    weights, gradients, slots = arrays_for(name, np.float32, 70)
    weights.fill(np.inf)
    step(name, weights, gradients, slots)
    assert (weights == np.inf).all()


@by_name(RULES)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_a_step_has_the_same_bits_on_any_number_of_threads(isa, name, threads):
    def stepped(count):
        weights, gradients, slots = arrays_for(name, np.float32, 50_001)
        with fastcnn.num_threads(count):
            step(name, weights, gradients, slots, 0.01)
        return np.stack([weights, *(slot for slot in slots if slot is not None)])

    assert_same_bits(stepped(threads), stepped(1))


def test_the_sign_of_nothing_is_nothing(isa):
    weights, gradients, mean = np.ones(70, np.float32), np.zeros(70, np.float32), np.zeros(70, np.float32)
    updates.step("lion", weights, gradients, (0.1, 0.9, 0.1, 0.8, 0.2), (mean,))
    assert (weights == 1).all()


@pytest.mark.parametrize("size", [0, 1, updates.BLOCK, 2 * updates.BLOCK + 1])
def test_sums_are_those_of_float64(size):
    (array,) = signed(np.random.default_rng(1), np.float32, size)
    squares, absolutes = np.sum(np.square(array, dtype=np.float64)), np.sum(np.abs(array), dtype=np.float64)
    assert_close(np.float32(updates.sum_of_squares(array)), squares, terms=updates.BLOCK, scale=squares, dtype=np.float32)
    assert_close(np.float32(updates.sum_of_absolutes(array)), absolutes, terms=updates.BLOCK, scale=absolutes, dtype=np.float32)


# --- Gradients in given arrays ----------------------------------------------------------------------------------------------

GRADIENTS = {
    "conv2d_backward": (fastcnn.conv2d_backward, [(2, 4, 6, 6), (2, 6, 7, 4), (3, 2, 4, 6)]),
    "conv2d_backward, depthwise": (functools.partial(fastcnn.conv2d_backward, groups=6), [(2, 4, 6, 6), (2, 6, 7, 6), (3, 2, 1, 6)]),
    "conv2d_transpose_backward": (fastcnn.conv2d_transpose_backward, [(2, 6, 7, 4), (2, 4, 6, 6), (3, 2, 4, 6)]),
    "dense_backward": (fastcnn.dense_backward, [(3, 4), (3, 5), (5, 4)]),
}


@on_both_dtypes
@by_name(GRADIENTS)
@pytest.mark.parametrize("given", [0, 1, 2])
def test_gradients_go_where_they_are_told_to(dtype, name, given):
    function, shapes = GRADIENTS[name]
    arrays = signed(np.random.default_rng(1), dtype, *shapes)
    expected = function(*arrays)
    out = tuple(np.full_like(array, np.nan) for array in expected[1 : 1 + given])
    results = function(*arrays, out=out)
    assert all(result is array for result, array in zip(results[1:], out, strict=False))
    for result, array in zip(results, expected, strict=True):
        assert_same_bits(result, array)


@by_name(GRADIENTS)
@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda dw: dw.astype(np.float64), ValueError),
        (lambda dw: dw[..., None], ValueError),
        (lambda dw: np.repeat(dw, 2, axis=-1)[..., ::2], ValueError),
        (lambda dw: np.frombuffer(dw.tobytes(), dw.dtype).reshape(dw.shape), ValueError),
        (lambda dw: dw.tolist(), TypeError),
        (lambda dw: None, TypeError),
    ],
)
def test_a_place_that_does_not_fit_is_refused(name, spoil, error):
    function, shapes = GRADIENTS[name]
    arrays = signed(np.random.default_rng(1), np.float32, *shapes)
    with pytest.raises(error, match="out"):
        function(*arrays, out=(spoil(np.zeros(shapes[2], np.float32)),))


@by_name(GRADIENTS)
@pytest.mark.parametrize(("out", "error"), [(3, TypeError), (None, TypeError), ([np.zeros(1)] * 3, ValueError)])
def test_places_are_a_sequence_of_two(name, out, error):
    function, shapes = GRADIENTS[name]
    with pytest.raises(error, match="out"):
        function(*signed(np.random.default_rng(1), np.float32, *shapes), out=out)


# --- Batches ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "?", "f2", "f4", ">f4", "f8", "i8"])
@pytest.mark.parametrize("shape", [(40,), (40, 3), (40, 5, 5, 1), (40, 0), (1, 7)])
@pytest.mark.parametrize("contiguous", [True, False])
def test_a_batch_is_the_rows_that_were_asked_for(dtype, shape, contiguous):
    rng = np.random.default_rng(1)
    array = rng.integers(0, 100, shape).astype(dtype)
    if not contiguous:
        array = np.repeat(array, 2, axis=0)[::2]
    indices = rng.integers(0, len(array), 19)
    out = np.zeros((len(indices), *shape[1:]), dtype)
    updates.gather(array, indices, out)
    assert_same_bits(out, array[indices])


@pytest.mark.parametrize("index", [-1, 4, 2**62, -(2**63)])
def test_no_row_beside_the_array_is_read(index):
    with pytest.raises(ValueError, match="indices"):
        updates.gather(np.zeros((4, 3)), np.array([0, index]), np.zeros((2, 3)))
