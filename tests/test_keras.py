"""The kernels against Keras on TensorFlow: same weights, same inputs, same outputs and gradients but for rounding.

``test_keras_models.py`` compares layers and networks.
"""

import numpy as np
import pytest
from compare import assert_close, scale_of
from kernels import by_name, signed

import fastcnn
from fastcnn import reference

#: name: (x's shape, filters, Keras's options); for Conv2D.
CONVOLUTIONS = {
    "1x1": ((2, 5, 6, 7), 4, {"kernel_size": 1}),
    "valid": ((2, 7, 8, 3), 5, {"kernel_size": (3, 2)}),
    "same": ((2, 7, 8, 3), 5, {"kernel_size": (3, 2), "padding": "same"}),
    "strided": ((2, 8, 9, 3), 5, {"kernel_size": 3, "strides": 2}),
    "strided, same": ((2, 8, 9, 3), 5, {"kernel_size": 3, "strides": 2, "padding": "same"}),
    "strided, same, even kernel": ((2, 8, 9, 3), 5, {"kernel_size": (4, 2), "strides": 3, "padding": "same"}),
    "strided unevenly": ((2, 8, 9, 3), 5, {"kernel_size": (3, 5), "strides": (2, 2), "padding": "same"}),
    "stride beyond the kernel": ((2, 8, 9, 3), 5, {"kernel_size": 2, "strides": 3}),
    "dilated": ((2, 9, 8, 3), 5, {"kernel_size": (3, 2), "dilation_rate": 2}),
    "dilated, same": ((2, 9, 8, 3), 5, {"kernel_size": (3, 4), "dilation_rate": (2, 3), "padding": "same"}),
    "kernel beyond the plane": ((2, 3, 2, 3), 5, {"kernel_size": 5, "padding": "same"}),
    "a real layer": ((4, 11, 11, 64), 64, {"kernel_size": 3}),
    "groups": ((2, 7, 8, 6), 4, {"kernel_size": (3, 2), "groups": 2}),
    "groups, same, strided": ((2, 7, 8, 6), 9, {"kernel_size": 3, "strides": 2, "padding": "same", "groups": 3}),
    "a filter for each channel": ((2, 7, 8, 6), 6, {"kernel_size": 3, "groups": 6}),
}
#: name: (x's shape, Keras's options); for DepthwiseConv2D.
DEPTHWISE = {
    "valid": ((2, 7, 8, 5), {"kernel_size": (3, 2)}),
    "same": ((2, 7, 8, 5), {"kernel_size": 3, "padding": "same"}),
    "strided, same": ((2, 7, 8, 5), {"kernel_size": 3, "strides": 2, "padding": "same"}),
    "two filters a channel": ((2, 7, 8, 5), {"kernel_size": (2, 3), "depth_multiplier": 2}),
    "two filters a channel, strided, same": ((2, 7, 8, 5), {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2}),
    "dilated": ((2, 9, 8, 5), {"kernel_size": (3, 2), "dilation_rate": 2}),
}
#: name: (x's shape, filters, Keras's options); for Conv2DTranspose.
TRANSPOSED = {
    "valid": ((2, 4, 5, 3), 6, {"kernel_size": (3, 2)}),
    "same": ((2, 4, 5, 3), 6, {"kernel_size": 3, "padding": "same"}),
    "strided": ((2, 4, 5, 3), 6, {"kernel_size": 3, "strides": 2}),
    "strided, same": ((2, 4, 5, 3), 6, {"kernel_size": 3, "strides": 2, "padding": "same"}),
    "strided, same, even kernel": ((2, 4, 5, 3), 6, {"kernel_size": (4, 2), "strides": 2, "padding": "same"}),
    "stride beyond the kernel": ((2, 4, 5, 3), 6, {"kernel_size": 2, "strides": 3}),
    "stride beyond the kernel, same": ((2, 4, 5, 3), 6, {"kernel_size": 2, "strides": 3, "padding": "same"}),
    "dilated": ((2, 4, 5, 3), 6, {"kernel_size": 3, "dilation_rate": 2}),
}
#: name: (x's shape, Keras's options); for both poolings.
POOLINGS = {
    "2x2": ((2, 6, 8, 3), {"pool_size": 2}),
    "pixels left over": ((2, 7, 8, 3), {"pool_size": 3}),
    "same": ((2, 7, 8, 3), {"pool_size": 3, "padding": "same"}),
    "overlapping": ((2, 7, 8, 3), {"pool_size": (3, 2), "strides": (2, 1)}),
    "overlapping, same": ((2, 7, 8, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
    "gaps between": ((2, 8, 9, 3), {"pool_size": 2, "strides": 3, "padding": "same"}),
}


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def keras_results(rng, tensorflow):
    """A function that returns a layer's y, a dy for it, and the gradients by x and by the weights."""

    def results(layer, x):
        with tensorflow.GradientTape() as tape:
            inputs = tensorflow.constant(x)
            tape.watch(inputs)
            y = layer(inputs)
            dy = rng.standard_normal(y.shape).astype(np.float32)
            total = tensorflow.reduce_sum(y * dy)
        gradients = tape.gradient(total, [inputs, *layer.trainable_variables])
        return y.numpy(), dy, *(gradient.numpy() for gradient in gradients)

    return results


def built(layer, x, rng):
    """The layer with signed weights, its bias too."""
    layer.build(x.shape)
    layer.set_weights(signed(rng, np.float32, *(weight.shape for weight in layer.get_weights())))
    return layer


def renamed(options):
    """Keras's options as those of the kernels."""
    names = {"strides": "stride", "dilation_rate": "dilation", "padding": "padding", "pool_size": "pool_size"}
    return {"padding": "valid", **{names[name]: value for name, value in options.items() if name in names}}


def assert_kernels_agree(forward, backward, arrays, theirs, options, groups=1):
    """Assert that kernels make Keras's results of x, w and b; `forward` and `backward` are names, of the reference's twins too."""
    x, w, b = arrays
    y, dy, *gradients = theirs
    options = {**renamed(options), "groups": groups}
    ours = getattr(fastcnn, forward)(x, w, b, **options), *getattr(fastcnn, backward)(dy, x, w, **options)
    scales = (
        scale_of(getattr(reference, forward), x, w, b, **options),
        *scale_of(getattr(reference, backward), dy, x, w, **options),
    )
    windows = min(y.size // y.shape[-1], x.size // x.shape[-1])
    taps = w.shape[0] * w.shape[1]
    terms = taps * x.shape[-1] // groups + 1, taps * y.shape[-1] // groups, windows, y.size // y.shape[-1]
    for result, their_result, scale, count in zip(ours, (y, *gradients), scales, terms, strict=True):
        assert_close(result, their_result, terms=count, scale=scale)


@by_name(CONVOLUTIONS)
def test_conv2d_is_that_of_keras(name, rng, keras, keras_results):
    shape, filters, options = CONVOLUTIONS[name]
    (x,) = signed(rng, np.float32, shape)
    layer = built(keras.layers.Conv2D(filters, **options), x, rng)
    theirs = keras_results(layer, x)
    assert_kernels_agree("conv2d", "conv2d_backward", (x, *layer.get_weights()), theirs, options, layer.groups)


@by_name(DEPTHWISE)
def test_depthwise_conv2d_is_that_of_keras(name, rng, keras, keras_results):
    """Keras's kernel is (KH, KW, C, multiplier), ours (KH, KW, 1, C * multiplier): the same numbers in the same order."""
    shape, options = DEPTHWISE[name]
    (x,) = signed(rng, np.float32, shape)
    layer = built(keras.layers.DepthwiseConv2D(**options), x, rng)
    w, b = layer.get_weights()
    ours = (*w.shape[:2], 1, w.shape[2] * w.shape[3])
    y, dy, dx, dw, db = keras_results(layer, x)
    theirs = y, dy, dx, dw.reshape(ours), db
    assert_kernels_agree("conv2d", "conv2d_backward", (x, w.reshape(ours), b), theirs, options, groups=shape[-1])


@by_name(TRANSPOSED)
def test_conv2d_transpose_is_that_of_keras(name, rng, keras, keras_results):
    shape, filters, options = TRANSPOSED[name]
    (x,) = signed(rng, np.float32, shape)
    layer = built(keras.layers.Conv2DTranspose(filters, **options), x, rng)
    theirs = keras_results(layer, x)
    assert_kernels_agree("conv2d_transpose", "conv2d_transpose_backward", (x, *layer.get_weights()), theirs, options)


@by_name(POOLINGS)
def test_max_pooling_is_that_of_keras(name, rng, keras, keras_results):
    shape, options = POOLINGS[name]
    (x,) = signed(rng, np.float32, shape)  # without ties, which TensorFlow may share out otherwise
    y, dy, dx = keras_results(keras.layers.MaxPooling2D(**options), x)
    ours, indices = fastcnn.max_pool2d(x, return_indices=True, **renamed(options))
    assert_close(ours, y, terms=1, scale=0.0)
    scale = reference.max_pool2d_backward(np.abs(dy), indices, shape)
    assert_close(fastcnn.max_pool2d_backward(dy, indices, shape), dx, terms=9, scale=scale)


@by_name(POOLINGS)
def test_average_pooling_is_that_of_keras(name, rng, keras, keras_results):
    shape, options = POOLINGS[name]
    (x,) = signed(rng, np.float32, shape)
    y, dy, dx = keras_results(keras.layers.AveragePooling2D(**options), x)
    options = renamed(options)
    assert_close(fastcnn.avg_pool2d(x, **options), y, terms=9, scale=scale_of(reference.avg_pool2d, x, **options))
    scale = scale_of(reference.avg_pool2d_backward, dy, input_shape=shape, **options)
    assert_close(fastcnn.avg_pool2d_backward(dy, shape, **options), dx, terms=9, scale=scale)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (3, 4, 5)])
def test_dense_is_that_of_keras(shape, rng, keras, keras_results):
    (x,) = signed(rng, np.float32, shape)
    layer = built(keras.layers.Dense(9), x, rng)
    y, dy, *gradients = keras_results(layer, x)
    w, b = layer.get_weights()
    ours = fastcnn.dense(x, w, b), *fastcnn.dense_backward(dy, x, w)
    scales = scale_of(reference.dense, x, w, b), *scale_of(reference.dense_backward, dy, x, w)
    rows = x.size // shape[-1]
    for result, theirs, scale, terms in zip(ours, (y, *gradients), scales, (shape[-1] + 1, 9, rows, rows), strict=True):
        assert_close(result, theirs, terms=terms, scale=scale)
