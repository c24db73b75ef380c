"""The specification itself: by hand, against NumPy's own windows, and its gradients by central differences."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, scale_of
from numpy.lib.stride_tricks import sliding_window_view
from reference_cases import CONVOLUTIONS, POOLINGS, TRANSPOSED, by_name, convolution_of, signed, transposed_of

from fastcnn import reference

LETTER_O = np.array(
    [
        [0, 1, 1, 1, 1, 0],
        [1, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 1],
        [0, 1, 1, 1, 1, 0],
    ]
)
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
# The neighbours of each inner pixel of the letter, less 2.
LETTER_O_UNDER_RING = np.array([[2.0, 1, 1, 2], [1, -2, -2, 1], [1, -2, -2, 1], [2, 1, 1, 2]])


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def distinct(rng, shape):
    """Signed numbers, each a quarter or more from the next: no step of a central difference changes which one is the largest."""
    return rng.permutation(np.arange(np.prod(shape)) / 4 - np.prod(shape) / 8).reshape(shape)


def assert_gradients(gradients, function, arrays, dy):
    """Assert that `gradients` are those of ``sum(dy * function(*arrays))`` with respect to each of `arrays`."""
    assert len(gradients) == len(arrays)
    scale = scale_of(function, *arrays)
    terms = int(np.max(function(*(np.ones_like(array) for array in arrays))))
    for i, gradient in enumerate(gradients):
        assert_gradient(
            gradient, lambda array, i=i: function(*arrays[:i], array, *arrays[i + 1 :]), arrays[i], dy, terms=terms, scale=scale
        )


# --- By hand -----------------------------------------------------------------------------------------------------------


def test_the_letter_o_goes_through_the_tutorial():
    feature_map = reference.convolve2d(LETTER_O, RING, bias=-2)
    assert_same_bits(feature_map, LETTER_O_UNDER_RING)
    activated = reference.relu(feature_map)
    assert_same_bits(activated, np.array([[2.0, 1, 1, 2], [1, 0, 0, 1], [1, 0, 0, 1], [2, 1, 1, 2]]))
    assert_same_bits(reference.max_pool2d(activated, pool_size=2, stride=2), np.full((2, 2), 2.0))
    assert_same_bits(reference.avg_pool2d(activated), np.ones((2, 2)))


def test_conv2d_of_the_letter_o_with_a_relu():
    y = reference.conv2d(LETTER_O[:, :, np.newaxis], RING[:, :, np.newaxis, np.newaxis], [-2], activation="relu")
    assert_same_bits(y[:, :, 0], np.maximum(LETTER_O_UNDER_RING, 0))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_shape", [(1, 1), (3, 3), (2, 5), (6, 7)])
def test_convolve2d_is_the_tutorials_loop(rng, kernel_shape, stride):
    image, kernel = rng.integers(-9, 9, (6, 7)), rng.integers(-9, 9, kernel_shape)
    rows, columns = (6 - kernel_shape[0]) // stride + 1, (7 - kernel_shape[1]) // stride + 1
    expected = [
        [float(-2 + sum(image[i * stride + k, j * stride + m] * kernel[k, m] for k, m in np.ndindex(kernel_shape))) for j in range(columns)]
        for i in range(rows)
    ]
    assert_same_bits(reference.convolve2d(image, kernel, bias=-2, stride=stride), np.array(expected))
    planes = image[:, :, np.newaxis], kernel[:, :, np.newaxis, np.newaxis]
    assert_same_bits(reference.conv2d(*planes, [-2], stride=stride)[:, :, 0], np.array(expected))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pool_size", [1, 2, 3, 6])
def test_pooling_a_plane_is_the_tutorials_loop(rng, pool_size, stride):
    plane = rng.integers(-99, -9, (6, 9)).astype(float)
    windows = sliding_window_view(plane, (pool_size, pool_size))[::stride, ::stride]
    assert_same_bits(reference.max_pool2d(plane, pool_size, stride), windows.max(axis=(2, 3)))
    scale, terms = np.abs(windows).mean(axis=(2, 3)), pool_size**2
    assert_close(reference.avg_pool2d(plane, pool_size, stride), windows.mean(axis=(2, 3)), terms=terms, scale=scale)


def test_pooling_steps_by_the_pool_size_if_not_told():
    x = np.arange(35.0).reshape(5, 7)
    assert_same_bits(reference.max_pool2d(x, (2, 3)), reference.max_pool2d(x, (2, 3), (2, 3)))
    assert_same_bits(reference.avg_pool2d(x, (2, 3)), reference.avg_pool2d(x, (2, 3), (2, 3)))
    assert reference.max_pool2d(x).shape == (2, 3)


# --- Geometry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (5, 4, 1, 1, (1, 2)),
        (5, 3, 2, 1, (1, 1)),
        (6, 3, 2, 1, (0, 1)),
        (7, 3, 3, 1, (1, 1)),
        (8, 3, 3, 1, (0, 1)),
        (6, 1, 2, 1, (0, -1)),
        (5, 3, 1, 2, (2, 2)),
        (5, 2, 1, 3, (1, 2)),
        (6, 3, 2, 2, (1, 2)),
        (2, 7, 1, 1, (3, 3)),
        (4, 2, 4, 1, (0, -2)),
    ],
)
def test_same_is_tensorflows_rule(rng, size, kernel, stride, dilation, padding):
    """Negative padding after: the pixels that no window reaches are left out."""
    x, w = rng.standard_normal((1, 1, size, 2)), rng.standard_normal((1, kernel, 2, 3))
    x_used = x[:, :, : size + min(padding[1], 0)]
    explicit = ((0, 0), (padding[0], max(padding[1], 0)))
    options = {"stride": (1, stride), "dilation": (1, dilation)}
    same = reference.conv2d(x, w, padding="same", **options)
    assert same.shape == (1, 1, -(-size // stride), 3)
    assert_same_bits(same, reference.conv2d(x_used, w, padding=explicit, **options))
    assert_same_bits(
        reference.im2col(x, (1, kernel), padding="same", **options), reference.im2col(x_used, (1, kernel), padding=explicit, **options)
    )


@pytest.mark.parametrize("pool", [reference.max_pool2d, reference.avg_pool2d])
def test_same_pooling_ignores_its_padding(pool):
    x = np.array([[-4.0, -2, -6], [-1, -3, -9], [-8, -7, -5]])
    expected = {reference.max_pool2d: [[-1, -6], [-7, -5]], reference.avg_pool2d: [[-2.5, -7.5], [-7.5, -5]]}[pool]
    assert_same_bits(pool(x, 2, padding="same"), np.array(expected, float))


@pytest.mark.parametrize("padding", [1, (1, 1), ((1, 1), (1, 1)), [[1, 1], [1, 1]]])
def test_the_forms_of_padding_agree(rng, padding):
    x, w = rng.standard_normal((1, 4, 5, 1)), rng.standard_normal((3, 3, 1, 1))
    assert_same_bits(reference.conv2d(x, w, padding=padding), reference.conv2d(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), w))


def test_transposed_same_is_the_adjoint_of_convolution_same(rng):
    """Of an (H * stride) plane, where <conv2d(u), v> = <u, conv2d_transpose(v)>."""
    for kernel, stride, dilation in [((3, 2), 1, 1), ((3, 4), (2, 3), 1), ((1, 2), 3, 1), ((2, 3), 2, 3)]:
        v, w = rng.standard_normal((1, 2, 3, 4)), rng.standard_normal((*kernel, 2, 4))
        options = {"stride": stride, "dilation": dilation, "padding": "same"}
        u = rng.standard_normal(reference.conv2d_transpose(v, w, **options).shape)
        assert u.shape[1:3] == tuple(np.multiply(v.shape[1:3], stride))
        products = reference.conv2d(u, w, **options) * v
        others = u * reference.conv2d_transpose(v, w, **options)
        scale = np.sum(scale_of(reference.conv2d, u, w, **options) * np.abs(v))
        assert_close(others.sum(), products.sum(), terms=w.size * v.size, scale=scale)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "rows"),
    [
        (3, 3, 1, 1, 5),
        (3, 3, 2, 1, 7),
        (3, 2, 2, 1, 6),
        (3, 2, 3, 1, 9),
        (3, 1, 2, 1, 6),
        (3, 2, 4, 2, 12),
        (3, 2, 2, 3, 8),
        (1, 4, 3, 1, 4),
    ],
)
def test_transposed_valid_is_keras_rule(rng, size, kernel, stride, dilation, rows):
    """At least `stride` rows for each of the input: where the stride is beyond the kernel, the last rows show the bias alone."""
    x, w, b = signed(rng, (1, size, 1, 2), (kernel, 1, 3, 2), 3)
    options = {"stride": (stride, 1), "dilation": (dilation, 1)}
    valid, cut = (reference.conv2d_transpose(x, w, b, padding=padding, **options) for padding in ("valid", 0))
    assert valid.shape == (1, rows, 1, 3)
    assert_same_bits(valid[:, : cut.shape[1]], cut)
    assert_same_bits(valid[0, cut.shape[1] :, 0], np.broadcast_to(b, (rows - cut.shape[1], 3)))


def test_a_window_of_padding_alone_at_the_end_is_dropped():
    x = np.array([[-3.0], [-5.0]])
    y = reference.max_pool2d(x, (2, 1), 1, padding=((2, 1), (0, 0)), dilation=(3, 1))
    assert_same_bits(y, np.array([[-5.0]]))


# --- Special values ----------------------------------------------------------------------------------------------------


def test_max_pool2d_takes_the_first_of_equals_the_first_nan_and_never_the_padding():
    nan, inf = np.nan, np.inf
    x = np.array([[3.0, 3, -1, nan, -inf, -inf, 0, -0.0], [3, 3, nan, 7, -inf, -inf, -0.0, 0]])
    y, indices = reference.max_pool2d(x, return_indices=True)
    assert_same_bits(y, np.array([[3, nan, -inf, 0.0]]))
    assert_same_bits(indices, np.array([[0, 3, 4, 6]]))
    y, indices = reference.max_pool2d(np.full((2, 2), -inf), 2, 1, padding=1, return_indices=True)
    assert_same_bits(y, np.full((3, 3), -inf))
    assert_same_bits(indices, np.array([[0, 0, 1], [0, 0, 1], [2, 2, 3]]))


def test_nan_passes_through_a_relu_and_its_gradient():
    y = reference.relu([np.nan, -np.inf, np.inf, -1, 0, 2])
    assert_close(y, np.array([np.nan, 0, np.inf, 0, 0, 2]), terms=1, scale=0.0)
    assert_same_bits(reference.relu_backward(np.arange(1.0, 7), y), np.array([1.0, 0, 3, 0, 0, 6]))
    assert_same_bits(reference.relu_backward([np.nan, np.nan], [0.0, 1.0]), np.array([0.0, np.nan]))


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_padding_adds_nothing_not_even_times_infinity_or_nan(special):
    row, w, padding = np.ones((1, 3, 1)), np.array([1, 1, special]).reshape(1, 3, 1, 1), ((0, 0), (1, 1))
    y = reference.conv2d(row, w, padding=padding)
    assert_close(y[0, :, 0], np.array([special, special, 2]), terms=3, scale=2.0)  # the last window has padding under its last tap

    dy = np.array([1, 1, special]).reshape(1, 3, 1)
    dx, dw, _ = reference.conv2d_backward(dy, row, np.ones((1, 3, 1, 1)), padding=padding)
    assert_close(dx[0, :, 0], np.array([2, special, special]), terms=3, scale=2.0)
    assert_close(dw[0, :, 0, 0], np.array([special, special, 2]), terms=3, scale=2.0)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_what_a_transposed_convolution_cuts_off_adds_nothing(special):
    row, w, padding = np.ones((1, 3, 1)), np.array([special, 1, 1]).reshape(1, 3, 1, 1), ((0, 0), (1, 1))
    y = reference.conv2d_transpose(row, w, padding=padding)
    assert_close(y[0, :, 0], np.array([special, special, 2]), terms=3, scale=2.0)

    dy = np.array([special, 1, 1]).reshape(1, 3, 1)
    dx, dw, _ = reference.conv2d_transpose_backward(dy, row, np.ones((1, 3, 1, 1)), padding=padding)
    assert_close(dx[0, :, 0], np.array([special, special, 2]), terms=3, scale=2.0)
    assert_close(dw[0, :, 0, 0], np.array([special, special, 2]), terms=3, scale=2.0)


def test_softmax_does_not_overflow():
    assert_same_bits(reference.softmax([1e308, 1e308, -np.inf]), np.array([0.5, 0.5, 0]))
    loss, dlogits = reference.softmax_cross_entropy([[1000.0, 0.0]], [1])
    assert loss == 1000.0
    assert_same_bits(dlogits, np.array([[1.0, -1.0]]))


# --- What goes in and what comes out -----------------------------------------------------------------------------------


def kernels(x, w):
    """Every kernel's results for images x (N, H, W, C) and filters w (3, 2, C, C)."""
    dy, plane = reference.conv2d(x, w), x[0, :, :, 0]
    pooled, indices = reference.max_pool2d(x, return_indices=True)
    yield from (dy, *reference.conv2d_backward(dy, x, w), reference.conv2d_transpose(x, w))
    yield from reference.conv2d_transpose_backward(reference.conv2d_transpose(x, w), x, w)
    yield from (pooled, reference.max_pool2d_backward(pooled, indices, x.shape))
    yield from (reference.avg_pool2d(x), reference.avg_pool2d_backward(pooled, x.shape))
    yield from (reference.im2col(x, 2), reference.col2im(reference.im2col(x, 2), x.shape, 2))
    yield from (reference.dense(x, w[0, 0]), *reference.dense_backward(x, x, w[0, 0]))
    yield from (reference.relu(x), reference.relu_backward(x, x), reference.softmax(x))
    yield from (reference.softmax_cross_entropy(plane, np.zeros(len(plane), int))[1], reference.convolve2d(plane, w[:, :, 0, 0]))


@pytest.mark.parametrize(
    ("given", "working"),
    [
        (bool, np.float32),
        (np.uint8, np.float32),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.int32, np.float64),
        (">f8", np.float64),
    ],
)
def test_results_have_the_working_dtype(rng, given, working):
    x, w = (rng.integers(0, 5, shape).astype(given) for shape in ((2, 4, 5, 3), (3, 2, 3, 3)))
    copies = x.copy(), w.copy()
    assert {result.dtype for result in kernels(x, w)} == {np.dtype(working)}
    assert_same_bits(x, copies[0])
    assert_same_bits(w, copies[1])


def test_the_wider_operand_decides():
    x, w = np.ones((2, 2, 1), np.float32), np.ones((1, 1, 1, 1))
    assert reference.conv2d(x, w).dtype == reference.dense(x, w[0, 0]).dtype == np.float64
    assert reference.conv2d(x, w.astype(np.float32), np.ones(1)).dtype == np.float32


def test_results_are_rounded_once(rng):
    x, w = rng.standard_normal((1, 5, 5, 9)).astype(np.float32), rng.standard_normal((3, 3, 9, 4)).astype(np.float32)
    exact = reference.conv2d(x.astype(np.float64), w.astype(np.float64))
    assert_same_bits(reference.conv2d(x, w), exact.astype(np.float32))


def test_a_batch_is_its_images_and_channels_first_is_the_transpose(rng):
    x, w = rng.standard_normal((3, 5, 4, 2)), rng.standard_normal((2, 3, 2, 2))
    first = np.moveaxis(x, 3, 1)
    operations = [
        lambda x, **options: reference.conv2d(x, w, [1, -1], padding=((0, 1), (2, 0)), **options),
        lambda x, **options: reference.conv2d_transpose(x, w, [1, -1], stride=2, **options),
        lambda x, **options: reference.max_pool2d(x, (2, 3), 1, padding=1, **options),
        lambda x, **options: reference.max_pool2d(x, return_indices=True, **options)[1],
        lambda x, **options: reference.avg_pool2d(x, (2, 3), 1, padding=1, **options),
    ]
    for operation in operations:
        batch = operation(x)
        assert_same_bits(operation(first, data_format="channels_first"), np.moveaxis(batch, 3, 1))
        for n in range(3):
            assert_same_bits(operation(x[n]), batch[n])
            assert_same_bits(operation(first[n], data_format="channels_first"), np.moveaxis(batch[n], 2, 0))


def test_an_empty_batch_gives_empty_results_and_zero_gradients():
    x, w = np.zeros((0, 4, 4, 2)), np.ones((3, 3, 2, 2))
    dx, dw, db = reference.conv2d_backward(reference.conv2d(x, w), x, w)
    assert dx.shape == x.shape
    assert_same_bits(dw, np.zeros(w.shape))
    assert_same_bits(db, np.zeros(2))
    assert reference.conv2d_transpose(x, w, stride=2).shape == (0, 9, 9, 2)
    assert reference.max_pool2d(x).shape == reference.avg_pool2d(x).shape == (0, 2, 2, 2)
    assert reference.im2col(x, 3, data_format="channels_last").shape == (0, 2, 2, 18)
    loss, dlogits = reference.softmax_cross_entropy(np.zeros((0, 5)), np.zeros(0, int))
    assert np.isnan(loss)
    assert dlogits.shape == (0, 5)


def test_the_inputs_gradient_is_left_out_if_not_wanted(rng):
    x, w = rng.standard_normal((4, 4, 2)), rng.standard_normal((2, 2, 2, 2))
    for forward, backward in [
        (reference.conv2d, reference.conv2d_backward),
        (reference.conv2d_transpose, reference.conv2d_transpose_backward),
        (lambda x, w: reference.dense(x, w[0, 0]), lambda dy, x, w, **options: reference.dense_backward(dy, x, w[0, 0], **options)),
    ]:
        dy = forward(x, w)
        wanted, unwanted = backward(dy, x, w), backward(dy, x, w, input_grad=False)
        assert wanted[0].shape == x.shape
        assert unwanted[0] is None
        assert_same_bits(unwanted[1], wanted[1])
        assert_same_bits(unwanted[2], wanted[2])


def test_channels_last_patches_are_in_the_order_of_the_weights(rng):
    x, w = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((2, 3, 3, 4))
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    y = reference.im2col(x, (2, 3), **options) @ w.reshape(18, 4)
    assert_close(y, reference.conv2d(x, w, **options), terms=18, scale=scale_of(reference.conv2d, x, w, **options))


# --- Gradients by central differences ----------------------------------------------------------------------------------


@by_name(CONVOLUTIONS)
def test_gradients_of_conv2d(rng, case):
    x, w, b, options = convolution_of(case, rng)
    dy = rng.standard_normal(reference.conv2d(x, w, b, **options).shape)
    gradients = reference.conv2d_backward(dy, x, w, **options)
    assert_gradients(gradients, lambda x, w, b: reference.conv2d(x, w, b, **options), (x, w, b), dy)


@by_name(TRANSPOSED)
def test_gradients_of_conv2d_transpose(rng, case):
    x, w, b, options = transposed_of(case, rng)
    dy = rng.standard_normal(reference.conv2d_transpose(x, w, b, **options).shape)
    gradients = reference.conv2d_transpose_backward(dy, x, w, **options)
    assert_gradients(gradients, lambda x, w, b: reference.conv2d_transpose(x, w, b, **options), (x, w, b), dy)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_gradients_of_dense(rng, shape):
    x, w, b = rng.standard_normal(shape), rng.standard_normal((4, 5)), rng.standard_normal(5)
    dy = rng.standard_normal((*shape[:-1], 5))
    assert_gradients(reference.dense_backward(dy, x, w), reference.dense, (x, w, b), dy)


@by_name(POOLINGS)
@pytest.mark.parametrize("dilation", [1, 2])
def test_gradient_of_max_pool2d(rng, case, dilation):
    shape, options = case
    options = {**options, "data_format": "channels_first", "dilation": dilation}
    x = distinct(rng, shape)
    y, indices = reference.max_pool2d(x, return_indices=True, **options)
    dy = rng.standard_normal(y.shape)
    dx = reference.max_pool2d_backward(dy, indices, x.shape, data_format="channels_first")
    assert_gradient(dx, lambda x: reference.max_pool2d(x, **options), x, dy, terms=1, scale=np.abs(y))


@by_name(POOLINGS)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_gradient_of_avg_pool2d(rng, case, count_include_pad):
    shape, options = case
    options = {**options, "data_format": "channels_first", "count_include_pad": count_include_pad}
    x = rng.standard_normal(shape)
    dy = rng.standard_normal(reference.avg_pool2d(x, **options).shape)
    dx = reference.avg_pool2d_backward(dy, x.shape, **options)
    assert_gradients([dx], lambda x: reference.avg_pool2d(x, **options), [x], dy)


@pytest.mark.parametrize("padding", ["same", ((1, 0), (0, 1))])
def test_gradients_of_pooling_a_plane(rng, padding):
    x, options = distinct(rng, (5, 4)), {"pool_size": (2, 3), "stride": 2, "padding": padding}
    y, indices = reference.max_pool2d(x, return_indices=True, **options)
    dy = rng.standard_normal(y.shape)
    dx = reference.max_pool2d_backward(dy, indices, x.shape)
    assert_gradient(dx, lambda x: reference.max_pool2d(x, **options), x, dy, terms=1, scale=np.abs(y))
    assert_gradients([reference.avg_pool2d_backward(dy, x.shape, **options)], lambda x: reference.avg_pool2d(x, **options), [x], dy)


def test_gradient_of_relu(rng):
    x, dy = distinct(rng, (4, 5)) + 0.1, rng.standard_normal((4, 5))
    assert_gradient(reference.relu_backward(dy, reference.relu(x)), reference.relu, x, dy, terms=1, scale=np.abs(x))


def test_gradient_of_softmax_cross_entropy(rng):
    logits, labels = 3 * rng.standard_normal((4, 5)), np.array([1, 4, 0, 1])
    _, dlogits = reference.softmax_cross_entropy(logits, labels)
    scale = np.ptp(logits) + np.log(5)  # a row's shifted logits, and the logarithm of its sum
    assert_gradient(dlogits, lambda logits: reference.softmax_cross_entropy(logits, labels)[0], logits, 1.0, terms=9, scale=scale)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", [0, "same", ((2, 0), (0, 1))])
def test_col2im_is_the_adjoint_of_im2col(rng, data_format, padding):
    x = rng.standard_normal((2, 3, 4, 3))
    options = {"kernel_size": (3, 2), "stride": (1, 2), "padding": padding, "dilation": (1, 2), "data_format": data_format}
    cols = rng.standard_normal(reference.im2col(x, **options).shape)
    assert_gradients([reference.col2im(cols, x.shape, **options)], lambda x: reference.im2col(x, **options), [x], cols)
    assert_same_bits(reference.col2im(cols[1], x.shape[1:], **options), reference.col2im(cols, x.shape, **options)[1])
    assert_same_bits(reference.im2col(x[1], **options), reference.im2col(x, **options)[1])
