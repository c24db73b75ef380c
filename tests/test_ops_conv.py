"""Convolution, its transpose and their gradients against the reference's loops, on every kernel set; outputs start as NaN."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, scale_of
from kernels import EDGES, by_name, channels_last, in_both_layouts, laid_out, on_both_dtypes, signed, with_special_values

import fastcnn
from fastcnn import reference

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

#: name: (x's shape, w's shape, options).
CONVOLUTIONS = {
    "1x1": ((2, 5, 7, 9), (1, 1, 9, 5), {}),
    "3x3": ((2, 7, 5, 3), (3, 3, 3, 8), {}),
    "2x5": ((1, 6, 9, 5), (2, 5, 5, 3), {}),
    "as large as the plane": ((3, 4, 3, 2), (4, 3, 2, 7), {}),
    "one number": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "one image": ((5, 6, 3), (3, 2, 3, 4), {"padding": 1}),
    "many images": ((9, 3, 4, 2), (2, 2, 2, 3), {"padding": (1, 0)}),
    "an empty batch": ((0, 5, 4, 3), (3, 2, 3, 4), {"padding": 1, "stride": 2}),
    "strided": ((2, 7, 8, 3), (3, 3, 3, 4), {"stride": 2}),
    "strided, 1x1": ((2, 7, 8, 3), (1, 1, 3, 4), {"stride": 2}),
    "strided unevenly": ((1, 7, 8, 3), (2, 3, 3, 4), {"stride": (1, 3)}),
    "stride beyond the kernel": ((2, 8, 9, 3), (2, 1, 3, 4), {"stride": (3, 2)}),
    "stride beyond the plane": ((2, 4, 5, 2), (2, 3, 2, 3), {"stride": (7, 9), "padding": 1}),
    "valid": ((1, 6, 7, 3), (2, 3, 3, 4), {"padding": "valid"}),
    "valid, with pixels left over": ((1, 8, 7, 3), (2, 3, 3, 4), {"padding": "valid", "stride": (3, 3)}),
    "same": ((2, 5, 6, 3), (3, 2, 3, 4), {"padding": "same"}),
    "same, even kernel": ((1, 5, 6, 3), (4, 2, 3, 4), {"padding": "same"}),
    "same, strided": ((1, 7, 6, 3), (3, 3, 3, 4), {"padding": "same", "stride": 2}),
    "same, strided unevenly": ((1, 5, 8, 3), (2, 5, 3, 4), {"padding": "same", "stride": (3, 2)}),
    "same, dilated": ((1, 6, 5, 3), (3, 2, 3, 4), {"padding": "same", "dilation": (2, 3)}),
    "same, kernel beyond the plane": ((1, 2, 3, 2), (5, 4, 2, 3), {"padding": "same"}),
    "padded": ((2, 5, 4, 3), (3, 3, 3, 4), {"padding": 1}),
    "padded in a pair": ((2, 5, 4, 3), (3, 3, 3, 4), {"padding": (0, 2)}),
    "padded unevenly": ((1, 5, 4, 3), (3, 4, 3, 4), {"padding": ((1, 0), (0, 3)), "stride": (2, 1)}),
    "padding beyond the kernel": ((1, 3, 2, 3), (2, 2, 3, 4), {"padding": ((3, 4), (5, 2))}),
    "padding beyond the kernel, strided": ((1, 1, 1, 3), (2, 3, 3, 4), {"padding": 7, "stride": (3, 2)}),
    "dilated": ((1, 7, 8, 3), (3, 2, 3, 4), {"dilation": 2}),
    "dilated and strided": ((1, 9, 8, 3), (3, 3, 3, 4), {"dilation": (2, 3), "stride": (3, 2), "padding": 2}),
    "dilated by a multiple of the stride": ((1, 8, 9, 2), (3, 2, 2, 3), {"dilation": (4, 2), "stride": 2, "padding": 3}),
    "taps on both sides of the plane": ((1, 2, 3, 2), (3, 3, 2, 3), {"dilation": (5, 4), "padding": (7, 6)}),
    "grouped": ((2, 5, 4, 6), (3, 2, 2, 9), {"groups": 3}),
    "grouped, padded and strided": ((1, 7, 6, 4), (3, 3, 2, 6), {"groups": 2, "padding": "same", "stride": 2}),
    "grouped, a filter each": ((1, 5, 6, 6), (2, 2, 3, 2), {"groups": 2, "dilation": 2}),
    "depthwise": ((2, 5, 6, 7), (3, 2, 1, 7), {"groups": 7, "padding": 1}),
    "depthwise, strided and dilated": ((1, 7, 9, 16), (3, 3, 1, 16), {"groups": 16, "padding": (2, 1), "stride": 2, "dilation": (2, 1)}),
    "depthwise, taps beside the plane": ((1, 2, 2, 5), (2, 3, 1, 5), {"groups": 5, "padding": 4, "dilation": 3}),
    "depthwise, beyond a block of channels": ((1, 3, 4, 259), (2, 2, 1, 259), {"groups": 259, "padding": "same"}),
    "depthwise, beyond a block of windows": ((2, 9, 8, 3), (2, 1, 1, 3), {"groups": 3}),
    "depthwise, two filters a channel": ((2, 5, 6, 3), (3, 2, 1, 6), {"groups": 3, "padding": 1}),
    "depthwise, three filters a channel, strided": ((1, 6, 5, 5), (2, 3, 1, 15), {"groups": 5, "stride": 2, "padding": "same"}),
    "depthwise, a group of one": ((1, 5, 4, 1), (3, 3, 1, 1), {"groups": 1, "padding": "same"}),
    "depthwise, 5x5": ((1, 9, 13, 17), (5, 5, 1, 17), {"groups": 17, "padding": 2}),
    "depthwise, 5x5, strided": ((1, 11, 21, 16), (5, 5, 1, 16), {"groups": 16, "padding": 2, "stride": 2}),
    "depthwise, bands of rows": ((2, 17, 9, 33), (3, 3, 1, 33), {"groups": 33, "padding": 1, "stride": (1, 2)}),
    "depthwise, long pixels": ((1, 9, 3, 515), (3, 3, 1, 515), {"groups": 515, "padding": "same"}),
    "depthwise, pixels that share a cache set": ((1, 3, 5, 1024), (3, 3, 1, 1024), {"groups": 1024, "padding": 1}),
    "groups of three": ((1, 9, 8, 48), (3, 3, 3, 48), {"groups": 16, "padding": 1}),
    "groups of four": ((2, 17, 12, 32), (3, 3, 4, 32), {"groups": 8, "padding": 1}),
    "groups of four, dilated": ((1, 10, 11, 32), (3, 3, 4, 32), {"groups": 8, "padding": 2, "dilation": 2}),
    "groups of four, long pixels": ((1, 4, 9, 512), (3, 3, 4, 512), {"groups": 128, "padding": 1}),
    "groups of eight, strided": ((1, 10, 17, 64), (3, 3, 8, 64), {"groups": 8, "padding": 1, "stride": 2}),
    "groups of sixteen, a filter more": ((1, 16, 9, 48), (3, 3, 16, 51), {"groups": 3, "padding": 1}),
    "groups of sixteen, long pixels": ((1, 3, 6, 512), (3, 3, 16, 512), {"groups": 32, "padding": 1}),
    "groups, more filters than channels": ((1, 5, 9, 24), (3, 3, 2, 72), {"groups": 12}),
    "groups, more channels than filters": ((1, 5, 9, 72), (3, 3, 6, 24), {"groups": 12}),
    "groups beyond what strips hold": ((1, 3, 4, 140), (2, 2, 70, 6), {"groups": 2}),
    "sums beyond a block": ((1, 4, 4, 300), (3, 3, 300, 5), {"padding": ((1, 0), (0, 1))}),
    "sums beyond a block by one": ((1, 2, 3, 2561), (1, 1, 2561, 3), {}),
    "sums of one block exactly": ((1, 2, 3, 1280), (1, 1, 1280, 3), {}),
    "sums beyond a block, grouped": ((1, 3, 3, 600), (3, 3, 300, 4), {"groups": 2}),
    "few channels, strided": ((2, 9, 8, 3), (3, 3, 3, 16), {"stride": 2, "padding": 1}),
    "few channels, 7x7": ((1, 15, 13, 3), (7, 7, 3, 20), {"stride": 2, "padding": 3}),
    "few channels, stride beyond the kernel": ((1, 11, 12, 1), (3, 4, 1, 17), {"stride": (4, 5), "padding": (2, 1)}),
    "few channels, a stride of many vectors": ((1, 9, 40, 2), (4, 3, 2, 16), {"stride": (3, 17), "padding": 2}),
    "few channels, a stride beyond any plane": ((1, 4, 3, 1), (3, 3, 1, 16), {"stride": 2**31 - 1}),
    "few channels, padding beyond the kernel": ((1, 3, 2, 1), (4, 4, 1, 16), {"padding": ((5, 4), (6, 5))}),
    "few channels, kernel beyond the plane": ((1, 2, 3, 1), (5, 4, 1, 16), {"padding": "same"}),
    "few channels, parts of few lines": ((1, 40, 7, 1), (2, 5, 1, 16), {"padding": 2}),
    "few channels, parts of long lines": ((1, 17, 40, 3), (16, 16, 3, 16), {}),
    "gradients by many filters": ((1, 4, 5, 7), (3, 3, 7, 290), {"padding": 1}),
    "filters beyond a block": ((1, 2, 2, 520), (2, 2, 520, 600), {}),
    "pixels that share a cache set": ((1, 3, 5, 512), (1, 1, 512, 20), {}),
    "pixels that share a cache set, strided": ((1, 3, 9, 256), (1, 1, 256, 9), {"stride": (1, 2)}),
    "pixels that share a cache set, grouped": ((1, 3, 5, 512), (1, 1, 128, 8), {"groups": 4}),
    "windows of many pixels": ((1, 6, 30, 33), (2, 2, 33, 5), {"stride": (1, 5)}),
    "many windows": ((3, 23, 31, 2), (1, 1, 2, 3), {}),
    "many windows, padded": ((2, 17, 16, 2), (3, 3, 2, 5), {"padding": 1}),
    "many windows of one row": ((1, 1, 400, 3), (1, 2, 3, 2), {"padding": "same"}),
}
#: name: (x's shape, w's shape (KH, KW, F // groups, C), options).
TRANSPOSED = {
    "plain": ((2, 3, 4, 5), (3, 2, 4, 5), {}),
    "one image": ((3, 4, 5), (3, 3, 4, 5), {"padding": 1}),
    "an empty batch": ((0, 3, 4, 5), (3, 2, 4, 5), {"stride": 2}),
    "strided": ((2, 3, 4, 5), (3, 3, 4, 5), {"stride": 2}),
    "stride beyond the kernel": ((1, 3, 4, 5), (2, 1, 4, 5), {"stride": (3, 4)}),
    "padded": ((1, 4, 5, 3), (3, 4, 4, 3), {"padding": (1, 2), "stride": 2}),
    "padded unevenly": ((1, 4, 3, 3), (3, 4, 2, 3), {"padding": ((2, 0), (1, 3)), "stride": (2, 1)}),
    "output padded": ((1, 3, 4, 3), (3, 2, 4, 3), {"padding": 1, "stride": (2, 3), "output_padding": (1, 2)}),
    "dilated": ((1, 3, 4, 3), (2, 3, 4, 3), {"dilation": (3, 2), "output_padding": (2, 1), "padding": 1}),
    "dilated and strided": ((1, 4, 3, 3), (3, 2, 4, 3), {"dilation": (2, 3), "stride": (3, 2)}),
    "valid": ((2, 3, 4, 3), (3, 2, 4, 3), {"padding": "valid", "stride": 2}),
    "valid, stride beyond the kernel": ((1, 3, 4, 3), (2, 1, 4, 3), {"padding": "valid", "stride": (3, 4)}),
    "valid, dilated": ((1, 3, 4, 3), (2, 3, 4, 3), {"padding": "valid", "stride": (2, 5), "dilation": (3, 2)}),
    "same": ((2, 3, 4, 3), (3, 2, 4, 3), {"padding": "same", "stride": 2}),
    "same, even kernel": ((1, 3, 4, 3), (4, 2, 4, 3), {"padding": "same"}),
    "same, stride beyond the kernel": ((1, 3, 2, 3), (2, 1, 4, 3), {"padding": "same", "stride": 3}),
    "same, dilated": ((1, 4, 3, 3), (3, 2, 4, 3), {"padding": "same", "stride": (1, 2), "dilation": (2, 3)}),
    "few filters": ((2, 4, 5, 16), (5, 5, 3, 16), {"stride": 2, "padding": 2, "output_padding": 1}),
    "grouped": ((1, 3, 4, 6), (2, 3, 3, 6), {"groups": 2, "stride": 2}),
    "grouped, more filters than channels": ((1, 3, 4, 2), (2, 3, 4, 2), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 3, 4, 17), (3, 3, 1, 17), {"groups": 17, "stride": 2, "padding": "same"}),
    "depthwise, two filters a channel": ((1, 3, 4, 5), (2, 3, 2, 5), {"groups": 5}),
    "depthwise, 5x5, strided": ((1, 5, 9, 17), (5, 5, 1, 17), {"groups": 17, "stride": 2, "padding": 2, "output_padding": 1}),
    "depthwise, stride beyond the kernel": ((1, 3, 4, 16), (2, 1, 1, 16), {"groups": 16, "stride": (3, 4)}),
    "sums beyond a block": ((1, 3, 3, 700), (2, 2, 5, 700), {}),
    "many windows": ((2, 12, 13, 3), (3, 3, 4, 3), {"stride": 2, "padding": "valid"}),
}
#: Of both, those on which NaN and infinities are tried: they pass through every path of the kernels.
SPECIAL_CONVOLUTIONS = [
    "3x3",
    "strided",
    "same, strided",
    "padding beyond the kernel",
    "dilated and strided",
    "grouped, padded and strided",
    "depthwise, strided and dilated",
    "depthwise, two filters a channel",
    "sums beyond a block",
    "many windows, padded",
    "pixels that share a cache set",
]
SPECIAL_TRANSPOSED = ["strided", "padded unevenly", "valid, stride beyond the kernel", "same, dilated", "grouped", "depthwise"]


class Expected:
    """The arrays of one case and what the reference makes of them: y, dx, dw and db, each with its scale and its number of terms."""

    def __init__(self, forward, backward, arrays, options, *, special):
        rng = np.random.default_rng(2)
        spoiled = functools.partial(with_special_values, rng) if special else np.asarray
        self.options = options
        self.x, self.w, self.b = spoiled(arrays[0]), spoiled(arrays[1]), arrays[2]
        y = forward(self.x, self.w, self.b, **options)
        self.dy = spoiled(*signed(rng, y.dtype, y.shape))
        self.results = y, *backward(self.dy, self.x, self.w, **options)
        self.scales = (
            scale_of(forward, self.x, self.w, self.b, **options),
            *scale_of(backward, self.dy, self.x, self.w, **options),
        )
        taps = self.w.shape[0] * self.w.shape[1]
        channels, filters = (array.shape[-1] // options.get("groups", 1) for array in (self.x, y))
        pixels, windows = (max(array.size // array.shape[-1], 1) for array in (self.x, y))
        self.terms = taps * channels + 1, taps * filters, min(pixels, windows), windows


@functools.cache
def convolution(name, dtype, special=False):
    x_shape, w_shape, options = CONVOLUTIONS[name]
    arrays = signed(np.random.default_rng(1), dtype, x_shape, w_shape, w_shape[3])
    return Expected(reference.conv2d, reference.conv2d_backward, arrays, options, special=special)


@functools.cache
def transposed(name, dtype, special=False):
    x_shape, w_shape, options = TRANSPOSED[name]
    arrays = signed(np.random.default_rng(1), dtype, x_shape, w_shape, w_shape[2] * options.get("groups", 1))
    return Expected(reference.conv2d_transpose, reference.conv2d_transpose_backward, arrays, options, special=special)


def assert_agrees(forward, backward, expected, data_format):
    """Assert that `forward` and `backward` make of the arrays of `expected` what the reference makes of them."""
    x, dy = laid_out(expected.x, data_format), laid_out(expected.dy, data_format)
    options = {"data_format": data_format, **expected.options}
    y = forward(x, expected.w, expected.b, **options)
    dx, dw, db = backward(dy, x, expected.w, **options)
    ours = channels_last(y, data_format), channels_last(dx, data_format), dw, db
    for result, theirs, scale, terms in zip(ours, expected.results, expected.scales, expected.terms, strict=True):
        assert_close(result, theirs, terms=terms, scale=scale)


# --- Against the reference ---------------------------------------------------------------------------------------------


@in_both_layouts
@on_both_dtypes
@by_name(CONVOLUTIONS)
def test_conv2d_and_its_gradients(isa, name, dtype, data_format):
    assert_agrees(fastcnn.conv2d, fastcnn.conv2d_backward, convolution(name, dtype), data_format)


@in_both_layouts
@on_both_dtypes
@by_name(TRANSPOSED)
def test_conv2d_transpose_and_its_gradients(isa, name, dtype, data_format):
    assert_agrees(fastcnn.conv2d_transpose, fastcnn.conv2d_transpose_backward, transposed(name, dtype), data_format)


@on_both_dtypes
@by_name(SPECIAL_CONVOLUTIONS)
def test_nan_and_infinities_pass_through_conv2d_as_through_the_reference(isa, name, dtype):
    expected = convolution(name, dtype, special=True)
    assert_agrees(fastcnn.conv2d, fastcnn.conv2d_backward, expected, "channels_last")


@on_both_dtypes
@by_name(SPECIAL_TRANSPOSED)
def test_nan_and_infinities_pass_through_conv2d_transpose_as_through_the_reference(isa, name, dtype):
    expected = transposed(name, dtype, special=True)
    assert_agrees(fastcnn.conv2d_transpose, fastcnn.conv2d_transpose_backward, expected, "channels_last")


@on_both_dtypes
@pytest.mark.parametrize("special", [False, True])
@by_name(["3x3", "depthwise", "padding beyond the kernel", "grouped", "sums beyond a block"])
def test_a_relu_in_the_same_pass(isa, name, dtype, special):
    expected = convolution(name, dtype, special)
    y = fastcnn.conv2d(expected.x, expected.w, expected.b, activation="relu", **expected.options)
    assert np.any(y == 0)
    assert np.any(y > 0)
    assert_close(y, reference.relu(expected.results[0]), terms=expected.terms[0], scale=expected.scales[0])


@on_both_dtypes
@by_name(["3x3", "depthwise", "padding beyond the kernel", "many windows"])
def test_without_a_bias(isa, name, dtype):
    expected = convolution(name, dtype)
    y = fastcnn.conv2d(expected.x, expected.w, **expected.options)
    scale = scale_of(reference.conv2d, expected.x, expected.w, **expected.options)
    assert_close(y, reference.conv2d(expected.x, expected.w, **expected.options), terms=expected.terms[0], scale=scale)


def test_the_inputs_gradient_is_left_out_if_not_wanted(isa):
    for backward, expected in [
        (fastcnn.conv2d_backward, convolution("padded", np.float32)),
        (fastcnn.conv2d_transpose_backward, transposed("dilated", np.float32)),
    ]:
        wanted = backward(expected.dy, expected.x, expected.w, **expected.options)
        unwanted = backward(expected.dy, expected.x, expected.w, input_grad=False, **expected.options)
        assert unwanted[0] is None
        assert_same_bits(unwanted[1], wanted[1])
        assert_same_bits(unwanted[2], wanted[2])


# --- About the edges of vectors, tiles and blocks: parts of one problem, whose results are parts of its results --------------


@functools.cache
def row_of_windows(dtype):
    """One row of windows, more than any edge; x, w, b, y and y's scale."""
    x, w, b = signed(np.random.default_rng(3), dtype, (1, 1, EDGES[-1] + 1, 3), (1, 2, 3, EDGES[-1]), EDGES[-1])
    return x, w, b, reference.conv2d(x, w, b), scale_of(reference.conv2d, x, w, b)


@on_both_dtypes
@pytest.mark.parametrize("filters", EDGES)
def test_every_number_of_windows_and_filters(isa, dtype, filters):
    x, w, b, y, scale = row_of_windows(dtype)
    for windows in EDGES:
        part = fastcnn.conv2d(x[:, :, : windows + 1], w[..., :filters], b[:filters])
        assert_close(part, y[:, :, :windows, :filters], terms=7, scale=scale[:, :, :windows, :filters])


@functools.cache
def images_of_one_pixel(dtype, windows):
    """A 1x1 convolution of as many images of one pixel as `windows`: dy, x, dw and dw's scale."""
    x, w, dy = signed(np.random.default_rng(4), dtype, (windows, 1, 1, EDGES[-1]), (1, 1, EDGES[-1], EDGES[-1]), (windows, 1, 1, EDGES[-1]))
    return dy, x, reference.conv2d_backward(dy, x, w)[1], scale_of(reference.conv2d_backward, dy, x, w)[1]


@on_both_dtypes
@pytest.mark.parametrize("windows", [1, 2, 127, 128, 129, 257])
def test_every_size_of_the_weights_gradient_and_depth_of_its_sums(isa, dtype, windows):
    dy, x, dw, scale = images_of_one_pixel(dtype, windows)
    for channels in EDGES:
        for filters in EDGES[channels % 2 :: 2]:
            _, part, _ = fastcnn.conv2d_backward(
                dy[..., :filters], x[..., :channels], np.ones((1, 1, channels, filters), dtype), input_grad=False
            )
            assert_close(part, dw[:, :, :channels, :filters], terms=windows, scale=scale[:, :, :channels, :filters])


@functools.cache
def depthwise_row(dtype):
    """A depthwise convolution of more channels than any edge; x, w, and the reference's y, dx and dw, with their scales."""
    shapes = (1, 2, 4, EDGES[-1]), (2, 3, 1, EDGES[-1]), (1, 1, 2, EDGES[-1])
    x, w, dy = signed(np.random.default_rng(5), dtype, *shapes)
    options = {"groups": EDGES[-1]}
    results = reference.conv2d(x, w, **options), *reference.conv2d_backward(dy, x, w, **options)
    scales = scale_of(reference.conv2d, x, w, **options), *scale_of(reference.conv2d_backward, dy, x, w, **options)
    return x, w, dy, results, scales


@on_both_dtypes
@pytest.mark.parametrize("channels", EDGES[1:])
def test_every_number_of_depthwise_channels(isa, dtype, channels):
    x, w, dy, results, scales = depthwise_row(dtype)
    x, w, dy = x[..., :channels], w[..., :channels], dy[..., :channels]
    y = fastcnn.conv2d(x, w, groups=channels)
    gradients = fastcnn.conv2d_backward(dy, x, w, groups=channels)
    for ours, theirs, scale in zip((y, *gradients), results, scales, strict=True):
        assert_close(ours, theirs[..., :channels], terms=6, scale=scale[..., :channels])


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_images_that_are_more_than_caches_hold(isa, stride):
    """What is read is fetched ahead of its use then; one image alone is not."""
    x, w = signed(np.random.default_rng(15), np.float32, (5, 113, 120, 33), (3, 3, 1, 33))
    assert x[0].nbytes < 8 << 20 < x.nbytes
    options = {"groups": 33, "padding": 1, "stride": stride}
    y = fastcnn.conv2d(x, w, **options)
    (dy,) = signed(np.random.default_rng(16), np.float32, y.shape)
    dx, dw, _ = fastcnn.conv2d_backward(dy, x, w, **options)
    for n in range(5):
        assert_same_bits(fastcnn.conv2d(x[n], w, **options), y[n])
        assert_same_bits(fastcnn.conv2d_backward(dy[n], x[n], w, **options)[0], dx[n])
    padded, wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64), dy.astype(np.float64)
    rows, cols = (stride * (size - 1) + 1 for size in y.shape[1:3])
    for u, v in np.ndindex(3, 3):
        products = padded[:, u : u + rows : stride, v : v + cols : stride] * wide
        scale = np.abs(products).sum(axis=(0, 1, 2))
        assert_close(dw[u, v, 0], products.sum(axis=(0, 1, 2)), terms=y[..., 0].size, scale=scale, dtype=np.float32)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 511, 512, 513, 1025, 1024 * 512 + 1])
@on_both_dtypes
def test_every_number_of_windows_in_the_biass_gradient(isa, dtype, rows):
    columns = 2 if rows > 10_000 else 33
    (dy,) = signed(np.random.default_rng(6), dtype, (rows, 1, 1, columns))
    _, _, db = fastcnn.conv2d_backward(dy, np.ones((rows, 1, 1, 1), dtype), np.ones((1, 1, 1, columns), dtype), input_grad=False)
    wide = dy.astype(np.float64).reshape(rows, columns)
    assert_close(db, wide.sum(axis=0), terms=rows, scale=np.abs(wide).sum(axis=0), dtype=dtype)


# --- Otherwise -----------------------------------------------------------------------------------------------------------


@by_name(["3x3", "padded unevenly", "dilated and strided", "depthwise, two filters a channel"])
def test_gradients_of_conv2d_by_central_differences(isa, name):
    x_shape, w_shape, options = CONVOLUTIONS[name]
    x, w, b = signed(np.random.default_rng(7), np.float64, (1, *x_shape[1:]), w_shape, w_shape[3])
    dy = np.random.default_rng(8).standard_normal(fastcnn.conv2d(x, w, b, **options).shape)
    assert_gradients(fastcnn.conv2d, fastcnn.conv2d_backward, (x, w, b), dy, options)


@by_name(["strided", "padded unevenly", "valid, stride beyond the kernel", "grouped"])
def test_gradients_of_conv2d_transpose_by_central_differences(isa, name):
    x_shape, w_shape, options = TRANSPOSED[name]
    x, w, b = signed(np.random.default_rng(9), np.float64, (1, *x_shape[1:]), w_shape, w_shape[2] * options.get("groups", 1))
    dy = np.random.default_rng(10).standard_normal(fastcnn.conv2d_transpose(x, w, b, **options).shape)
    assert_gradients(fastcnn.conv2d_transpose, fastcnn.conv2d_transpose_backward, (x, w, b), dy, options)


def assert_gradients(forward, backward, arrays, dy, options):
    """Assert that `backward` gives the gradients of ``sum(dy * forward(*arrays))``, without asking the reference."""
    scale = scale_of(forward, *arrays, **options)
    for i, gradient in enumerate(backward(dy, *arrays[:2], **options)):
        function = functools.partial(with_one_replaced, forward, arrays, i, options)
        assert_gradient(gradient, function, arrays[i], dy, terms=arrays[1].size + 1, scale=scale)


def with_one_replaced(forward, arrays, i, options, array):
    return forward(*arrays[:i], array, *arrays[i + 1 :], **options)


def test_a_bias_beyond_the_largest_number_is_inf_without_a_warning():
    x, w = signed(np.random.default_rng(13), np.float32, (1, 3, 3, 2), (2, 2, 2, 2))
    y = fastcnn.conv2d(x, w, [1e300, 1.0])
    assert np.isposinf(y[..., 0]).all()
    assert np.isfinite(y[..., 1]).all()


@on_both_dtypes
@pytest.mark.parametrize("stride", [1, 2])
def test_convolve2d(isa, dtype, stride):
    image, kernel = signed(np.random.default_rng(11), dtype, (9, 8), (3, 2))
    scale = scale_of(reference.convolve2d, image, kernel, bias=2.0, stride=stride)
    y = fastcnn.convolve2d(image, kernel, -2.0, stride)
    assert_close(y, reference.convolve2d(image, kernel, -2.0, stride), terms=7, scale=scale)


def test_more_numbers_in_the_patches_than_32_bits_count(isa):
    """Were the patches laid out in memory, they would take 8 GB; and no index of 32 bits reaches the last of them."""
    side, kernel = 1480, 32
    x = np.random.default_rng(12).integers(-4, 5, (1, side, side, 1)).astype(np.float32)
    w = np.zeros((kernel, kernel, 1, 1), np.float32)
    w[0, 0], w[-1, -1] = 1, -2
    windows = side - kernel + 1
    assert windows**2 * kernel**2 > 2**31
    y = fastcnn.conv2d(x, w)
    assert_same_bits(y, x[:, :windows, :windows] - 2 * x[:, kernel - 1 :, kernel - 1 :])
