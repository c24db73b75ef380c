"""Layers by themselves: what they refuse, their gradients in float64, their weights, their configuration."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits

from fastcnn import layers, random, regularizers
from fastcnn.layers.activated import ActivatedLayer, BiasedLayer

DRAWS = random.Draws(seed=7, epoch=1, samples=np.array([3, 0]))

#: name: (layer, the shape of an input).
LAYERS = {
    "conv2d": (lambda: layers.Conv2D(3, (2, 3), strides=(2, 1), padding="same"), (4, 5, 2)),
    "conv2d, relu": (lambda: layers.Conv2D(2, 2, activation="relu"), (3, 4, 2)),
    "conv2d, groups": (lambda: layers.Conv2D(4, 2, groups=2, dilation_rate=2), (4, 4, 2)),
    "conv2d, softmax, no bias": (lambda: layers.Conv2D(3, 2, activation="softmax", use_bias=False), (3, 3, 2)),
    "depthwise": (lambda: layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu"), (3, 4, 2)),
    "depthwise, no bias": (lambda: layers.DepthwiseConv2D(2, use_bias=False), (3, 4, 2)),
    "transpose": (lambda: layers.Conv2DTranspose(2, (3, 2), strides=2, padding="same", activation="relu"), (2, 3, 2)),
    "separable": (lambda: layers.SeparableConv2D(3, 2, depth_multiplier=2, activation="relu"), (3, 4, 2)),
    "separable, no bias": (lambda: layers.SeparableConv2D(2, (2, 1), strides=2, padding="same", use_bias=False), (3, 4, 2)),
    "max pooling": (lambda: layers.MaxPooling2D(2, strides=1), (3, 4, 2)),
    "average pooling": (lambda: layers.AveragePooling2D(2, padding="same"), (3, 5, 2)),
    "flatten": (lambda: layers.Flatten(), (2, 3, 2)),
    "dense": (lambda: layers.Dense(4, activation="softmax"), (2, 3)),
    "activation": (lambda: layers.Activation("softmax"), (2, 3)),
    "leaky relu": (lambda: layers.LeakyReLU(0.3), (2, 3)),
    "relu of three pieces": (lambda: layers.ReLU(max_value=1, negative_slope=0.2, threshold=0.3), (4, 5)),
    "elu": (lambda: layers.ELU(0.7), (2, 3)),
    "prelu": (lambda: layers.PReLU(), (2, 3)),
    "prelu, shared": (lambda: layers.PReLU(shared_axes=(1, 2)), (3, 2, 2)),
    "softmax along an axis": (lambda: layers.Softmax(1), (3, 4)),
    "batch normalization": (lambda: layers.BatchNormalization(), (3, 2, 4)),
    "batch normalization, channels first": (lambda: layers.BatchNormalization(axis=1, center=False), (3, 5)),
    "batch normalization, no gamma": (lambda: layers.BatchNormalization(scale=False, epsilon=0.1), (3,)),
    "layer normalization": (lambda: layers.LayerNormalization(), (3, 4)),
    "layer normalization, two axes": (lambda: layers.LayerNormalization(axis=[1, -1], center=False), (3, 2, 2)),
    "group normalization": (lambda: layers.GroupNormalization(2), (2, 2, 4)),
    "group normalization, channels first": (lambda: layers.GroupNormalization(-1, axis=1, scale=False), (3, 4)),
    "dropout": (lambda: layers.Dropout(0.3), (5, 4)),
    "spatial dropout": (lambda: layers.SpatialDropout2D(0.3), (2, 3, 4)),
    "global average pooling": (lambda: layers.GlobalAveragePooling2D(), (3, 4, 2)),
    "global max pooling": (lambda: layers.GlobalMaxPooling2D(keepdims=True), (3, 4, 2)),
    "reshape": (lambda: layers.Reshape((3, -1)), (2, 3, 2)),
    "permute": (lambda: layers.Permute((2, 3, 1)), (2, 3, 4)),
    "zero padding": (lambda: layers.ZeroPadding2D(((0, 1), (2, 1))), (2, 3, 2)),
    "cropping": (lambda: layers.Cropping2D(((0, 1), (2, 1))), (3, 5, 2)),
    "up-sampling": (lambda: layers.UpSampling2D((2, 3)), (2, 3, 2)),
    "up-sampling, bilinear": (lambda: layers.UpSampling2D((3, 2), interpolation="bilinear"), (2, 3, 2)),
    "rescaling": (lambda: layers.Rescaling([2, 3], offset=1), (3, 2)),
    "normalization, given": (lambda: layers.Normalization(mean=[1, 2], variance=[3, 4]), (3, 2)),
    "normalization, inverted": (lambda: layers.Normalization(mean=2, variance=3, invert=True), (3, 2)),
}


def built_in_float64(make, shape):
    """A layer with random weights in float64, for central differences."""
    layer, rng = make(), np.random.default_rng(2)
    layer.build((None, *shape))
    for name, weight in list(layer.weights.items()):
        layer.set_weights([rng.normal(size=w.shape) for w in layer.weights.values()])
        layer.move_weight(name, np.empty(weight.shape))
    return layer, rng.normal(size=(2, *shape)), rng


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_central_differences(name):
    layer, x, rng = built_in_float64(*LAYERS[name])

    def output(x):
        return layer.forward(x, DRAWS)[0]  # the same mask of a dropout each time

    y, cache = layer.forward(x, DRAWS)
    dy = rng.normal(size=y.shape)
    dx, gradients = layer.backward(dy, cache)
    scale = 10.0 * np.abs(x).max() * max((np.abs(w).sum() for w in layer.weights.values()), default=1.0)  # more than any sum on the way
    assert_gradient(dx, output, x, dy, terms=x.size, scale=scale)
    for name, gradient in zip(layer.trainable_names, gradients, strict=True):

        def output_for(value, name=name):
            before, layer._weights[name] = layer._weights[name], value
            try:
                return output(x)
            finally:
                layer._weights[name] = before

        assert_gradient(gradient, output_for, layer.weights[name], dy, terms=x.size, scale=scale)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_keeps_nothing_of_its_input(name):
    make, shape = LAYERS[name]
    layer, rng = make(), np.random.default_rng(3)
    layer.build((None, *shape))
    first, second = rng.normal(size=(2, 3, *shape)).astype(np.float32)
    y, cache = layer.forward(first)
    dy = rng.normal(size=y.shape).astype(np.float32)
    expected = layer.backward(dy, cache)
    layer.forward(second)  # between a forward and its backward
    again = layer.backward(dy, cache)
    for ours, theirs in zip((again[0], *again[1]), (expected[0], *expected[1]), strict=True):
        assert_same_bits(ours, theirs)
    assert_same_bits(layer.infer(first), y)
    assert y.shape[1:] == layer.compute_output_shape((None, *shape))[1:]


@pytest.mark.parametrize("name", [name for name, (make, _) in LAYERS.items() if isinstance(make(), BiasedLayer)])
def test_gradients_of_kernels_are_written_to_their_places(name):
    layer, x, rng = built_in_float64(*LAYERS[name])
    y, cache = layer.forward(x)
    dy = rng.normal(size=y.shape)
    places = tuple(np.full(weight.shape, np.nan) for weight in layer.weights.values())
    dx, gradients = layer.backward(dy, cache, True, places)
    expected = layer.backward(dy, cache)
    assert all(gradient is place for gradient, place in zip(gradients, places, strict=True))
    for ours, theirs in zip((dx, *gradients), (expected[0], *expected[1]), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("name", ["conv2d", "depthwise", "transpose", "dense"])
def test_without_input_grad_there_is_no_dx(name):
    make, shape = LAYERS[name]
    layer = make()
    layer.build((None, *shape))
    y, cache = layer.forward(np.ones((1, *shape), np.float32))
    dx, gradients = layer.backward(y, cache, input_grad=False)
    assert dx is None
    assert len(gradients) == 2


@pytest.mark.parametrize("name", LAYERS)
def test_configuration_makes_the_layer_again(name):
    layer = LAYERS[name][0]()
    twin = type(layer).from_config(layer.get_config())
    assert type(twin) is type(layer)
    assert twin.get_config() == layer.get_config()


def test_configuration_holds_every_argument():
    config = layers.Conv2D(
        4, 3, groups=2, kernel_initializer="he_uniform", trainable=False, name="first", input_shape=(8, 8, 4)
    ).get_config()
    assert config["name"] == "first"
    assert config["groups"] == 2
    assert config["trainable"] is False
    assert config["kernel_initializer"] == {"class_name": "HeUniform", "config": {"seed": None}}
    assert "input_shape" not in config


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda **options: layers.Conv2D(2, 3, **options), ["kernel", "bias"]),
        (lambda **options: layers.Conv2DTranspose(2, 3, **options), ["kernel", "bias"]),
        (lambda **options: layers.DepthwiseConv2D(3, **options), ["depthwise", "bias"]),
        (lambda **options: layers.SeparableConv2D(2, 3, **options), ["depthwise", "pointwise", "bias"]),
        (lambda **options: layers.Dense(2, **options), ["kernel", "bias"]),
    ],
)
def test_every_weight_has_the_regularizer_that_is_called_after_it(make, names):
    factors = {name: 0.5 + place for place, name in enumerate(names)}
    layer = make(**{f"{name}_regularizer": regularizers.L2(factor) for name, factor in factors.items()})
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, 5, 5, 3))
    assert [regularizer.get_config() for regularizer in layer.regularizers.values()] == [{"l2": factor} for factor in factors.values()]
    assert list(layer.regularizers) == list(layer.weights)
    with pytest.raises(ValueError, match="regularizer"):
        make(**{f"{names[0]}_regularizer": "l3"})
    with pytest.raises(TypeError, match="regularizer"):
        make(bias_regularizer=0.1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv2D(0, 3), ValueError, "filters"),
        (lambda: layers.Conv2D(2.0, 3), TypeError, "filters"),
        (lambda: layers.Conv2D(2, 0), ValueError, "kernel_size"),
        (lambda: layers.Conv2D(2, (3, 3, 3)), ValueError, "kernel_size"),
        (lambda: layers.Conv2D(2, 3, strides=0), ValueError, "strides"),
        (lambda: layers.Conv2D(2, 3, strides=-1), ValueError, "strides"),
        (lambda: layers.Conv2D(2, 3, dilation_rate=0), ValueError, "dilation_rate"),
        (lambda: layers.Conv2D(2, 3, padding="full"), ValueError, "padding"),
        (lambda: layers.Conv2D(2, 3, padding=1), TypeError, "padding"),
        (lambda: layers.Conv2D(3, 3, groups=2), ValueError, "groups"),
        (lambda: layers.Conv2D(2, 3, groups=0), ValueError, "groups"),
        (lambda: layers.Conv2D(2, 3, activation="rely"), ValueError, "activation"),
        (lambda: layers.Conv2D(2, 3, use_bias=1), TypeError, "use_bias"),
        (lambda: layers.Conv2D(2, 3, kernel_initializer="glorot"), ValueError, "initializer"),
        (lambda: layers.Conv2D(2, 3, bias_initializer=0), TypeError, "initializer"),
        (lambda: layers.Conv2D(2, 3, name=""), ValueError, "name"),
        (lambda: layers.Conv2D(2, 3, name="a/b"), ValueError, "name"),
        (lambda: layers.Conv2D(2, 3, name=1), TypeError, "name"),
        (lambda: layers.Conv2D(2, 3, input_shape=(0, 5, 1)), ValueError, "input_shape"),
        (lambda: layers.Conv2D(2, 3, input_shape=28), TypeError, "input_shape"),
        (lambda: layers.Conv2D(2, 3, stride=2), TypeError, "stride"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier"),
        (lambda: layers.Conv2DTranspose(2, 3, strides=0), ValueError, "strides"),
        (lambda: layers.MaxPooling2D(0), ValueError, "pool_size"),
        (lambda: layers.MaxPooling2D(2, strides=0), ValueError, "strides"),
        (lambda: layers.AveragePooling2D((2, 2.5)), TypeError, "pool_size"),
        (lambda: layers.Dense(-1), ValueError, "units"),
        (lambda: layers.Dropout(1.5), ValueError, "rate"),
        (lambda: layers.Dropout(float("nan")), ValueError, "rate"),
        (lambda: layers.Dropout("0.5"), TypeError, "rate"),
        (lambda: layers.Input((28, None, 1)), TypeError, "shape"),
        (lambda: layers.Input((28, -1, 1)), ValueError, "shape"),
    ],
)
def test_bad_arguments_are_refused_when_the_layer_is_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(2, 3), (28, 28), "axes"),
        (layers.Conv2D(2, 3), (2, 5, 1), "kernel_size"),
        (layers.Conv2D(2, 3, groups=2), (5, 5, 3), "groups"),
        (layers.MaxPooling2D(3), (5, 2, 1), "pool_size"),
        (layers.DepthwiseConv2D(3), (5,), "axes"),
        (layers.Dense(2), (), "axes"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_when_the_layer_is_built(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build((None, *shape))
    assert not layer.built


def test_weights_go_in_and_out_as_copies():
    layer = layers.Dense(2)
    layer.build((None, 3))
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 2)
    assert_same_bits(bias, np.zeros(2, np.float32))
    kernel[:] = 5
    assert not (layer.get_weights()[0] == 5).any()
    layer.set_weights([kernel.tolist(), [1, 2]])
    kernel[:] = 6
    assert_same_bits(layer.get_weights()[0], np.full((3, 2), 5, np.float32))
    assert_same_bits(layer.get_weights()[1], np.array([1, 2], np.float32))
    assert layer.count_params() == 8


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([np.zeros((3, 2))], ValueError),
        ([np.zeros((3, 2)), np.zeros(3)], ValueError),
        ([np.zeros((3, 2)), np.array(["a", "b"])], TypeError),
    ],
)
def test_weights_that_do_not_fit_change_nothing(weights, error):
    layer = layers.Dense(2)
    layer.build((None, 3))
    before = layer.get_weights()
    with pytest.raises(error):
        layer.set_weights(weights)
    for ours, theirs in zip(layer.get_weights(), before, strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("name", ["conv2d", "conv2d, relu", "depthwise"])
def test_a_gradient_of_another_size_than_the_output_is_refused(name):
    make, shape = LAYERS[name]
    layer = make()
    layer.build((None, *shape))
    y, cache = layer.forward(np.ones((2, *shape), np.float32))
    with pytest.raises(ValueError, match="dy must have"):
        layer.backward(y[:1], cache)


def test_a_convolution_refuses_an_image_without_a_batch():
    layer = layers.Conv2D(3, 2)
    layer.build((None, 4, 5, 2))
    with pytest.raises(ValueError, match="x must have 4 dimensions"):
        layer.forward(np.ones((4, 5, 2), np.float32))


def test_dropout_drops_the_share_it_is_told_and_scales_the_rest():
    layer, x = layers.Dropout(0.25), np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    draws = random.Draws(seed=7, epoch=1, samples=np.arange(100))
    y, drawn = layer.forward(x, draws)
    kept = drawn >= 0.25
    dropped = 1 - kept.mean()
    assert abs(dropped - 0.25) < 5 * np.sqrt(0.25 * 0.75 / x.size)  # five standard deviations of a share
    assert_same_bits(y, np.where(kept, x * np.float32(4 / 3), np.float32(0)))
    assert_same_bits(layer.backward(x, drawn)[0], y)
    other, _ = layer.forward(x, draws.at(1))
    assert (other != y).any()


def test_dropout_passes_all_on_in_inference_and_at_rate_0():
    x = np.array([[1, np.nan, np.inf]] * 2, np.float32)
    assert_same_bits(layers.Dropout(0.5).infer(x), x)
    assert_same_bits(layers.Dropout(0).forward(x, DRAWS)[0], x)
    assert_same_bits(layers.Dropout(1).forward(x, DRAWS)[0], np.zeros((2, 3), np.float32))


def test_a_layer_without_its_activation_shares_its_weights():
    layer = layers.Dense(3, activation="softmax")
    layer.build((None, 2))
    bare = layer.without_activation()
    layer.set_weights([np.full((2, 3), 2), np.ones(3)])
    assert isinstance(bare, ActivatedLayer)
    assert_close(bare.infer(np.ones((1, 2), np.float32)), np.full((1, 3), 5, np.float32), terms=3, scale=5)
    assert layer.activation == "softmax"
