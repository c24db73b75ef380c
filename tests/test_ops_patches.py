"""im2col and its adjoint against the reference's loops, on every kernel set; outputs start as NaN."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, scale_of
from kernels import EDGES, by_name, channels_last, in_both_layouts, laid_out, on_both_dtypes, signed, with_special_values

import fastcnn
from fastcnn import reference

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

#: name: (x's shape, kernel_size, options).
PATCHES = {
    "3x2": ((2, 6, 5, 3), (3, 2), {}),
    "1x1": ((2, 3, 4, 5), 1, {}),
    "one image": ((5, 6, 3), 2, {"padding": 1}),
    "one number": ((1, 1, 1, 1), 1, {}),
    "an empty batch": ((0, 5, 6, 3), 2, {"padding": 1}),
    "as large as the plane": ((2, 4, 3, 2), (4, 3), {}),
    "strided": ((2, 7, 8, 3), 3, {"stride": (2, 3)}),
    "stride beyond the kernel": ((1, 7, 8, 3), (2, 1), {"stride": (3, 4)}),
    "same": ((1, 5, 6, 3), (3, 2), {"padding": "same"}),
    "same, strided and dilated": ((1, 7, 6, 3), 3, {"padding": "same", "stride": 2, "dilation": (1, 2)}),
    "valid": ((1, 5, 6, 3), 2, {"padding": "valid"}),
    "padded unevenly": ((1, 5, 4, 3), (2, 3), {"padding": ((2, 0), (1, 3))}),
    "padding beyond the kernel": ((1, 2, 3, 3), 2, {"padding": 4, "stride": 3}),
    "dilated": ((1, 7, 8, 3), (3, 2), {"dilation": (2, 3), "padding": 1}),
    "taps on both sides of the plane": ((1, 2, 3, 2), 3, {"dilation": (5, 4), "padding": (7, 6)}),
    "63 windows": ((1, 7, 9, 2), 1, {}),
    "64 windows": ((1, 8, 8, 2), 1, {}),
    "65 windows": ((1, 5, 13, 2), 1, {}),
    "many windows": ((3, 9, 10, 2), (2, 3), {"padding": 1}),
}


@functools.cache
def expected(name, dtype, data_format):
    """x, the reference's cols, other cols, what the reference folds them into, and its scale."""
    shape, kernel_size, options = PATCHES[name]
    rng = np.random.default_rng(1)
    x = laid_out(with_special_values(rng, *signed(rng, dtype, shape)), data_format)
    options = {"kernel_size": kernel_size, "data_format": data_format, **options}
    cols = reference.im2col(x, **options)
    (others,) = signed(rng, dtype, cols.shape)
    fold = functools.partial(reference.col2im, input_shape=x.shape, **options)
    return x, cols, others, fold(others), scale_of(fold, others), options


@in_both_layouts
@on_both_dtypes
@by_name(PATCHES)
def test_im2col_and_col2im(isa, name, dtype, data_format):
    x, cols, others, folded, scale, options = expected(name, dtype, data_format)
    assert_same_bits(fastcnn.im2col(x, **options), cols)
    assert_close(fastcnn.col2im(others, x.shape, **options), folded, terms=9, scale=scale)


@on_both_dtypes
@pytest.mark.parametrize("channels", EDGES)
def test_every_number_of_channels(isa, dtype, channels):
    (x,) = signed(np.random.default_rng(2), dtype, (2, 3, 3, channels))
    cols = fastcnn.im2col(x, 2, padding=((1, 0), (0, 0)))
    padded = np.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))
    taps = [padded[:, u : u + 3, v : v + 2] for u in (0, 1) for v in (0, 1)]
    assert_same_bits(cols, np.concatenate(taps, axis=-1))
    folded = fastcnn.col2im(cols, x.shape, 2, padding=((1, 0), (0, 0)))
    rows, columns = np.array([2, 2, 1]), np.array([1, 2, 1])  # how many windows cover a row, a column
    times = np.outer(rows, columns)[:, :, np.newaxis]
    assert_close(folded, (x * times).astype(dtype), terms=4, scale=np.abs(x * times))


@by_name(["strided", "padded unevenly", "dilated"])
def test_col2im_is_the_gradient_of_im2col(isa, name):
    shape, kernel_size, options = PATCHES[name]
    (x,) = signed(np.random.default_rng(3), np.float64, shape)
    patches = functools.partial(fastcnn.im2col, kernel_size=kernel_size, **options)
    (dy,) = signed(np.random.default_rng(4), np.float64, patches(x).shape)
    dx = fastcnn.col2im(dy, shape, kernel_size, **options)
    assert_gradient(dx, patches, x, dy, terms=1, scale=np.abs(patches(x)))


@on_both_dtypes
def test_patches_times_filters_are_the_convolution(isa, dtype):
    x, w = signed(np.random.default_rng(5), dtype, (2, 6, 5, 3), (3, 2, 3, 4))
    options = {"stride": 2, "padding": "same"}
    scale = scale_of(reference.conv2d, x, w, **options)
    y = fastcnn.dense(fastcnn.im2col(x, (3, 2), **options), w.reshape(18, 4))
    assert_close(y, reference.conv2d(x, w, **options), terms=18, scale=scale)
    first = fastcnn.im2col(laid_out(x, "channels_first"), (3, 2), data_format="channels_first", **options)
    y = np.einsum("nko,kf->nfo", first, w.transpose(2, 0, 1, 3).reshape(18, 4)).reshape(2, 4, 3, 3)
    assert_close(channels_last(y, "channels_first"), reference.conv2d(x, w, **options), terms=18, scale=scale)
