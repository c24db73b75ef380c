"""Layers that move, repeat, pool and scale numbers, against Keras; central differences are in ``test_layers.py``."""

import numpy as np
import pytest
from compare import assert_close, assert_same_bits

import fastcnn
from fastcnn import layers, random

#: name: (a layer, from Keras's module or from ours; the shape of an input; how many numbers a sum in it or in its gradient has).
LAYERS = {
    "reshape": (lambda of: of.Reshape((4, 3)), (2, 6), 1),
    "reshape, one size open": (lambda of: of.Reshape((-1, 2, 3)), (4, 3), 1),
    "permute": (lambda of: of.Permute((3, 1, 2)), (2, 3, 4), 1),
    "permute, two axes": (lambda of: of.Permute((2, 1)), (2, 3), 1),
    "zero padding": (lambda of: of.ZeroPadding2D(), (3, 4, 2), 1),
    "zero padding, one number": (lambda of: of.ZeroPadding2D(2), (3, 4, 2), 1),
    "zero padding, uneven": (lambda of: of.ZeroPadding2D(((0, 1), (2, 3))), (3, 4, 2), 1),
    "cropping": (lambda of: of.Cropping2D(1), (4, 5, 2), 1),
    "cropping, nothing": (lambda of: of.Cropping2D(), (4, 5, 2), 1),
    "cropping, uneven": (lambda of: of.Cropping2D(((0, 1), (2, 0))), (4, 5, 2), 1),
    "up-sampling": (lambda of: of.UpSampling2D(), (3, 4, 2), 4),
    "up-sampling, uneven": (lambda of: of.UpSampling2D((1, 3)), (3, 4, 2), 3),
    "up-sampling, bilinear": (lambda of: of.UpSampling2D(2, interpolation="bilinear"), (3, 4, 2), 16),
    "up-sampling, bilinear, uneven": (lambda of: of.UpSampling2D((3, 4), interpolation="bilinear"), (1, 3, 2), 30),
    "global average pooling": (lambda of: of.GlobalAveragePooling2D(), (3, 5, 4), 15),
    "global average pooling, axes kept": (lambda of: of.GlobalAveragePooling2D(keepdims=True), (3, 5, 4), 15),
    "global max pooling": (lambda of: of.GlobalMaxPooling2D(), (3, 5, 4), 1),
    "global max pooling, axes kept": (lambda of: of.GlobalMaxPooling2D(keepdims=True), (3, 5, 4), 1),
    "rescaling": (lambda of: of.Rescaling(1 / 127.5, offset=-1), (3, 4, 3), 2),
    "rescaling, by channels": (lambda of: of.Rescaling([0.5, 2, 3], offset=[1, 0, -1]), (3, 4, 3), 2),
    "normalization": (lambda of: of.Normalization(), (3, 4, 3), 2),
    "normalization, several axes": (lambda of: of.Normalization(axis=(1, -1)), (3, 4, 3), 2),
    "normalization, no axis": (lambda of: of.Normalization(axis=None), (3, 4, 3), 2),
    "normalization, given": (lambda of: of.Normalization(mean=[1, 2, 3], variance=[1, 4, 0.25]), (3, 4, 3), 2),
    "normalization, given, for all": (lambda of: of.Normalization(mean=2.0, variance=9.0), (3, 4, 3), 2),
    "normalization, given, two axes": (lambda of: of.Normalization(axis=(1, 3), mean=[1, 2, 3], variance=[1, 4, 9]), (2, 4, 3), 2),
    "normalization, inverted": (lambda of: of.Normalization(mean=[1, 2, 3], variance=[1, 4, 0.25], invert=True), (3, 4, 3), 2),
    "normalization, no variance": (lambda of: of.Normalization(mean=1.0, variance=0.0), (2,), 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_and_its_gradient_are_those_of_keras(name, keras, tensorflow):
    make, shape, terms = LAYERS[name]
    ours, theirs = make(layers), make(keras.layers)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    theirs.build(x.shape)
    ours.build((None, *shape))
    if ours.weights:
        weights = [rng.uniform(0.5, 2, w.shape).astype(np.float32) for w in theirs.get_weights()]
        ours.set_weights(weights)
        theirs.set_weights(weights)
        theirs.finalize_state()
        assert [w.path.split("/")[-1] for w in theirs.weights] == list(ours.weights)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        y = theirs(inputs)
        dy = rng.normal(size=y.shape).astype(np.float32)
        total = tensorflow.reduce_sum(y * dy)
    dx = tape.gradient(total, inputs).numpy()
    our_y, cache = ours.forward(x)
    assert_close(our_y, y.numpy(), terms=terms, scale=np.abs(y.numpy()).max() + 8 * (terms > 1))
    our_dx, gradients = ours.backward(dy, cache)
    assert gradients == ()
    assert_close(our_dx, dx, terms=terms, scale=np.abs(dx).max())
    assert ours.compute_output_shape((None, *shape)) == (None, *y.shape[1:])


@pytest.mark.parametrize("name", LAYERS)
def test_float64_stays_and_nothing_is_written_into_inputs_and_no_batch_is_a_batch(name):
    make, shape, _ = LAYERS[name]
    layer = make(layers)
    layer.build((None, *shape))
    x = np.random.default_rng(2).normal(size=(3, *shape))
    x.flags.writeable = False
    y, cache = layer.forward(x)
    assert y.dtype == np.float64
    dy = np.ones(y.shape)
    dy.flags.writeable = False
    dx, _ = layer.backward(dy, cache)
    assert (dx.dtype, dx.shape) == (x.dtype, x.shape)
    assert layer.infer(np.zeros((0, *shape), np.float32)).shape == (0, *y.shape[1:])
    assert_same_bits(layer.infer(x[1:2]), y[1:2])


@pytest.mark.parametrize("make", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
def test_global_poolings_are_kernels_of_a_session(make):
    random.set_seed(1)
    model = fastcnn.Sequential([fastcnn.Input((9, 7, 3)), layers.Conv2D(5, 3), make(), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(4, 9, 7, 3)).astype(np.float32)
    session = fastcnn.InferenceSession(model)
    assert len(session._network.steps) == 1
    expected = x
    for layer in model.layers:
        expected = layer.infer(expected)
    assert_same_bits(session.run(x), expected)


def test_equal_maxima_share_the_gradient_and_nan_is_passed_on(keras, tensorflow):
    x = np.array([[3, 1, 3, 3], [0, 0, 0, 0], [1, np.nan, 2, 5]], np.float32).reshape(3, 2, 2, 1)
    dy = np.array([[6], [2], [1]], np.float32)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x[:2])
        tape.watch(inputs)
        total = tensorflow.reduce_sum(keras.layers.GlobalMaxPooling2D()(inputs) * dy[:2])
    y, cache = layers.GlobalMaxPooling2D().forward(x)
    dx, _ = layers.GlobalMaxPooling2D().backward(dy, cache)
    assert_same_bits(dx[:2], tape.gradient(total, inputs).numpy())
    assert dx[0].ravel().tolist() == [2, 0, 2, 2]
    assert np.isnan(y[2]).all()
    assert np.isnan(dx[2]).all()


def test_bilinear_up_sampling_by_odd_factors_leaves_infinities_where_they_are():
    line = np.array([0, np.inf, 1], np.float32).reshape(1, 1, 3, 1)
    y = layers.UpSampling2D((1, 3), interpolation="bilinear").forward(line)[0].ravel()
    assert y.tolist() == [0, 0, np.inf, np.inf, np.inf, np.inf, np.inf, 1, 1]


def test_spatial_dropout_drops_whole_channels_by_sample():
    layer, x = layers.SpatialDropout2D(0.25), np.random.default_rng(0).normal(size=(50, 2, 3, 200)).astype(np.float32)
    draws = random.Draws(seed=7, epoch=1, samples=np.arange(50))
    y, drawn = layer.forward(x, draws)
    kept = drawn >= 0.25
    assert kept.shape == (50, 1, 1, 200)
    assert abs(1 - kept.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / kept.size)  # five standard deviations of a share
    assert_same_bits(y, np.where(kept, x * np.float32(4 / 3), np.float32(0)))
    assert_same_bits(layer.backward(x, drawn)[0], y)
    alone, _ = layer.forward(x[9:10], draws._replace(samples=np.array([9])))
    assert_same_bits(alone, y[9:10])
    assert_same_bits(layer.infer(x), x)


@pytest.mark.parametrize("axis", [-1, (1, -1), None])
@pytest.mark.parametrize("batches", ["array", "list", "generator of pairs"])
def test_adapted_moments_are_those_of_keras(axis, batches, keras):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(700, 3, 4)) * [1, 10, 0, 3] + [5, -100, 7, 0]).astype(np.float32)
    ours, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    parts = [x[:300], x[300:310], x[310:]]
    ours.adapt({"array": x, "list": parts, "generator of pairs": ((part, None) for part in parts)}[batches])
    theirs.adapt(x.astype(np.float64))
    for weight, expected in zip(ours.get_weights()[:2], theirs.get_weights()[:2], strict=True):
        assert_close(weight, expected, terms=1, scale=np.abs(expected) + 1e-9)
    assert_close(ours.infer(x), theirs(x).numpy(), terms=2, scale=np.abs(theirs(x).numpy()) + 200)
    assert not ours.trainable_names


def test_integers_are_adapted_to_rescaled_and_normalized_as_float32(tmp_path):
    x = np.random.default_rng(4).integers(0, 256, (600, 4, 4, 3), np.uint8)
    normalization = layers.Normalization()
    normalization.adapt(x)
    y = normalization.forward(x)[0]
    assert y.dtype == layers.Rescaling(2).forward(x)[0].dtype == np.float32
    assert abs(float(y.mean())) < 1e-3
    assert abs(float(y.std()) - 1) < 1e-3
    model = fastcnn.Sequential([fastcnn.Input((4, 4, 3)), layers.Rescaling(0.5), normalization])
    model.save(tmp_path / "model.safetensors")
    assert_same_bits(fastcnn.load_model(tmp_path / "model.safetensors").predict(x[:9], verbose=0), model.predict(x[:9], verbose=0))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (3, TypeError, "data"),
        ([], ValueError, "data"),
        (np.zeros((0, 3)), ValueError, "data"),
        (["a", "b"], TypeError, "data"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], ValueError, "data"),
    ],
)
def test_data_that_cannot_be_adapted_to_are_refused(data, error, message):
    layer = layers.Normalization()
    with pytest.raises(error, match=message):
        layer.adapt(data)
    with pytest.raises(ValueError, match="mean"):
        layers.Normalization(mean=0, variance=1).adapt(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Reshape(3), TypeError, "target_shape"),
        (lambda: layers.Reshape((2.0,)), TypeError, "target_shape"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "target_shape"),
        (lambda: layers.Reshape((0, 2)), ValueError, "target_shape"),
        (lambda: layers.Permute((0, 1)), ValueError, "dims"),
        (lambda: layers.Permute((1, 1)), ValueError, "dims"),
        (lambda: layers.Permute(2), TypeError, "dims"),
        (lambda: layers.ZeroPadding2D(-1), ValueError, "padding"),
        (lambda: layers.ZeroPadding2D("same"), TypeError, "padding"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), ValueError, "padding"),
        (lambda: layers.Cropping2D(((1, 2), 3)), ValueError, "cropping"),
        (lambda: layers.Cropping2D(1.5), TypeError, "cropping"),
        (lambda: layers.UpSampling2D(0), ValueError, "size"),
        (lambda: layers.UpSampling2D(2, interpolation="bicubic"), ValueError, "interpolation"),
        (lambda: layers.GlobalAveragePooling2D(keepdims=1), TypeError, "keepdims"),
        (lambda: layers.Rescaling("a"), TypeError, "scale"),
        (lambda: layers.Rescaling(1, offset=np.nan), ValueError, "offset"),
        (lambda: layers.Rescaling([]), ValueError, "scale"),
        (lambda: layers.Normalization(axis=1.5), TypeError, "axis"),
        (lambda: layers.Normalization(mean=1), ValueError, "variance"),
        (lambda: layers.Normalization(mean=1, variance=[1, 2]), ValueError, "variance"),
        (lambda: layers.Normalization(mean=1, variance=-1), ValueError, "variance"),
        (lambda: layers.Normalization(invert="no"), TypeError, "invert"),
        (lambda: layers.SpatialDropout2D(2), ValueError, "rate"),
        *[
            (lambda make=make: make(data_format="channels_first"), ValueError, "data_format")
            for make in (
                lambda **options: layers.Conv2D(1, 1, **options),
                lambda **options: layers.DepthwiseConv2D(1, **options),
                lambda **options: layers.Conv2DTranspose(1, 1, **options),
                layers.MaxPooling2D,
                layers.GlobalMaxPooling2D,
                layers.Flatten,
                layers.ZeroPadding2D,
                layers.UpSampling2D,
                lambda **options: layers.SpatialDropout2D(0.5, **options),
            )
        ],
        (lambda: layers.MaxPooling2D(data_format=1), TypeError, "data_format"),
    ],
)
def test_bad_arguments_are_refused_when_the_layer_is_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Reshape((2, 3)), (5,), "target_shape"),
        (layers.Reshape((-1, 3)), (5,), "target_shape"),
        (layers.Permute((1, 2)), (5,), "dims"),
        (layers.ZeroPadding2D(), (5, 5), "axes"),
        (layers.Cropping2D(2), (4, 9, 1), "cropping"),
        (layers.UpSampling2D(2**31 - 1), (2**31, 2**31, 9), "2\\*\\*63"),
        (layers.GlobalMaxPooling2D(), (4,), "axes"),
        (layers.SpatialDropout2D(0.5), (4,), "axes"),
        (layers.Rescaling([1, 2]), (3,), "scale"),
        (layers.Normalization(axis=2), (3,), "axis"),
        (layers.Normalization(axis=0), (3,), "axis"),
        (layers.Normalization(axis=(1, -1)), (3,), "axis"),
        (layers.Normalization(mean=[1, 2], variance=[1, 2]), (3,), "mean"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_when_the_layer_is_built(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build((None, *shape))
    assert not layer.built


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (3, 2)},
        {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2, "activation": "relu"},
        {"kernel_size": 2, "dilation_rate": 2, "use_bias": False},
    ],
)
def test_separable_convolution_is_that_of_keras(options, keras, tensorflow):
    ours, theirs = layers.SeparableConv2D(5, **options), keras.layers.SeparableConv2D(5, **options)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 7, 8, 4)).astype(np.float32)
    theirs.build(x.shape)
    ours.build((None, 7, 8, 4))
    weights = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    assert [w.path.split("/")[-1] for w in theirs.weights] == list(ours.weights)
    ours.set_weights(weights)
    theirs.set_weights(weights)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        y = theirs(inputs)
        dy = rng.normal(size=y.shape).astype(np.float32)
        total = tensorflow.reduce_sum(y * dy)
    dx, *gradients = (gradient.numpy() for gradient in tape.gradient(total, [inputs, *theirs.trainable_variables]))
    positive = layers.SeparableConv2D(5, **{**options, "activation": None})
    positive.build((None, 7, 8, 4))
    positive.set_weights([np.abs(weight) for weight in weights])
    scale, cache = positive.forward(np.abs(x))
    dx_scale, scales = positive.backward(np.abs(dy), cache)
    out = tuple(np.empty_like(weight) for weight in weights)
    our_y, cache = ours.forward(x)
    our_dx, our_gradients = ours.backward(dy, cache, out=out)
    assert_close(our_y, y.numpy(), terms=9 * 8, scale=scale)
    assert_close(our_dx, dx, terms=9 * 8, scale=dx_scale)
    for gradient, expected, bound, place in zip(our_gradients, gradients, scales, out, strict=True):
        assert_close(gradient, expected, terms=3 * 7 * 8 * 5, scale=bound)
        assert np.shares_memory(gradient, place)
    assert ours.backward(dy, cache, input_grad=False)[0] is None


def test_the_one_layout_may_be_named():
    assert layers.Conv2D(1, 1, data_format="channels_last").get_config()["data_format"] == "channels_last"
