"""A convolution and a max pooling in one, against the two in a row and the reference; outputs start as NaN, winners as 255."""

import functools

import numpy as np
import pytest
from compare import assert_close, assert_same_bits, scale_of
from kernels import by_name, on_both_dtypes, signed, with_special_values

import fastcnn
from fastcnn import _core, reference
from fastcnn.ops import conv, conv_pool
from fastcnn.ops._images import NHWC

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

CONV, POOL = {"stride": (1, 1), "padding": "valid", "dilation": (1, 1)}, {"pool_size": (2, 2), "stride": (2, 2), "padding": "valid"}
#: name: (x's shape, w's shape, the convolution's options, the pooling's).
PAIRS = {
    "2x2": ((3, 8, 6, 3), (3, 3, 3, 16), {}, {}),
    "rows and columns that no window reads": ((2, 9, 12, 5), (3, 3, 5, 32), {}, {"pool_size": (2, 3), "stride": (2, 3)}),
    "same": ((2, 7, 5, 3), (3, 3, 3, 17), {"padding": "same"}, {"padding": "same"}),
    "same, with padding before and after": (
        (2, 7, 8, 2),
        (3, 2, 2, 16),
        {"padding": "same"},
        {"pool_size": (4, 4), "stride": (4, 4), "padding": "same"},
    ),
    "strided and dilated": ((2, 15, 14, 3), (2, 3, 3, 33), {"stride": (2, 1), "dilation": (1, 2)}, {}),
    "gaps between windows": ((2, 9, 9, 4), (2, 2, 4, 16), {}, {"pool_size": (1, 2), "stride": (3, 3)}),
    "overlapping": ((2, 8, 9, 3), (3, 3, 3, 16), {}, {"pool_size": (3, 3), "stride": (2, 2)}),
    "side by side alone overlapping": ((2, 8, 9, 3), (3, 3, 3, 16), {}, {"pool_size": (2, 3), "stride": (2, 1)}),
    "grouped": ((2, 6, 6, 4), (3, 3, 2, 6), {"groups": 2}, {}),
    "one filter": ((2, 6, 7, 2), (3, 3, 2, 1), {}, {}),
    "one number": ((1, 1, 1, 1), (1, 1, 1, 1), {}, {"pool_size": (1, 1), "stride": (1, 1)}),
    "an empty batch": ((0, 6, 6, 2), (3, 3, 2, 4), {}, {}),
    "bands of the plane": ((2, 70, 66, 1), (2, 2, 1, 32), {}, {}),
    "bands of the plane, padded": (
        (1, 69, 66, 1),
        (2, 2, 1, 32),
        {"padding": "same"},
        {"pool_size": (3, 2), "stride": (3, 2), "padding": "same"},
    ),
    "few taps": ((3, 14, 11, 1), (5, 4, 1, 48), {"stride": (1, 2), "dilation": (2, 1)}, {"pool_size": (3, 2), "stride": (3, 2)}),
    "four taps in a line": ((2, 9, 18, 2), (3, 3, 2, 112), {"stride": (2, 1)}, {"pool_size": (1, 4), "stride": (2, 4)}),
    "few taps, few channels": ((2, 10, 9, 5), (2, 2, 5, 80), {}, {"pool_size": (3, 2), "stride": (3, 2)}),
    "rows too long for a band": ((1, 3, 800, 1), (2, 2, 1, 64), {}, {}),
    "sums beyond a block": ((1, 4, 4, 700), (2, 2, 700, 16), {}, {}),
}


class Pair:
    """The arrays of a case, a ReLU between or not, and what comes of the two kernels in a row."""

    def __init__(self, name, dtype, relu):
        x_shape, w_shape, conv, pool = PAIRS[name]
        self.groups = conv.get("groups", 1)
        self.conv, self.pool = CONV | {key: value for key, value in conv.items() if key != "groups"}, POOL | pool
        rng = np.random.default_rng(1)
        self.x, self.w, self.b = signed(rng, dtype, x_shape, w_shape, w_shape[-1])
        self.relu = relu
        self.options = self.conv | {"groups": self.groups}
        self.z = fastcnn.conv2d(self.x, self.w, self.b, activation="relu" if relu else None, **self.options)
        self.y, self.indices = fastcnn.max_pool2d(self.z, return_indices=True, **self.pool)
        (self.dy,) = signed(rng, dtype, self.y.shape)

    def shape(self):
        pool_size, stride, padding = self.pool["pool_size"], self.pool["stride"], self.pool["padding"]
        shape = conv.forward_shape(NHWC, self.x, self.w, groups=self.groups, **self.conv)
        return conv_pool.ConvPoolShape.of(shape, pool_size, stride, padding)

    def in_a_row(self):
        """The maxima of what the pooling reads of the convolution's plane: tiles of Winograd's method are chosen for that."""
        shape = self.shape()
        z = conv.forward(shape.conv, self.x, self.w, self.b, self.relu)
        y = np.full(shape.pool.y, np.nan, z.dtype)
        _core.max_pool2d(shape.pool, z, y, None)
        return y

    def forward(self, training):
        return conv_pool.conv2d_max_pool2d(self.x, self.w, self.b, self.shape(), self.relu, training)

    def backward(self, input_grad):
        y, winners = self.forward(training=True)
        return conv_pool.conv2d_max_pool2d_backward(self.dy, y if self.relu else None, winners, self.x, self.w, self.shape(), input_grad)


@on_both_dtypes
@pytest.mark.parametrize("relu", [False, True])
@by_name(PAIRS)
def test_the_maxima_are_those_of_the_two_in_a_row(isa, name, relu, dtype):
    pair = Pair(name, dtype, relu)
    (y, winners), (alone, none) = pair.forward(training=True), pair.forward(training=False)
    expected = pair.in_a_row()
    assert_same_bits(y, expected)
    assert_same_bits(alone, expected)
    assert winners.dtype == np.uint8
    assert none is None


@on_both_dtypes
@by_name([name for name in PAIRS if "band" not in name and "block" not in name])
def test_the_maxima_are_those_of_the_reference(isa, name, dtype):
    pair = Pair(name, dtype, relu=True)
    convolve = functools.partial(reference.conv2d, **pair.options)
    expected = reference.max_pool2d(reference.relu(convolve(pair.x, pair.w, pair.b)), **pair.pool)
    scale = reference.max_pool2d(scale_of(convolve, pair.x, pair.w, pair.b), **pair.pool)
    assert_close(pair.forward(training=False)[0], expected, terms=pair.w[..., 0].size + 1, scale=scale)


@on_both_dtypes
@pytest.mark.parametrize("relu", [False, True])
@by_name(PAIRS)
def test_the_gradients_are_those_of_the_reference(isa, name, relu, dtype):
    """Of the reference's loops where they are quick enough, else of the kernels in a row, which are checked against those."""
    pair = Pair(name, dtype, relu)
    library = fastcnn if "band" in name or "block" in name else reference
    slopes = library.relu_backward(pair.dy, pair.y) if relu else pair.dy
    dz = library.max_pool2d_backward(slopes, pair.indices, pair.z.shape)
    backward = functools.partial(library.conv2d_backward, **pair.options)
    expected, scales = backward(dz, pair.x, pair.w), scale_of(backward, dz, pair.x, pair.w)
    filters, windows = pair.w.shape[-1] // pair.groups, max(dz.size // dz.shape[-1], 1)
    terms = pair.w.shape[0] * pair.w.shape[1] * filters, windows, windows
    for with_dx in (True, False):
        dx, dw, db = pair.backward(with_dx)
        assert (dx is not None) == with_dx
        for result, theirs, scale, count in list(zip((dx, dw, db), expected, scales, terms, strict=True))[not with_dx :]:
            assert_close(result, theirs, terms=count, scale=scale)


@pytest.mark.parametrize("name", ["2x2", "four taps in a line", "same", "bands of the plane, padded"])
def test_nan_wins_and_passes(isa, name):
    pair = Pair(name, np.float32, relu=True)
    pair.x[0, 2, 2, 0] = np.nan
    y, _ = pair.forward(training=False)
    assert np.isnan(y).any()
    assert_same_bits(y, pair.in_a_row())


@on_both_dtypes
@pytest.mark.parametrize("spoilt", ["x", "dy"])
@pytest.mark.parametrize("name", ["2x2", "few taps", "same"])
def test_nan_and_infinity_pass_into_the_gradients(isa, name, spoilt, dtype):
    """What was not won is a zero, and zero times infinity is NaN."""
    pair = Pair(name, dtype, relu=False)
    _, winners = pair.forward(training=True)
    array = pair.x if spoilt == "x" else pair.dy
    array[...] = with_special_values(np.random.default_rng(2), array)
    dz = reference.max_pool2d_backward(pair.dy, pair.indices, pair.z.shape)
    _, dw, db = conv_pool.conv2d_max_pool2d_backward(pair.dy, None, winners, pair.x, pair.w, pair.shape(), input_grad=False)
    backward = functools.partial(reference.conv2d_backward, **pair.options)
    _, expected_dw, expected_db = backward(dz, pair.x, pair.w)
    _, scale_dw, scale_db = scale_of(backward, dz, pair.x, pair.w)
    assert_close(dw, expected_dw, terms=dz[..., 0].size, scale=scale_dw)
    assert_close(db, expected_db, terms=dz[..., 0].size, scale=scale_db)


@on_both_dtypes
@pytest.mark.parametrize("name", ["2x2", "few taps", "bands of the plane", "bands of the plane, padded"])
def test_threads_and_batches_change_no_bit(isa, name, dtype):
    pair = Pair(name, dtype, relu=True)
    with fastcnn.num_threads(1):
        alone = *pair.forward(training=True), *pair.backward(input_grad=False)[1:]
    for threads in (2, 3, 7):
        with fastcnn.num_threads(threads):
            for ours, theirs in zip((*pair.forward(training=True), *pair.backward(input_grad=False)[1:]), alone, strict=True):
                assert_same_bits(ours, theirs)
    images = pair.x
    for n in range(len(images)):
        pair.x = images[n : n + 1]
        assert_same_bits(pair.forward(training=False)[0], alone[0][n : n + 1])


@pytest.mark.parametrize(
    ("name", "fused"),
    [
        ("2x2", True),
        ("bands of the plane", True),
        ("overlapping", False),
        ("grouped", False),
        ("rows too long for a band", False),
        ("sums beyond a block", False),
    ],
)
def test_what_is_fused(name, fused):
    """The cases above take both ways: the fused one, and the two kernels in a row."""
    pair = Pair(name, np.float32, relu=False)
    conv, pool = pair.shape()
    y = np.empty(pair.y.shape, np.float32)
    assert _core.conv2d_max_pool2d(conv, pool, pair.x, pair.w, pair.b, False, y, None) == fused


@pytest.mark.parametrize(("name", "fused"), [("2x2", True), ("overlapping", True), ("bands of the plane", True), ("grouped", False)])
def test_which_weight_gradients_are_fused(isa, name, fused):
    pair = Pair(name, np.float32, relu=False)
    (conv, pool), (_, winners) = pair.shape(), pair.forward(training=True)
    dw, db = np.empty_like(pair.w), np.empty_like(pair.b)
    assert _core.conv2d_max_pool2d_weight_gradient(conv, pool, pair.dy, winners, None, pair.x, dw, db) == fused
