"""Pooling and its gradients against the reference's loops, on every kernel set; outputs start as NaN, indices as the largest integer."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, scale_of
from kernels import EDGES, by_name, channels_last, in_both_layouts, laid_out, on_both_dtypes, signed

import fastcnn
from fastcnn import reference
from fastcnn.ops import pool

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

#: name: (x's shape, options), of what both poolings take.
POOLINGS = {
    "2x2": ((2, 6, 4, 5), {}),
    "a plane": ((5, 7), {"pool_size": 2}),
    "a plane, padded": ((5, 6), {"pool_size": (3, 2), "stride": 1, "padding": ((1, 0), (0, 1))}),
    "one image": ((6, 7, 3), {"pool_size": (2, 3), "stride": (1, 2)}),
    "an empty batch": ((0, 5, 6, 3), {"pool_size": 2}),
    "many images": ((7, 3, 4, 2), {"pool_size": (2, 3), "stride": 1}),
    "one number": ((1, 1, 1, 1), {"pool_size": 1}),
    "1x1": ((2, 3, 4, 3), {"pool_size": 1}),
    "1x1, strided": ((2, 5, 4, 3), {"pool_size": 1, "stride": (2, 3)}),
    "as large as the plane": ((2, 4, 3, 5), {"pool_size": (4, 3)}),
    "overlapping": ((1, 7, 6, 3), {"pool_size": 3, "stride": (1, 2)}),
    "gaps between": ((1, 8, 9, 3), {"pool_size": (2, 1), "stride": (3, 4)}),
    "pixels left over": ((2, 7, 8, 3), {"pool_size": 3}),
    "stride beyond the plane": ((1, 4, 5, 3), {"pool_size": 2, "stride": 9}),
    "valid": ((1, 5, 6, 3), {"pool_size": 2, "padding": "valid"}),
    "same": ((2, 5, 6, 3), {"pool_size": 3, "padding": "same"}),
    "same, overlapping": ((1, 6, 5, 3), {"pool_size": (3, 4), "stride": (2, 1), "padding": "same"}),
    "same, window beyond the plane": ((1, 2, 3, 3), {"pool_size": 5, "stride": 1, "padding": "same"}),
    "padded": ((2, 5, 6, 3), {"pool_size": 3, "stride": 2, "padding": 1}),
    "padded in a pair": ((1, 5, 6, 3), {"pool_size": (2, 5), "stride": 1, "padding": (0, 2)}),
    "padded unevenly": ((1, 5, 6, 3), {"pool_size": (4, 3), "stride": (2, 3), "padding": ((2, 0), (0, 1))}),
    "ceil": ((1, 6, 7, 3), {"pool_size": 3, "stride": 2, "ceil_mode": True}),
    "ceil, a window dropped": ((1, 4, 5, 3), {"pool_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    "ceil, padded": ((2, 6, 5, 3), {"pool_size": (3, 4), "stride": (2, 3), "padding": (1, 2), "ceil_mode": True}),
    "ceil, padded unevenly": ((1, 6, 8, 3), {"pool_size": 4, "stride": 3, "padding": ((0, 2), (1, 0)), "ceil_mode": True}),
    "beyond a block of channels": ((2, 4, 5, 131), {"pool_size": 2, "stride": 1}),
    "a large window": ((1, 16, 17, 2), {"pool_size": 16, "stride": 1}),
}
#: Maximum pooling alone can spread its taps.
DILATED = {
    "dilated": ((2, 6, 7, 3), {"pool_size": 2, "stride": 1, "dilation": 2}),
    "dilated unevenly": ((1, 8, 7, 3), {"pool_size": (3, 2), "stride": 2, "dilation": (2, 4), "padding": (1, 0)}),
    "dilated, same": ((1, 5, 6, 3), {"pool_size": (2, 3), "stride": 2, "dilation": 2, "padding": "same"}),
    "dilated, ceil": ((1, 7, 9, 3), {"pool_size": 2, "stride": 3, "dilation": 3, "padding": 1, "ceil_mode": True}),
    "dilated, taps on both sides of the plane": ((1, 2, 3, 3), {"pool_size": 3, "stride": 1, "dilation": (2, 3), "padding": "same"}),
    "dilated, a plane": ((6, 7), {"pool_size": 3, "stride": 1, "dilation": (2, 3)}),
}
#: What the maximum is taken of: where padding of zeros would win, where many are equal, and where not every number is finite.
VALUES = {
    "negative": lambda rng, shape: -1 - rng.random(shape),
    "ties": lambda rng, shape: rng.integers(-1, 2, shape).astype(float),
    "signed zeros": lambda rng, shape: np.copysign(0.0, rng.standard_normal(shape)),
    "nan and infinities": lambda rng, shape: rng.choice([np.nan, np.inf, -np.inf, -1.0, 2.0], shape, p=[0.1, 0.1, 0.6, 0.1, 0.1]),
    "all -inf": lambda rng, shape: np.full(shape, -np.inf),
    "all nan": lambda rng, shape: np.full(shape, np.nan),
}


@functools.cache
def maxima(name, values, dtype):
    """x, the reference's y and indices, a dy, and the reference's dx with its scale."""
    shape, options = (POOLINGS | DILATED)[name]
    rng = np.random.default_rng(1)
    x = VALUES[values](rng, shape).astype(dtype)
    y, indices = reference.max_pool2d(x, return_indices=True, **options)
    (dy,) = signed(rng, dtype, y.shape)
    backward = functools.partial(reference.max_pool2d_backward, indices=indices, input_shape=shape)
    return x, y, indices, dy, backward(dy), scale_of(backward, dy)


@in_both_layouts
@on_both_dtypes
@pytest.mark.parametrize("values", VALUES)
@by_name(POOLINGS | DILATED)
def test_max_pool2d_its_indices_and_its_gradient(isa, name, values, dtype, data_format):
    _, options = (POOLINGS | DILATED)[name]
    x, y, indices, dy, dx, scale = maxima(name, values, dtype)
    given, options = laid_out(x, data_format), {**options, "data_format": data_format}
    ours, our_indices = fastcnn.max_pool2d(given, return_indices=True, **options)
    assert_same_bits(channels_last(ours, data_format), y)
    assert_same_bits(channels_last(our_indices, data_format), indices)
    assert_same_bits(channels_last(fastcnn.max_pool2d(given, **options), data_format), y)
    our_dx = fastcnn.max_pool2d_backward(laid_out(dy, data_format), our_indices, given.shape, data_format=data_format)
    assert_close(channels_last(our_dx, data_format), dx, terms=256, scale=scale)


@on_both_dtypes
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("values", ["negative", "ties", "nan and infinities"])
@by_name([name for name, (shape, options) in POOLINGS.items() if len(shape) == 4 and "ceil_mode" not in options])
def test_max_pool2d_winners_and_their_gradient(isa, name, values, relu, dtype):
    """What networks train with: a byte for each winner, and perhaps a ReLU in the same pass."""
    _, options = POOLINGS[name]
    x, y, indices, dy, dx, scale = maxima(name, values, dtype)
    pool_size, stride, padding = options.get("pool_size", 2), options.get("stride"), options.get("padding", 0)
    if relu:
        y, slopes = reference.relu(y), reference.relu_backward(dy, y)
        backward = functools.partial(reference.max_pool2d_backward, indices=indices, input_shape=x.shape)
        dx, scale = backward(slopes), scale_of(backward, slopes)
    ours, winners = pool.max_pool2d_winners(x, pool_size, stride, padding, relu)
    assert winners.dtype == np.uint8
    assert_close(ours, y, terms=1, scale=0.0)
    our_dx = pool.max_pool2d_winners_backward(dy, ours if relu else None, winners, x.shape, pool_size, stride, padding)
    assert_close(our_dx, dx, terms=256, scale=scale)


@functools.cache
def means(name, dtype, count_include_pad, special=False):
    """x, the reference's y, a dy and the reference's dx, with the scales of y and dx."""
    shape, options = POOLINGS[name]
    options = {**options, "count_include_pad": count_include_pad}
    rng = np.random.default_rng(2)
    x = VALUES["nan and infinities"](rng, shape).astype(dtype) if special else signed(rng, dtype, shape)[0]
    y = reference.avg_pool2d(x, **options)
    dy = VALUES["nan and infinities"](rng, y.shape).astype(dtype) if special else signed(rng, dtype, y.shape)[0]
    backward = functools.partial(reference.avg_pool2d_backward, input_shape=shape, **options)
    return x, y, dy, backward(dy), scale_of(reference.avg_pool2d, x, **options), scale_of(backward, dy)


@in_both_layouts
@on_both_dtypes
@pytest.mark.parametrize("count_include_pad", [False, True])
@by_name(POOLINGS)
def test_avg_pool2d_and_its_gradient(isa, name, count_include_pad, dtype, data_format):
    assert_means_agree(name, means(name, dtype, count_include_pad), count_include_pad, data_format)


@on_both_dtypes
@by_name(["overlapping", "padded unevenly", "same", "beyond a block of channels"])
def test_nan_and_infinities_pass_through_avg_pool2d_as_through_the_reference(isa, name, dtype):
    assert_means_agree(name, means(name, dtype, False, special=True), False, "channels_last")


def assert_means_agree(name, expected, count_include_pad, data_format):
    _, options = POOLINGS[name]
    x, y, dy, dx, y_scale, dx_scale = expected
    given, options = laid_out(x, data_format), {**options, "count_include_pad": count_include_pad, "data_format": data_format}
    terms = int(np.prod(np.broadcast_to(options.get("pool_size", 2), 2)))
    assert_close(channels_last(fastcnn.avg_pool2d(given, **options), data_format), y, terms=terms, scale=y_scale)
    ours = fastcnn.avg_pool2d_backward(laid_out(dy, data_format), given.shape, **options)
    assert_close(channels_last(ours, data_format), dx, terms=terms, scale=dx_scale)


# --- About the edges of vectors and blocks: parts of one problem, whose results are parts of its results ------------------


@functools.cache
def row_of_pixels(dtype):
    """A row of pixels of more channels than any edge, and the reference's results of pooling it."""
    x = np.random.default_rng(3).integers(-3, 4, (1, 2, 5, EDGES[-1])).astype(dtype)
    y, indices = reference.max_pool2d(x, 2, 1, return_indices=True)
    (dy,) = signed(np.random.default_rng(4), dtype, y.shape)
    backward = functools.partial(reference.max_pool2d_backward, indices=indices, input_shape=x.shape)
    average = functools.partial(reference.avg_pool2d_backward, input_shape=x.shape, pool_size=2, stride=1)
    gradients = [(backward(dy), scale_of(backward, dy)), (average(dy), scale_of(average, dy))]
    return x, y, indices, reference.avg_pool2d(x, 2, 1), scale_of(reference.avg_pool2d, x, pool_size=2, stride=1), dy, gradients


@on_both_dtypes
@pytest.mark.parametrize("channels", EDGES)
def test_every_number_of_channels(isa, dtype, channels):
    x, y, indices, mean, scale, dy, gradients = row_of_pixels(dtype)
    part = x[..., :channels]
    ours, our_indices = fastcnn.max_pool2d(part, 2, 1, return_indices=True)
    assert_same_bits(ours, np.ascontiguousarray(y[..., :channels]))
    assert_same_bits(our_indices, np.ascontiguousarray(indices[..., :channels]))
    assert_close(fastcnn.avg_pool2d(part, 2, 1), mean[..., :channels], terms=4, scale=scale[..., :channels])
    slopes = dy[..., :channels]
    our_gradients = (
        fastcnn.max_pool2d_backward(slopes, our_indices, part.shape),
        fastcnn.avg_pool2d_backward(slopes, part.shape, 2, 1),
    )
    for gradient, (theirs, dx_scale) in zip(our_gradients, gradients, strict=True):
        assert_close(gradient, theirs[..., :channels], terms=4, scale=dx_scale[..., :channels])


# --- Gradients by central differences -------------------------------------------------------------------------------------


@by_name(["overlapping", "padded unevenly", "ceil, padded", "dilated unevenly", "a plane, padded"])
def test_gradient_of_max_pool2d_by_central_differences(isa, name):
    shape, options = (POOLINGS | DILATED)[name]
    rng = np.random.default_rng(5)
    x = rng.permutation(np.arange(np.prod(shape)) / 4 - np.prod(shape) / 8).reshape(shape)  # no step changes which one is the largest
    y, indices = fastcnn.max_pool2d(x, return_indices=True, **options)
    dy = rng.standard_normal(y.shape)
    dx = fastcnn.max_pool2d_backward(dy, indices, shape)
    assert_gradient(dx, lambda x: fastcnn.max_pool2d(x, **options), x, dy, terms=1, scale=np.abs(y))


@pytest.mark.parametrize("count_include_pad", [False, True])
@by_name(["overlapping", "padded unevenly", "ceil, padded", "a plane, padded"])
def test_gradient_of_avg_pool2d_by_central_differences(isa, name, count_include_pad):
    shape, options = POOLINGS[name]
    means = functools.partial(fastcnn.avg_pool2d, count_include_pad=count_include_pad, **options)
    rng = np.random.default_rng(6)
    x = rng.standard_normal(shape)
    dy = rng.standard_normal(means(x).shape)
    dx = fastcnn.avg_pool2d_backward(dy, shape, count_include_pad=count_include_pad, **options)
    assert_gradient(dx, means, x, dy, terms=12, scale=scale_of(means, x))


@on_both_dtypes
@pytest.mark.parametrize("index_dtype", [np.int8, np.uint16, np.int32, np.uint64, ">i8"])
def test_indices_of_any_integer_dtype(isa, dtype, index_dtype):
    x, _, indices, dy, dx, scale = maxima("overlapping", "ties", dtype)
    ours = fastcnn.max_pool2d_backward(dy, indices.astype(index_dtype), x.shape)
    assert_close(ours, dx, terms=9, scale=scale)


@on_both_dtypes
@pytest.mark.parametrize("channels", EDGES)
@pytest.mark.parametrize("pool_size", [1, 2, 3])
def test_maxima_without_indices_are_those_with_them(isa, dtype, channels, pool_size):
    """They have a loop of their own, which leaves NaN, and whatever looks like it, to the other."""
    rng = np.random.default_rng(channels)
    x = rng.choice(np.array([-np.inf, -1, -0.0, 0.0, 2, np.inf, np.finfo(dtype).max], dtype), (2, 6, 7, channels))
    for spoilt in (x, np.where(rng.random(x.shape) < 0.05, dtype(np.nan), x)):
        maxima, _ = fastcnn.max_pool2d(spoilt, pool_size, return_indices=True)
        assert_same_bits(fastcnn.max_pool2d(spoilt, pool_size), maxima)
