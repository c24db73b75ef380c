"""Winograd's method: against the reference within its own bound, where it is chosen, and when it must not be used."""

import itertools

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import by_name, signed, winograd, with_special_values
from winograd_bounds import LEAST_NORMAL, MATRICES, TILES, TRANSFORM_TERMS, absolute, by_winograd, weights_by_winograd

import fastcnn
from fastcnn import _core, networks, random, reference
from fastcnn.ops import conv_pool
from fastcnn.ops._images import NHWC
from fastcnn.ops.conv import canonical_shape

pytestmark = [pytest.mark.usefixtures("unwritten_outputs"), pytest.mark.thread_unsafe(reason="the switch for the method is the process's")]


def assert_agrees(x, w, b, padding, tile):
    """Assert that conv2d and its gradients, by such tiles, are the reference's but for the roundings of Winograd's method."""
    (top, _), (left, _) = padding
    options = {"padding": padding}
    y = reference.conv2d(x.astype(np.float64), w.astype(np.float64), b.astype(np.float64), **options)
    dy = signed(np.random.default_rng(2), x.dtype, y.shape)[0]
    with winograd(tile):
        ours = fastcnn.conv2d(x, w, b, **options), *fastcnn.conv2d_backward(dy, x, w, **options)
    theirs = y, *reference.conv2d_backward(dy.astype(np.float64), x.astype(np.float64), w.astype(np.float64), **options)
    absolute_x, absolute_w, absolute_dy = absolute(x, w, dy)
    absolute_w += LEAST_NORMAL  # which alone are not lifted
    matrices = absolute(*MATRICES[tile])
    turned = absolute_w[::-1, ::-1].swapaxes(2, 3)
    scales = (
        by_winograd(absolute_x, absolute_w, (top, left), y.shape, matrices) + np.abs(b) + LEAST_NORMAL,
        by_winograd(absolute_dy, turned, (2 - top, 2 - left), x.shape, matrices) + LEAST_NORMAL,
        weights_by_winograd(absolute_x, absolute_dy, (top, left), matrices) + LEAST_NORMAL,
        absolute_dy.sum((0, 1, 2)),
    )
    windows = dy.size // dy.shape[-1]
    for our, their, scale, terms in zip(ours, theirs, scales, (w.shape[2], w.shape[3], windows, windows), strict=True):
        assert_close(our, their, terms=terms + TRANSFORM_TERMS, scale=scale, dtype=np.float32)


@pytest.mark.parametrize("tile", TILES)
def test_the_matrices_are_those_of_a_correlation(tile):
    """In float64, the method as written here is the reference, and so are its gradients: what the bounds are made from is right."""
    x, w, dy = signed(np.random.default_rng(1), np.float64, (2, 7, 10, 3), (3, 3, 3, 4), (2, 7, 10, 4))
    matrices, sizes = MATRICES[tile], absolute(*MATRICES[tile])
    scale = by_winograd(*absolute(x, w), (1, 1), dy.shape, sizes)
    expected = reference.conv2d(x, w, padding=1)
    assert_close(by_winograd(x, w, (1, 1), dy.shape, matrices), expected, terms=3 + TRANSFORM_TERMS, scale=scale)
    scale = weights_by_winograd(*absolute(x, dy), (1, 1), sizes)
    expected = reference.conv2d_backward(dy, x, w, padding=1)[1]
    assert_close(weights_by_winograd(x, dy, (1, 1), matrices), expected, terms=140 + TRANSFORM_TERMS, scale=scale)


#: About a tile, several blocks of tiles, of channels and of filters, and the paddings: (N, H, W, C), F, padding.
CASES = {
    "a tile": ((1, 6, 6, 16), 16, ((0, 0), (0, 0))),
    "a window": ((1, 3, 3, 16), 16, ((0, 0), (0, 0))),
    "one channel, one filter": ((2, 9, 8, 1), 1, ((1, 1), (1, 1))),
    "neither whole vectors nor whole tiles": ((3, 9, 7, 17), 33, ((1, 1), (1, 1))),
    "many tiles": ((7, 13, 13, 32), 64, ((0, 0), (0, 0))),
    "asymmetric padding": ((2, 8, 6, 20), 18, ((0, 2), (2, 1))),
    "padding all around": ((1, 1, 1, 16), 16, ((2, 2), (2, 2))),
    "blocks of channels": ((1, 5, 6, 515), 20, ((1, 1), (1, 1))),
    "blocks of filters": ((1, 6, 5, 300), 200, ((1, 1), (1, 1))),
    "blocks of both gradients": ((3, 10, 9, 70), 130, ((1, 1), (1, 1))),
    "more tiles than a block has": ((1, 33, 34, 16), 16, ((1, 1), (1, 1))),
}


@pytest.mark.parametrize("tile", TILES)
@by_name(CASES)
def test_conv2d_and_its_gradients(isa, name, tile):
    shape, filters, padding = CASES[name]
    x, w, b = signed(np.random.default_rng(1), np.float32, shape, (3, 3, shape[3], filters), filters)
    assert_agrees(x, w, b, padding, tile)


@pytest.mark.parametrize("kernel", [5, 6, 7])
def test_an_input_gradient_whose_strides_leave_3x3_taps(isa, kernel):
    """With a stride of 2, such filters are four phases, some of 3x3 taps; their results are not all the pixels of a plane."""
    x, w = signed(np.random.default_rng(1), np.float32, (2, 17, 18, 16), (kernel, kernel, 16, 16))
    y = reference.conv2d(x, w, stride=2, padding=2)
    dy = signed(np.random.default_rng(2), np.float32, y.shape)[0]
    expected = reference.conv2d_backward(dy.astype(np.float64), x.astype(np.float64), w.astype(np.float64), stride=2, padding=2)[0]
    scale = reference.conv2d_backward(*absolute(dy, x, w), stride=2, padding=2)[0]
    with winograd(2):
        dx = fastcnn.conv2d_backward(dy, x, w, stride=2, padding=2)[0]
    assert_close(dx, expected, terms=kernel**2 * 16, scale=scale, dtype=np.float32)
    assert fastcnn.explain_conv(x.shape, w.shape, stride=2, padding=2, op="input gradient").algorithm == "direct"


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("size", range(3, 12))
def test_every_remainder_of_a_tile(isa, size, tile):
    x, w, b = signed(np.random.default_rng(1), np.float32, (2, size, 14 - size, 5), (3, 3, 5, 7), 7)
    assert_agrees(x, w, b, ((1, 1), (1, 1)), tile)


@pytest.mark.parametrize("tile", TILES)
def test_subnormal_numbers_keep_their_digits(isa, tile):
    """Beside filters that bring them back to the middle of the range."""
    x, w, b = signed(np.random.default_rng(1), np.float32, (2, 9, 8, 17), (3, 3, 17, 16), (16,))
    assert_agrees(x * np.float32(2**-140), w * np.float32(2**120), np.float32(2**-20) * b, ((1, 1), (1, 1)), tile)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("exponent", [-30, -15, 15, 30])
def test_pixels_of_very_different_size(isa, exponent, tile):
    """Errors of a tile are relative to its largest pixels: beside one of 1e30, the bound of the small ones is large, but it holds."""
    x, w, b = signed(np.random.default_rng(1), np.float32, (2, 12, 12, 8), (3, 3, 8, 16), 16)
    x[:, 5, 6] *= 10.0**exponent
    assert_agrees(x, w, b, ((1, 1), (1, 1)), tile)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("exponent", [-40, -22, 18])
def test_numbers_near_both_ends_of_the_range(isa, exponent, tile):
    x, w, b = (
        array * np.float32(10.0**exponent) for array in signed(np.random.default_rng(1), np.float32, (1, 8, 8, 16), (3, 3, 16, 16), 16)
    )
    assert_agrees(x, w, b, ((1, 1), (1, 1)), tile)


@pytest.mark.parametrize(("tile", "at"), [(3, 4), (4, 5), (5, 3)])
def test_transforms_beyond_the_range_give_what_the_direct_method_gives(isa, tile, at):
    """A pixel near the largest number, in the midst of a tile, overflows in the transform of an image, but not in the sums."""
    x, w, b = signed(np.random.default_rng(1), np.float32, (2, 9, 9, 4), (3, 3, 4, 8), 8)
    x[0, at, at, 1] = 3e38
    w *= np.float32(0.1)
    with winograd(tile):
        y = fastcnn.conv2d(x, w, b, padding=1)
        dx, dw, db = fastcnn.conv2d_backward(y / 1e30, x / 1e30, w, padding=1)
    scale = reference.conv2d(*absolute(x, w, b), padding=1)
    near = np.zeros((2, 9, 9, 1), bool)
    near[0, at - 1 : at + 2, at - 1 : at + 2] = True
    expected = reference.conv2d(x.astype(np.float64), w.astype(np.float64), b.astype(np.float64), padding=1)
    assert np.isfinite(y).all() and np.isfinite(dx).all() and np.isfinite(dw).all() and np.isfinite(db).all()
    assert_close(np.where(near, y, 0), np.where(near, expected, 0), terms=40, scale=np.where(near, scale, 1), dtype=np.float32)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("place", ["x", "w", "dy"])
def test_nan_and_infinities_pass_through_as_through_the_reference(isa, tile, place):
    arrays = dict(zip("xwb", signed(np.random.default_rng(1), np.float32, (3, 11, 9, 6), (3, 3, 6, 20), 20), strict=True))
    arrays["dy"] = signed(np.random.default_rng(2), np.float32, (3, 11, 9, 20))[0]
    arrays[place] = with_special_values(np.random.default_rng(3), arrays[place])
    x, w, b, dy = arrays["x"], arrays["w"], arrays["b"], arrays["dy"]
    with winograd(tile):
        ours = fastcnn.conv2d(x, w, b, padding=1), *fastcnn.conv2d_backward(dy, x, w, padding=1)
    theirs = reference.conv2d(x, w, b, padding=1), *reference.conv2d_backward(dy, x, w, padding=1)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.isnan(our), np.isnan(their))
        np.testing.assert_array_equal(np.isposinf(our), np.isposinf(their))
        np.testing.assert_array_equal(np.isneginf(our), np.isneginf(their))


@pytest.mark.parametrize("tile", TILES)
def test_the_bits_depend_on_neither_threads_nor_batch(isa, tile):
    x, w, b = signed(np.random.default_rng(1), np.float32, (9, 14, 13, 20), (3, 3, 20, 40), 40)
    x[3, 5, 5, 2] = np.inf
    dy = signed(np.random.default_rng(2), np.float32, (9, 14, 13, 40))[0]
    with winograd(tile):
        with fastcnn.num_threads(1):
            y, dx = fastcnn.conv2d(x, w, b, padding=1), fastcnn.conv2d_backward(dy, x, w, padding=1)
        for threads in (2, 3, 7):
            with fastcnn.num_threads(threads):
                assert_same_bits(fastcnn.conv2d(x, w, b, padding=1), y)
                for ours, theirs in zip(fastcnn.conv2d_backward(dy, x, w, padding=1), dx, strict=True):
                    assert_same_bits(ours, theirs)
        for some in (slice(0, 1), slice(2, 7), slice(8, 9)):
            assert_same_bits(fastcnn.conv2d(x[some], w, b, padding=1), y[some])
            assert_same_bits(fastcnn.conv2d_backward(dy[some], x[some], w, padding=1)[0], dx[0][some])


@pytest.mark.parametrize("tile", TILES)
def test_a_relu_in_the_same_pass(isa, tile):
    x, w, b = signed(np.random.default_rng(1), np.float32, (2, 9, 9, 16), (3, 3, 16, 16), 16)
    with winograd(tile):
        y = fastcnn.conv2d(x, w, b)
        assert np.any(y < 0)
        assert_same_bits(fastcnn.conv2d(x, w, b, activation="relu"), np.maximum(y, 0))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(1, 4, 4, 16), (3, 13, 13, 20), (2, 8, 7, 5), (5, 12, 15, 16), (9, 12, 12, 16)])
def test_a_max_pooling_in_the_same_pass_is_that_of_the_results(isa, tile, shape, relu):
    """Pooled tile by tile, the maxima and the winners are, bit for bit, those of the whole convolution."""
    x, w, b = signed(np.random.default_rng(1), np.float32, shape, (3, 3, shape[3], 33), 33)
    x[0, 1, 1, 0] = np.nan
    with winograd(tile):
        shape = canonical_shape(NHWC, x.shape, w.shape, 1, (1, 1), (1, 1), "valid")
        pair = conv_pool.ConvPoolShape.of(shape, (2, 2), (2, 2), "valid")
        y, winners = np.empty(pair.pool.y, np.float32), np.empty(pair.pool.y, np.uint8)
        assert _core.conv2d_max_pool2d(pair.conv, pair.pool, x, w, b, relu, y, winners)
        z, expected, taken = np.empty(pair.conv.y, np.float32), np.empty_like(y), np.empty_like(winners)
        _core.conv2d(pair.conv, x, w, b, False, z)
        _core.max_pool2d_winners(pair.pool, z, relu, expected, taken)
    assert_same_bits(y, expected)
    assert_same_bits(winners, taken)


#: In units of sqrt(channels + 16): what the errors' root mean square and the largest error are below, relative to the results'.
ERRORS = {3: (0.6e-7, 0.6e-6), 4: (1.0e-7, 1.2e-6), 5: (1.9e-7, 2.4e-6)}


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("channels", [16, 64, 256, 400])
def test_errors_on_data_without_structure_are_as_documented(isa, channels, tile):
    """Relative to the results' root mean square, and far from 2e-4 for every number of channels that a tile serves."""
    x, w = signed(np.random.default_rng(1), np.float32, (1, 34, 34, channels), (3, 3, channels, 64))
    with winograd(tile):
        assert fastcnn.explain_conv(x.shape, w.shape).algorithm == "winograd"
        y = fastcnn.conv2d(x, w)
    expected = fastcnn.conv2d(x.astype(np.float64), w.astype(np.float64))
    error = (y - expected) / np.sqrt(np.mean(expected**2))
    typical, largest = (bound * np.sqrt(channels + 16) for bound in ERRORS[tile])
    assert np.sqrt(np.mean(error**2)) < typical
    assert np.abs(error).max() < largest < 2e-4


# --- Chosen or not ------------------------------------------------------------------------------------------------------


def test_it_is_used_where_it_is_chosen_and_nowhere_else():
    """What explain_conv says is what conv2d does: bits are those of either method, forced."""
    for (h, c, f), op in itertools.product(
        [(56, 16, 16), (13, 32, 64), (12, 32, 64), (5, 64, 64), (7, 64, 64), (3, 64, 64), (20, 3, 64)],
        ["forward", "input gradient", "weight gradient"],
    ):
        x, w, dy = signed(np.random.default_rng(1), np.float32, (1, h, h, c), (3, 3, c, f), (1, h - 2, h - 2, f))
        compute = {
            "forward": lambda x=x, w=w: fastcnn.conv2d(x, w),
            "input gradient": lambda x=x, w=w, dy=dy: fastcnn.conv2d_backward(dy, x, w)[0],
            "weight gradient": lambda x=x, w=w, dy=dy: fastcnn.conv2d_backward(dy, x, w)[1],
        }[op]
        choice = fastcnn.explain_conv(x.shape, w.shape, op=op)
        chosen = {"direct": 0, "winograd": choice.tile}[choice.algorithm]
        with winograd(chosen):
            forced = compute()
        assert_same_bits(compute(), forced)
        for other in {0, *TILES} - {chosen}:
            with winograd(other):
                assert np.any(compute() != forced)


def test_the_choice_does_not_depend_on_the_number_of_images():
    for size in (5, 7, 13, 28):
        choices = {fastcnn.explain_conv((n, size, size, 32), (3, 3, 32, 64)) for n in (1, 2, 128, 10_000)}
        assert len(choices) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stride": 2}, "stride of 1"),
        ({"dilation": 2}, "neighbouring"),
        ({"w_shape": (5, 5, 64, 64)}, "3x3"),
        ({"dtype": np.float64}, "float32 only"),
        ({"x_shape": (1, 56, 56, 1024), "w_shape": (3, 3, 1024, 64)}, "memory"),
        ({"w_shape": (3, 3, 1, 64), "groups": 64}, "share vectors"),
        ({"w_shape": (3, 3, 16, 64), "groups": 4}, "share vectors"),
        ({"x_shape": (1, 3, 3, 64)}, "costs"),
    ],
)
def test_why_it_is_not_used(options, reason):
    choice = fastcnn.explain_conv(**{"x_shape": (1, 56, 56, 64), "w_shape": (3, 3, 64, 64), **options})
    assert choice.algorithm != "winograd"
    assert reason in choice.reason


@pytest.mark.parametrize("op", ["forward", "input gradient", "weight gradient"])
@pytest.mark.parametrize(
    ("x_shape", "w_shape"), [((1, 2**40, 4, 1), (3, 3, 1, 1)), ((1, 4, 2**31, 1), (3, 3, 1, 1)), ((1, 1, 1, 1), (2**40, 3, 1, 1))]
)
def test_the_choice_for_a_huge_shape_is_told_at_once(x_shape, w_shape, op):
    """Nothing is counted one by one: that would take minutes."""
    assert fastcnn.explain_conv(x_shape, w_shape, padding="same", op=op).reason


def test_predictions_follow_the_switch():
    """A model that has predicted by one method predicts by the other once it is told to: as its layers do, one after the other."""
    random.set_seed(1)
    model = networks.mnist_network()
    x = np.random.default_rng(1).standard_normal((3, 28, 28, 1)).astype(np.float32)
    predictions = []
    for use in (0, 1, 0):
        with winograd(use):
            predictions.append(model.predict(x, verbose=0))
            expected = x
            for layer in model.layers:
                expected = layer.infer(expected)
            assert_close(predictions[-1], expected, terms=700, scale=1.0)
    assert np.any(predictions[0] != predictions[1])
    assert_same_bits(predictions[2], predictions[0])


def test_it_can_be_switched_off_and_on():
    shapes = (1, 56, 56, 64), (3, 3, 64, 64)
    assert fastcnn.get_winograd()
    assert fastcnn.explain_conv(*shapes).algorithm == "winograd"
    with winograd(1):
        fastcnn.set_winograd(False)
        assert not fastcnn.get_winograd()
        assert not fastcnn.show_config(mode="dicts")["winograd"]
        assert fastcnn.explain_conv(*shapes)[:2] == ("direct", "Winograd's method is switched off")
        fastcnn.set_winograd(True)
        assert fastcnn.explain_conv(*shapes).algorithm == "winograd"


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"x_shape": (56, 56)}, ValueError, "x_shape"),
        ({"x_shape": "56"}, TypeError, "x_shape"),
        ({"x_shape": (1, 56, 2**63 - 1, 64)}, ValueError, "x_shape"),
        ({"w_shape": (3, 3, 64)}, ValueError, "w_shape"),
        ({"op": "backward"}, ValueError, "op"),
        ({"dtype": np.int32}, ValueError, "dtype"),
        ({"groups": 0}, ValueError, "groups"),
    ],
)
def test_bad_arguments_are_named(options, error, name):
    with pytest.raises(error, match=name):
        fastcnn.explain_conv(**{"x_shape": (1, 56, 56, 64), "w_shape": (3, 3, 64, 64), **options})
    with pytest.raises(TypeError, match="allowed"):
        fastcnn.set_winograd("no")
