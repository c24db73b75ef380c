"""What training does to flat arrays: the steps of optimizers against NumPy, gradients in given arrays, and batches."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import EDGES, by_name, on_both_dtypes, signed

import fastcnn
from fastcnn import _core
from fastcnn.ops import updates

SIZES = (0, *EDGES, 4095, 4096, 4097, 20_000)


def sgd_by_numpy(weights, gradients, velocity, rate, momentum, nesterov, decay):
    """Return the weights and the velocity after the step."""
    weights = weights - decay * weights
    if velocity is None:
        return weights - rate * gradients, None
    velocity = momentum * velocity - rate * gradients
    return weights + (momentum * velocity - rate * gradients if nesterov else velocity), velocity


@on_both_dtypes
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("momentum", "nesterov", "decay"), [(None, False, 0), (0.9, False, 0), (0.9, True, 0.25), (None, False, 0.25)])
def test_sgd_is_the_formula(isa, dtype, size, momentum, nesterov, decay):
    rng = np.random.default_rng(size)
    weights, gradients, velocity = signed(rng, dtype, size, size, size)
    velocity = None if momentum is None else velocity
    expected, moved = sgd_by_numpy(weights, gradients, velocity, dtype(0.1), dtype(momentum or 0), nesterov, dtype(decay))
    scale = np.abs(weights) + 2 * np.abs(gradients) + (0 if velocity is None else np.abs(velocity))
    _core.sgd_step(size, gradients, 0.1, momentum or 0, nesterov, decay, weights, velocity)
    assert_close(weights, expected, terms=5, scale=scale)
    if velocity is not None:
        assert_close(velocity, moved, terms=2, scale=scale)


@on_both_dtypes
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("decay", [0, 0.25])
def test_adam_is_the_formula(isa, dtype, size, decay):
    rng = np.random.default_rng(size)
    weights, gradients, mean, square = signed(rng, dtype, size, size, size, size)
    square = np.abs(square)
    rate, share_1, share_2, epsilon = map(dtype, (0.01, 0.2, 0.1, 1e-3))
    new_mean, new_square = mean + share_1 * (gradients - mean), square + share_2 * (gradients * gradients - square)
    expected = weights - dtype(decay) * weights - rate * new_mean / (np.sqrt(new_square) + epsilon)
    scale = np.abs(weights) + rate * (np.abs(mean) + np.abs(gradients)) / (np.sqrt(new_square) + epsilon)
    squares = square + gradients * gradients
    _core.adam_step(size, gradients, 0.01, 0.2, 0.1, 1e-3, decay, weights, mean, square)
    assert_close(mean, new_mean, terms=3, scale=np.abs(gradients) + 2 * np.abs(new_mean - mean) + np.abs(new_mean))
    assert_close(square, new_square, terms=3, scale=squares)
    assert_close(weights, expected, terms=9, scale=scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_gradient_spoils_its_own_weight_alone(isa, bad):
    for step in (
        lambda weights, gradients, state: updates.sgd_step(weights, gradients, None, 0.1),
        lambda weights, gradients, state: updates.sgd_step(weights, gradients, state[0], 0.1, 0.9, True),
        lambda weights, gradients, state: updates.adam_step(weights, gradients, *state, 0.1, (0.1, 0.1), 1e-3),
    ):
        weights, gradients = np.ones(70, np.float32), np.ones(70, np.float32)
        gradients[[3, 69]] = bad
        step(weights, gradients, np.zeros((2, 70), np.float32))
        assert sorted(np.flatnonzero(~np.isfinite(weights))) == [3, 69]


def test_without_decay_infinity_stays(isa):
    weights, (gradients, *state) = np.full(70, np.inf, np.float32), np.ones((3, 70), np.float32)
    updates.sgd_step(weights, gradients, None, 0.1)
    updates.adam_step(weights, gradients, *state, 0.1, (0.1, 0.1), 1e-3)
    assert (weights == np.inf).all()


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_a_step_has_the_same_bits_on_any_number_of_threads(isa, threads):
    def stepped(count):
        weights, gradients, mean, square = signed(np.random.default_rng(1), np.float32, *[50_001] * 4)
        square = np.abs(square)
        with fastcnn.num_threads(count):
            updates.adam_step(weights, gradients, mean, square, 0.1, (0.1, 0.1), 1e-3, 0.01)
            updates.sgd_step(weights, gradients, mean, 0.1, 0.9, decay=0.01)
        return np.stack([weights, mean, square])

    assert_same_bits(stepped(threads), stepped(1))


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
