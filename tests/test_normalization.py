"""Normalization: the kernels against float64, the layers against Keras, and batch statistics over steps of training."""

import copy

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import by_name, on_both_dtypes, signed

import fastcnn
from fastcnn import layers, models, optimizers, random
from fastcnn.network import Network
from fastcnn.ops import normalize

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

DRAWS = random.Draws(seed=7, epoch=1, samples=np.arange(3))
#: Rows and channels about which vectors, blocks, chunks and rows side by side end.
SHAPES = [
    (1, 1), (2, 1), (63, 1), (64, 1), (65, 1), (1000, 2), (17, 3), (5000, 3), (33, 5), (129, 7), (4, 15), (515, 16), (9000, 17), (31, 33),
    (257, 48), (65, 63), (3, 64), (1025, 64), (100, 65), (66, 100), (130, 129), (9, 1000), (700, 256), (12, 2049), (40, 5000),
]  # fmt: skip


# --- Kernels -------------------------------------------------------------------------------------------------------------


@on_both_dtypes
@pytest.mark.parametrize("mean", [0.0, 300.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_moments_are_those_of_float64(shape, mean, isa, dtype):
    (x,) = signed(np.random.default_rng(1), dtype, shape)
    x += dtype(mean)
    exact = x.astype(np.longdouble)
    means, variances = normalize.moments(x)
    assert_close(means, exact.mean(0).astype(float), terms=64, scale=np.abs(exact).mean(0).astype(float), dtype=dtype)
    # What is rounded are squares of differences between numbers of a column; and the means of blocks, to a double.
    spread = np.ptp(x, axis=0).astype(float)
    scale = spread * (spread + mean * (np.finfo(float).eps / np.finfo(dtype).eps))
    assert_close(variances, exact.var(0).astype(float), terms=64, scale=scale, dtype=dtype)


@on_both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_float64(shape, isa, dtype):
    x, dy = signed(np.random.default_rng(2), dtype, shape, shape)
    (shift,) = signed(np.random.default_rng(3), dtype, shape[1])
    sums, moved = normalize.products(dy, x, shift)
    distance = x.astype(float) - shift
    assert_close(sums, dy.astype(float).sum(0), terms=64, scale=np.abs(dy).sum(0), dtype=dtype)
    assert_close(moved, (dy * distance).sum(0), terms=64, scale=(np.abs(dy) * (np.abs(x) + np.abs(shift))).sum(0), dtype=dtype)


@on_both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_scales_are_the_formulas(shape, isa, dtype):
    x, dy = signed(np.random.default_rng(4), dtype, shape, shape)
    shift, slope, offset, factor = signed(np.random.default_rng(5), dtype, *[shape[1]] * 4)
    moved = np.abs(x) + np.abs(shift)
    assert_close(
        normalize.scale(x, shift, factor, offset), (x - shift) * factor + offset, terms=2, scale=moved * np.abs(factor) + np.abs(offset)
    )
    expected = (dy - offset - (x - shift) * slope) * factor
    scale = (np.abs(dy) + np.abs(offset) + moved * np.abs(slope)) * np.abs(factor)
    assert_close(normalize.scale_backward(dy, x, shift, slope, offset, factor), expected, terms=4, scale=scale)


@pytest.mark.parametrize("shape", [(70_001, 3), (3000, 64), (20_000, 17)])
def test_results_are_the_same_on_any_number_of_threads(shape, isa):
    x, dy = signed(np.random.default_rng(6), np.float32, shape, shape)

    def results():
        means, variances = normalize.moments(x)
        sums, moved = normalize.products(dy, x, means)
        y = normalize.scale(x, means, variances, sums)
        return means, variances, sums, moved, y, normalize.scale_backward(dy, x, means, variances, sums, moved)

    expected = results()
    for threads in (2, 3, 7):
        with fastcnn.num_threads(threads):
            for ours, theirs in zip(results(), expected, strict=True):
                assert_same_bits(ours, theirs)


def test_no_rows_have_no_moments(isa):
    means, variances = normalize.moments(np.empty((0, 5), np.float32))
    assert np.isnan(means).all()
    assert np.isnan(variances).all()
    sums, moved = normalize.products(*np.empty((2, 0, 5), np.float32), means)
    assert not sums.any()
    assert not moved.any()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_a_channel_that_is_not_finite_spoils_no_other(special, isa):
    for rows, channels in ((100, 5), (300, 70)):
        (x,) = signed(np.random.default_rng(7), np.float32, (rows, channels))
        expected = normalize.moments(x)
        x[rows // 2, 3] = special
        for ours, theirs in zip(normalize.moments(x), expected, strict=True):
            assert not np.isfinite(ours[3])
            assert_same_bits(np.delete(ours, 3), np.delete(theirs, 3))


# --- Layers --------------------------------------------------------------------------------------------------------------

#: name: (a layer, from Keras's module or from ours; the shape of an input).
LAYERS = {
    "batch": (lambda of: of.BatchNormalization(), (5, 4, 6)),
    "batch, dense": (lambda of: of.BatchNormalization(momentum=0.5), (7,)),
    "batch, channels first": (lambda of: of.BatchNormalization(axis=1), (3, 5, 4)),
    "batch, axis between": (lambda of: of.BatchNormalization(axis=2, epsilon=0.1), (3, 5, 4)),
    "batch, 3 axes": (lambda of: of.BatchNormalization(axis=-1), (3, 5, 2, 4)),
    "batch, no beta": (lambda of: of.BatchNormalization(center=False), (5, 6)),
    "batch, no gamma": (lambda of: of.BatchNormalization(scale=False), (5, 6)),
    "batch, neither": (lambda of: of.BatchNormalization(center=False, scale=False), (5, 6)),
    "layer": (lambda of: of.LayerNormalization(), (5, 6)),
    "layer, dense": (lambda of: of.LayerNormalization(epsilon=0.1), (9,)),
    "layer, axis": (lambda of: of.LayerNormalization(axis=1), (5, 3, 4)),
    "layer, axes": (lambda of: of.LayerNormalization(axis=[1, 3]), (5, 3, 4)),
    "layer, all axes": (lambda of: of.LayerNormalization(axis=[-1, -2, -3], center=False), (5, 3, 4)),
    "layer, no gamma": (lambda of: of.LayerNormalization(scale=False), (5, 6)),
    "group": (lambda of: of.GroupNormalization(groups=2), (5, 4, 6)),
    "group, one": (lambda of: of.GroupNormalization(groups=1, center=False), (5, 4, 6)),
    "group, a channel each": (lambda of: of.GroupNormalization(groups=-1), (5, 4, 3)),
    "group, channels first": (lambda of: of.GroupNormalization(groups=3, axis=1), (6, 4, 3)),
    "group, dense": (lambda of: of.GroupNormalization(groups=3, scale=False), (12,)),
}


def twins(name, keras):
    """The layer by Keras and by us, with the same weights."""
    make, shape = LAYERS[name]
    theirs, ours = make(keras.layers), make(layers)
    theirs.build((None, *shape))
    ours.build((None, *shape))
    weights = [np.abs(w) + np.float32(0.1) for w in signed(np.random.default_rng(8), np.float32, *(w.shape for w in theirs.get_weights()))]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return theirs, ours, shape


@pytest.mark.parametrize("training", [True, False])
@by_name(LAYERS)
def test_outputs_and_gradients_are_those_of_keras(name, training, keras, tensorflow):
    theirs, ours, shape = twins(name, keras)
    assert list(ours.weights) == [weight.name for weight in theirs.weights]
    x, dy = signed(np.random.default_rng(9), np.float32, (4, *shape), (4, *shape))
    x = 2 * x + 1
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        expected = theirs(inputs, training=training)
        total = tensorflow.reduce_sum(expected * dy)
    expected_dx, *expected_gradients = tape.gradient(total, [inputs, *theirs.trainable_variables])
    y, cache = ours.forward(x, DRAWS if training else None)
    dx, gradients = ours.backward(dy, cache)
    scale = np.abs(x).max() * (1 + max((np.abs(w).max() for w in ours.get_weights()), default=1))
    assert_close(y, expected.numpy(), terms=x.size, scale=scale)
    assert_close(dx, expected_dx.numpy(), terms=x.size, scale=scale * np.abs(dy).max())
    for gradient, theirs_gradient in zip(gradients, expected_gradients, strict=True):
        assert_close(gradient, theirs_gradient.numpy(), terms=x.size, scale=scale * np.abs(dy).sum() / gradient.size)
    without = ours.backward(dy, cache, input_grad=False)
    assert without[0] is None
    for first, second in zip(without[1], gradients, strict=True):
        assert_same_bits(first, second)
    assert_same_bits(ours.infer(x), ours.forward(x)[0])


@by_name([name for name in LAYERS if name.startswith("batch")])
def test_moving_statistics_are_those_of_keras_after_steps(name, keras):
    theirs, ours, shape = twins(name, keras)
    rng = np.random.default_rng(10)
    for step in range(4):
        x = (step + rng.standard_normal((6, *shape))).astype(np.float32)
        theirs(x, training=True)
        ours.absorb(ours.observe(ours.forward(x, DRAWS)[1]))
    for mine, weight in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(mine, weight, terms=x.size, scale=np.abs(weight) + 1)


def test_large_means_cost_no_digits():
    (x,) = signed(np.random.default_rng(11), np.float32, (4096, 8))
    x += np.float32(4000)
    exact = x.astype(float)
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0))
    layer = layers.BatchNormalization(epsilon=0)
    # Numbers of 4000 are given to 2.4e-4; the mean is rounded like them, once.
    assert_close(layer(x, training=True), expected, terms=4, scale=np.abs(x), dtype=np.float32)


def small_network(of, sequential, frozen=False):
    return sequential(
        [
            of.Input(shape=(8, 8, 2)),
            of.Conv2D(6, 3, use_bias=False, name="convolution"),
            of.BatchNormalization(name="batch", momentum=0.8, trainable=not frozen),
            of.Activation("silu", name="silu"),
            of.Conv2D(4, 3, name="second"),
            of.GroupNormalization(2, name="group"),
            of.Flatten(name="flatten"),
            of.LayerNormalization(name="layer"),
            of.Dense(3, name="dense"),
        ]
    )


@pytest.mark.parametrize("frozen", [False, True])
def test_training_is_that_of_keras(frozen, keras):
    theirs, ours = small_network(keras.layers, keras.Sequential, frozen), small_network(layers, models.Sequential, frozen)
    theirs.set_weights(ours.get_weights())
    rng = np.random.default_rng(12)
    x, y = signed(rng, np.float32, (24, 8, 8, 2), (24, 3))
    theirs.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    ours.compile(optimizers.SGD(0.05), "mean_squared_error")
    expected = theirs.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    got = ours.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert_close(np.float32(got), np.float32(expected), terms=1000, scale=1 + np.float32(expected))
    for mine, weight in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(mine, weight, terms=1000, scale=1 + np.abs(weight))
    assert_close(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), terms=1000, scale=10)
    moving = ours.layers[1].get_weights()[2]
    assert moving.any() != frozen


def test_a_model_with_statistics_is_saved_with_them(tmp_path):
    model = small_network(layers, models.Sequential)
    x, y = signed(np.random.default_rng(13), np.float32, (16, 8, 8, 2), (16, 3))
    model.compile("adam", "mean_squared_error")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.safetensors")
    assert_same_bits(fastcnn.load_model(tmp_path / "model.safetensors").predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_session_sees_statistics_that_move():
    model = small_network(layers, models.Sequential)
    x, y = signed(np.random.default_rng(14), np.float32, (16, 8, 8, 2), (16, 3))
    before = model.predict(x, verbose=0)
    model.compile(optimizers.SGD(0.0), "mean_squared_error")
    model.fit(x, y, verbose=0)  # nothing but the statistics
    assert not np.array_equal(model.predict(x, verbose=0), before)


# --- Folded into convolutions ---------------------------------------------------------------------------------------------

#: name: (the layers, of how many steps inference is).
FOLDED = {
    "conv2d": (lambda: [layers.Conv2D(5, 3), layers.BatchNormalization()], 1),
    "no bias, relu, pooling": (
        lambda: [layers.Conv2D(5, 3, use_bias=False), layers.BatchNormalization(3), layers.Activation("relu"), layers.MaxPooling2D(2)],
        1,
    ),
    "a layer of relu": (lambda: [layers.Conv2D(5, 3), layers.BatchNormalization(scale=False), layers.ReLU()], 1),
    "relu6": (lambda: [layers.Conv2D(5, 3), layers.BatchNormalization(center=False), layers.ReLU(6)], 2),
    "groups": (lambda: [layers.Conv2D(6, 3, groups=2), layers.BatchNormalization(), layers.Activation("silu")], 2),
    "depthwise": (lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.BatchNormalization(), layers.Activation("relu")], 1),
    "winograd": (lambda: [layers.Conv2D(32, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()], 1),
    "activated before": (lambda: [layers.Conv2D(5, 3, activation="relu"), layers.BatchNormalization()], 2),
    "another axis": (lambda: [layers.Conv2D(5, 3), layers.BatchNormalization(axis=1)], 2),
    "two in a row": (lambda: [layers.Conv2D(5, 3), layers.BatchNormalization(), layers.BatchNormalization()], 2),
}


def drawn(name, seed=15):
    """The network with signed weights, but for positive variances, and an input."""
    random.set_seed(3)
    model = models.Sequential([layers.Input((10, 9, 4)), *FOLDED[name][0]()])
    set_weights(model, seed)
    (x,) = signed(np.random.default_rng(16), np.float32, (5, 10, 9, 4))
    return model, x


def set_weights(model, seed):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        drawn = {key: rng.standard_normal(weight.shape) for key, weight in layer.weights.items()}
        layer.set_weights([np.abs(value) + 0.5 if key == "moving_variance" else value for key, value in drawn.items()])


def assert_folded(y, model, x):
    expected = Network.of(model.graph).infer([x])[0]
    assert_close(y, expected, terms=300, scale=np.abs(expected).max())


@by_name(FOLDED)
def test_inference_folds_normalization_into_convolutions(name):
    model, x = drawn(name)
    assert len(Network.of(model.graph).fused(inference=True).steps) == FOLDED[name][1]
    session = fastcnn.InferenceSession(model, 2)
    y = session.run(x)
    assert_folded(y, model, x)
    assert_same_bits(model.predict(x, verbose=0), y)
    assert_same_bits(session.run(x[1:2]), y[1:2])
    set_weights(model, 17)  # of all layers, then of one after the other
    assert_folded(session.run(x), model, x)
    for layer in model.layers:
        layer.set_weights([2 * weight for weight in layer.get_weights()])
        assert_folded(session.run(x), model, x)


def test_training_does_not_fold():
    model, _ = drawn("conv2d")
    assert len(Network.of(model.graph).fused().steps) == 2


def test_what_others_read_too_is_not_folded():
    inputs = layers.Input((6, 6, 2))
    convolved = layers.Conv2D(3, 3)(inputs)
    model = models.Model(inputs, [convolved, layers.BatchNormalization()(convolved)])
    (x,) = signed(np.random.default_rng(18), np.float32, (2, 6, 6, 2))
    for ours, theirs in zip(model.predict(x, verbose=0), Network.of(model.graph).infer([x]), strict=True):
        assert_same_bits(ours, theirs)


def test_a_copy_of_a_folded_model_goes_its_own_way():
    model, x = drawn("conv2d")
    before = model.predict(x, verbose=0)
    twin = copy.deepcopy(model)
    set_weights(twin, 19)
    assert_folded(twin.predict(x, verbose=0), twin, x)
    assert_same_bits(model.predict(x, verbose=0), before)


# --- Odd cases -----------------------------------------------------------------------------------------------------------


def test_a_negative_variance_gives_nan_and_no_warning():
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    layer.set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.array([-1.0, 1.0])])
    y = layer(np.ones((1, 2)))
    assert np.isnan(y[0, 0])
    assert np.isfinite(y[0, 1])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.BatchNormalization(axis=1.0), TypeError, "axis"),
        (lambda: layers.BatchNormalization(axis=[1]), TypeError, "axis"),
        (lambda: layers.BatchNormalization(axis=0).build((None, 2)), ValueError, "axis"),
        (lambda: layers.BatchNormalization(axis=2).build((None, 2)), ValueError, "axis"),
        (lambda: layers.BatchNormalization(axis=-3).build((None, 2)), ValueError, "axis"),
        (lambda: layers.BatchNormalization(momentum=1.1), ValueError, "momentum"),
        (lambda: layers.BatchNormalization(momentum="0.9"), TypeError, "momentum"),
        (lambda: layers.BatchNormalization(epsilon=-1), ValueError, "epsilon"),
        (lambda: layers.BatchNormalization(center=1), TypeError, "center"),
        (lambda: layers.BatchNormalization(scale=None), TypeError, "scale"),
        (lambda: layers.BatchNormalization(gamma_initializer="one"), ValueError, "initializer"),
        (lambda: layers.LayerNormalization(axis=[]), ValueError, "axis"),
        (lambda: layers.LayerNormalization(axis="last"), TypeError, "axis"),
        (lambda: layers.LayerNormalization(axis=[1, 2]).build((None, 2)), ValueError, "axis"),
        (lambda: layers.LayerNormalization(epsilon=None), TypeError, "epsilon"),
        (lambda: layers.GroupNormalization(0), ValueError, "groups"),
        (lambda: layers.GroupNormalization(-2), ValueError, "groups"),
        (lambda: layers.GroupNormalization(2.0), TypeError, "groups"),
        (lambda: layers.GroupNormalization(3).build((None, 4)), ValueError, "groups"),
        (lambda: layers.GroupNormalization(8).build((None, 4)), ValueError, "groups"),
        (lambda: layers.GroupNormalization(2, axis=0).build((None, 4)), ValueError, "axis"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_gradients_of_a_layer_that_was_frozen_since_it_was_compiled_are_none():
    """And not those of the step before."""
    x, y = signed(np.random.default_rng(3), np.float32, (16, 8, 8, 2), (16, 3))
    model = small_network(layers, models.Sequential)
    model.compile(optimizers.SGD(0.1), "mean_squared_error")
    model.train_on_batch(x, y)
    norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    norm.trainable = False
    before = norm.get_weights()
    model.train_on_batch(x, y)
    for ours, theirs in zip(norm.get_weights(), before, strict=True):
        assert_same_bits(ours, theirs)
