"""Augmentation against Keras with the random numbers that both are told, by central differences, and by its statistics."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits

import fastcnn
from fastcnn import layers, random

DRAWS = random.Draws(seed=7, epoch=1, samples=np.array([3, 0, 8, 5]))
FILLS = ["reflect", "wrap", "constant", "nearest"]
#: name: a layer, from Keras's module or from ours, whose random numbers can only have one value.
TOLD = {
    "rotation": lambda of, **options: of.RandomRotation((0.1, 0.1), **options),
    "rotation, to the right": lambda of, **options: of.RandomRotation((-0.23, -0.23), **options),
    "translation": lambda of, **options: of.RandomTranslation((0.3, 0.3), (-0.17, -0.17), **options),
    "translation, far": lambda of, **options: of.RandomTranslation((-0.9, -0.9), (0.97, 0.97), **options),
    "zoom": lambda of, **options: of.RandomZoom((0.37, 0.37), **options),
    "zoom, two factors": lambda of, **options: of.RandomZoom((-0.3, -0.3), (0.9, 0.9), **options),
}
RECOLOURED = {
    "contrast": lambda of: of.RandomContrast((0.4, 0.4), value_range=(0, 255)),
    "contrast, clipped": lambda of: of.RandomContrast((1, 1), value_range=(60, 150)),
    "brightness": lambda of: of.RandomBrightness((0.2, 0.2)),
    "brightness, clipped": lambda of: of.RandomBrightness((-0.3, -0.3), value_range=(0, 200)),
}
LAYERS = {
    "flip": lambda: layers.RandomFlip(),
    "rotation": lambda: layers.RandomRotation(0.2),
    "rotation, wrapped": lambda: layers.RandomRotation(0.2, fill_mode="wrap", interpolation="nearest"),
    "translation, constant": lambda: layers.RandomTranslation(0.4, 0.4, fill_mode="constant", fill_value=3.0),
    "zoom, nearest": lambda: layers.RandomZoom(0.4, 0.2, fill_mode="nearest"),
    "contrast": lambda: layers.RandomContrast((0.3, 0.4), value_range=(-9, 9)),
    "brightness": lambda: layers.RandomBrightness(0.3, value_range=(-9, 9)),
    "crop": lambda: layers.RandomCrop(3, 2),
    "crop of what is too small": lambda: layers.RandomCrop(8, 7),
}


def images(shape=(4, 6, 7, 3)):
    return np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILLS)
@pytest.mark.parametrize("name", TOLD)
def test_the_same_map_shows_what_it_shows_in_keras(name, fill_mode, interpolation, keras):
    """But for places that are off by the rounding of float32: of pixels 255 apart at most."""
    options = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 77.0}
    x = images()
    expected = TOLD[name](keras.layers, **options)(x, training=True).numpy()
    assert_close(TOLD[name](layers, **options).forward(x, DRAWS)[0], expected, terms=4, scale=255 * 20)


@pytest.mark.parametrize("name", RECOLOURED)
def test_recolouring_is_that_of_keras(name, keras, tensorflow):
    make, x = RECOLOURED[name], images()
    ours, theirs = make(layers), make(keras.layers)
    assert ours.factor == theirs.factor
    our_y, cache = ours.forward(x, DRAWS)
    drawn = {"contrast_factor": cache[0]} if "contrast" in name else theirs.get_random_transformation(x)
    dy = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        y = theirs.transform_images(inputs, drawn)
        total = tensorflow.reduce_sum(y * dy)
    dx = tape.gradient(total, inputs).numpy()
    assert_close(our_y, y.numpy(), terms=42, scale=255)
    assert_close(ours.backward(dy, cache)[0], dx, terms=42, scale=2 * np.abs(dy).sum((1, 2), keepdims=True) / 42 + np.abs(dy))


@pytest.mark.parametrize("shape", [(4, 6, 7, 3), (2, 9, 4, 1), (2, 5, 5, 2)])
@pytest.mark.parametrize("size", [(4, 5), (5, 5), (3, 8), (8, 12)])
def test_inference_crops_the_middle_and_resizes_it_as_keras_describes(shape, size, keras):
    x = images(shape)
    expected = np.array(keras.preprocessing.image.smart_resize(x, size))
    layer = layers.RandomCrop(*size)
    assert_close(layer.infer(x), expected, terms=4, scale=255 * 20)
    if size[0] > shape[1] or size[1] > shape[2]:
        assert_same_bits(layer.forward(x, DRAWS._replace(samples=np.arange(len(x))))[0], layer.infer(x))


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_central_differences(name):
    layer, rng = LAYERS[name](), np.random.default_rng(2)
    x = rng.normal(size=(2, 4, 5, 2))
    draws = DRAWS._replace(samples=np.array([4, 1]))
    y, cache = layer.forward(x, draws)
    dy = rng.normal(size=y.shape)
    dx, weights = layer.backward(dy, cache)
    assert weights == ()
    assert layer.backward(dy, cache, input_grad=False) == (None, ())
    assert_gradient(dx, lambda x: layer.forward(x, draws)[0], x, dy, terms=30, scale=30.0)


@pytest.mark.parametrize("name", LAYERS)
def test_an_image_changes_in_the_same_way_in_every_batch_and_otherwise_in_another_epoch(name):
    layer, x = LAYERS[name](), np.random.default_rng(3).normal(size=(4, 6, 7, 3)).astype(np.float32)
    x.flags.writeable = False
    y, _ = layer.forward(x, DRAWS)
    for place in range(4):
        alone, _ = layer.forward(x[place : place + 1], DRAWS._replace(samples=DRAWS.samples[place : place + 1]))
        assert_same_bits(alone, y[place : place + 1])
    if "small" not in name:
        assert (layer.forward(x, DRAWS._replace(epoch=2))[0] != y).any()
        assert (layer.forward(x, DRAWS._replace(samples=np.arange(10, 14)))[0] != y).any()
    assert layer.forward(x[:0], DRAWS._replace(samples=DRAWS.samples[:0]))[0].shape == (0, *y.shape[1:])
    assert layer.compute_output_shape((None, 6, 7, 3)) == (None, *y.shape[1:])
    if not isinstance(layer, layers.RandomCrop):
        assert_same_bits(layer.infer(x), x)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer.preprocessing


@pytest.mark.parametrize("name", LAYERS)
def test_bytes_become_float32(name):
    x = np.random.default_rng(3).integers(0, 256, (4, 6, 7, 3), np.uint8)
    layer = LAYERS[name]()
    for draws in (DRAWS, None):
        assert_same_bits(layer.forward(x, draws)[0], layer.forward(x.astype(np.float32), draws)[0])


def test_a_seed_of_ones_own_makes_the_numbers_of_the_global_one_of_no_matter():
    x, other = images(), DRAWS._replace(seed=8)
    assert (layers.RandomRotation(0.2).forward(x, DRAWS)[0] != layers.RandomRotation(0.2).forward(x, other)[0]).any()
    assert_same_bits(layers.RandomRotation(0.2, seed=1).forward(x, DRAWS)[0], layers.RandomRotation(0.2, seed=1).forward(x, other)[0])
    assert (layers.RandomRotation(0.2, seed=1).forward(x, DRAWS)[0] != layers.RandomRotation(0.2, seed=2).forward(x, DRAWS)[0]).any()


@pytest.mark.parametrize(("mode", "axes"), [("horizontal", (2,)), ("vertical", (1,)), ("horizontal_and_vertical", (1, 2))])
def test_half_of_the_images_are_flipped(mode, axes):
    draws, x = random.Draws(3, 0, np.arange(2000)), images((1, 3, 4, 1)).repeat(2000, 0)
    y, flip = layers.RandomFlip(mode).forward(x, draws)
    flipped = flip.which
    assert abs(flipped.mean() - 0.5) < 5 * np.sqrt(0.25 / 2000)  # five standard deviations of a share
    assert_same_bits(y[flipped], np.flip(x[flipped], axes))
    assert_same_bits(y[~flipped], x[~flipped])


def test_shifts_and_crops_are_spread_evenly():
    draws, x = random.Draws(3, 0, np.arange(3000)), np.zeros((3000, 5, 4, 1), np.float32)
    _, crop = layers.RandomCrop(3, 3).forward(x, draws)
    for axis, places in enumerate((3, 2)):
        shares = np.bincount(crop.starts[:, axis]) / 3000
        assert len(shares) == places
        assert np.abs(shares - 1 / places).max() < 5 * np.sqrt(1 / places / 3000)
    _, resampling = layers.RandomTranslation((0.1, 0.3), (-0.5, 0)).forward(x, draws)
    down, right = -resampling.maps[:, 5] / 5, -resampling.maps[:, 2] / 4
    for shifts, low, high in ((down, 0.1, 0.3), (right, -0.5, 0)):
        assert low <= shifts.min() <= shifts.max() <= high
        assert abs(shifts.mean() - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * 3000)


def test_what_lies_beyond_the_image_adds_nothing():
    x = np.full((1, 3, 3, 1), np.inf, np.float32)
    layer = layers.RandomTranslation((1, 1), (0, 0), fill_mode="constant", fill_value=2.0)
    assert_same_bits(layer.forward(x, DRAWS._replace(samples=np.array([0])))[0], np.full_like(x, 2))


def test_a_network_that_begins_with_augmentation_learns_and_predicts_without():
    random.set_seed(1)  # with first weights that have something to learn
    augmented = [layers.Rescaling(1 / 255), layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomCrop(5, 5)]
    model = fastcnn.Sequential([fastcnn.Input((6, 6, 1)), *augmented, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(1)])
    x = images((64, 6, 6, 1)).round().astype(np.uint8)
    y = (x.mean((1, 2, 3), keepdims=False) / 255)[:, None].astype(np.float32)
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert_same_bits(model.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.RandomFlip("sideways"), ValueError, "mode"),
        (lambda: layers.RandomFlip(seed=-1), ValueError, "seed"),
        (lambda: layers.RandomFlip(seed=1.5), TypeError, "seed"),
        (lambda: layers.RandomFlip(data_format="channels_first"), ValueError, "data_format"),
        (lambda: layers.RandomRotation("0.1"), TypeError, "factor"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), ValueError, "factor"),
        (lambda: layers.RandomRotation(2), ValueError, "factor"),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), ValueError, "fill_mode"),
        (lambda: layers.RandomRotation(0.1, interpolation="bicubic"), ValueError, "interpolation"),
        (lambda: layers.RandomRotation(0.1, fill_value="black"), TypeError, "fill_value"),
        (lambda: layers.RandomTranslation(1.5, 0), ValueError, "height_factor"),
        (lambda: layers.RandomTranslation(0, None), TypeError, "width_factor"),
        (lambda: layers.RandomZoom(float("nan")), ValueError, "height_factor"),
        (lambda: layers.RandomContrast(-0.5), ValueError, "factor"),
        (lambda: layers.RandomBrightness(0.1, value_range=255), TypeError, "value_range"),
        (lambda: layers.RandomBrightness(0.1, value_range=(1, 2, 3)), ValueError, "value_range"),
        (lambda: layers.RandomCrop(0, 3), ValueError, "height"),
        (lambda: layers.RandomCrop(3, 2.5), TypeError, "width"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_only_images_are_augmented():
    with pytest.raises(ValueError, match="axes"):
        layers.RandomFlip().build((None, 5))
