"""Pictures: as they were kept, with the right numbers in them, and readable in grey and by those who see fewer colours."""

import io
import subprocess
import sys

import matplotlib
import matplotlib.image
import matplotlib.style
import numpy as np
import pytest
from kernels import move_to_float64
from matplotlib import pyplot
from matplotlib.testing.compare import calculate_rms

from fastcnn import attribution, layers, models, networks, plots, reference
from fastcnn.datasets import mnist_sample
from fastcnn.plots import style

#: How far pixels, from 0 to 255, may be from the kept ones, as a root of a mean square over the picture.
TOLERANCE = 4.0
DPI = 50

LETTER_O = np.array(
    [[0, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0]]
)
KERNEL = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
FEATURE_MAP = reference.convolve2d(LETTER_O, KERNEL, -2)
SIGNED = np.round(5 * np.sin(np.arange(30) ** 2), 2).reshape(5, 6)


def waves(shape, phase):
    """Weights that no training made: signed, and of a size that lets values through many layers."""
    return np.sin(1 + phase + 1.7 * np.arange(np.prod(shape))).reshape(shape) / np.sqrt(max(np.prod(shape[:-1]), 1) / 3)


def with_waves(model):
    model.set_weights([waves(weight.shape, phase) for phase, weight in enumerate(model.get_weights())])
    return model


def digits_model():
    return with_waves(
        models.Sequential(
            [
                layers.Input((28, 28, 1)),
                layers.Conv2D(6, 3, activation="relu", name="conv1"),
                layers.MaxPooling2D(2, name="pool1"),
                layers.Conv2D(4, 3, activation="relu", name="conv2"),
                layers.Flatten(name="flatten"),
                layers.Dense(10, activation="softmax", name="output"),
            ],
            name="digits",
        )
    )


@pytest.fixture(scope="module")
def model():
    return digits_model()


@pytest.fixture(scope="module")
def branched():
    image = layers.Input((8, 8, 4), name="image")
    convolve = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    x = layers.Add(name="add")([image, convolve(convolve(image))])
    x = layers.GlobalAveragePooling2D(name="means")(x)
    return models.Model(image, [layers.Dense(3, name="kind")(x), layers.Dense(1, name="size")(x)], name="two_answers")


@pytest.fixture(scope="module")
def digits():
    (_, _), (x, y) = mnist_sample.load_data()
    return x[:12] / np.float32(255), y[:12]


HISTORY = {"loss": [2.1, 0.9, 0.5], "accuracy": [0.3, 0.7, 0.8], "val_loss": [1.5, 0.8, 0.6], "val_accuracy": [0.5, 0.72, 0.78]}
LABELS, PREDICTED = [0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 2, 0, 2]

#: Each picture by name, made of a model, one with branches, images and their labels.
PICTURES = {
    "image": lambda m, b, x, y: plots.image(LETTER_O, "Letter O"),
    "image_digit": lambda m, b, x, y: plots.image(x[0]),
    "convolution_step": lambda m, b, x, y: plots.convolution_step(LETTER_O, KERNEL, (1, 0), -2),
    "convolution_step_stride": lambda m, b, x, y: plots.convolution_step(SIGNED, SIGNED[:2, :3], (1, 1), 0.25, 2),
    "feature_map": lambda m, b, x, y: plots.feature_map(LETTER_O, KERNEL, -2),
    "relu": lambda m, b, x, y: plots.relu(FEATURE_MAP),
    "max_pool": lambda m, b, x, y: plots.max_pool(FEATURE_MAP),
    "max_pool_overlapping": lambda m, b, x, y: plots.max_pool(SIGNED, 3, 1),
    "flatten": lambda m, b, x, y: plots.flatten(FEATURE_MAP),
    "pipeline": lambda m, b, x, y: plots.pipeline(LETTER_O, KERNEL, -2),
    "history": lambda m, b, x, y: plots.history(HISTORY),
    "predictions": lambda m, b, x, y: plots.predictions(m, x[:5], y[:5]),
    "confusion_matrix": lambda m, b, x, y: plots.confusion_matrix(LABELS, PREDICTED, class_names=["cat", "dog", "bird"]),
    "feature_maps": lambda m, b, x, y: plots.feature_maps(m, x[0], "conv1"),
    "feature_maps_of_two": lambda m, b, x, y: plots.feature_maps(m, x[:2], "conv2", count=3),
    "filters": lambda m, b, x, y: plots.filters(m.layers[2], 1),
    "saliency": lambda m, b, x, y: plots.saliency(m, x[0]),
    "grad_cam": lambda m, b, x, y: plots.grad_cam(m, x[:2], "conv2", class_id=1),
    "architecture": lambda m, b, x, y: plots.architecture(m),
    "architecture_branched": lambda m, b, x, y: plots.architecture(b),
}


@pytest.fixture
def draw(model, branched, digits):
    return lambda name: PICTURES[name](model, branched, *digits)


def texts(ax):
    return [text.get_text() for text in ax.texts if not getattr(text, "arrowprops", None) and text.get_text() not in "→×=*"]


# --- The look --------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not matplotlib.__version__.startswith("3.11."), reason="other versions write otherwise")
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.mpl_image_compare(tolerance=TOLERANCE, savefig_kwargs={"dpi": DPI})
def test_picture(name, draw):
    return draw(name)


def pixels(figure):
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, format="png")
    return np.round(255 * matplotlib.image.imread(io.BytesIO(file.getvalue()))[..., :3]).astype(np.int16)


def test_a_changed_number_is_seen():
    changed = FEATURE_MAP.copy()
    changed[0, 1] = 2
    for picture in (plots.relu, plots.max_pool, plots.flatten):
        assert calculate_rms(pixels(picture(FEATURE_MAP)), pixels(picture(changed))) > TOLERANCE


def test_the_callers_settings_neither_matter_nor_change(draw):
    before = pixels(draw("relu"))
    with matplotlib.style.context("dark_background"):
        settings = dict(matplotlib.rcParams)
        figure = draw("relu")
        assert np.array_equal(pixels(figure), before)
        assert dict(matplotlib.rcParams) == settings
    assert not pyplot.get_fignums() and figure._repr_png_().startswith(b"\x89PNG")


def test_matplotlib_is_imported_late():
    code = "import sys, fastcnn; assert 'matplotlib' not in sys.modules; sys.modules['matplotlib'] = None; fastcnn.plots"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: fastcnn.plots needs matplotlib: pip install 'fastcnn[plots]'" in result.stderr


@pytest.mark.parametrize("cmap", [style.PIXELS, style.VALUES, style.SIGNED])
def test_text_is_readable_on_every_colour(cmap):
    for color in matplotlib.colormaps[cmap](np.linspace(0, 1, 256)):
        assert style.contrast(style.text_color(color), color) >= 4.5


def test_lines_are_told_apart_in_grey():
    assert style.contrast(style.ACCENT, style.BASE) > 2
    assert min(style.contrast(color, "white") for color in (style.ACCENT, style.BASE)) > 3


def test_lines_are_told_apart_without_green_cones():
    # Linear RGB as seen with deuteranopia: G. Machado, M. Oliveira, L. Fernandes, IEEE TVCG 15 (2009), table 1.
    seen = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
    one, other = (seen @ np.array(matplotlib.colors.to_rgb(color)) ** 2.2 for color in (style.ACCENT, style.BASE))
    assert np.linalg.norm(one - other) > 0.2


# --- The numbers -----------------------------------------------------------------------------------------------------------


def test_a_step_has_the_numbers_of_the_reference():
    figure = plots.convolution_step(LETTER_O, KERNEL, (1, 0), -2)
    assert texts(figure.axes[4]) == style.numbers(FEATURE_MAP)
    assert figure.axes[3].get_xlabel() == "sum 3 + bias (−2) = 1"


def test_pooling_has_the_numbers_of_the_reference():
    shown = texts(plots.max_pool(SIGNED, 2).axes[1])
    assert shown[: len(shown) // 2] == style.numbers(reference.max_pool2d(SIGNED, 2, 2))


def test_gradients_are_central_differences():
    model = digits_model()
    move_to_float64(model.layers)
    x = np.random.default_rng(1).normal(size=(2, 28, 28, 1))  # without ties, where a pooling has no gradient
    found = attribution.score_gradient(model, x, 3)
    assert found.gradient.dtype == np.float64
    for place in [(0, 10, 10, 0), (1, 14, 12, 0), (1, 5, 20, 0)]:
        step = np.zeros_like(x)
        step[place] = 2.0**-20
        ahead, behind = (attribution.score_gradient(model, x + s, 3).scores[place[0]] for s in (step, -step))
        np.testing.assert_allclose(found.gradient[place], (ahead - behind) / 2.0**-19, rtol=1e-6, atol=1e-8)


def test_gradients_are_tensorflows(tensorflow, keras):
    ours = with_waves(networks.mnist_network())
    theirs = keras.Sequential([keras.Input((28, 28, 1))])
    for layer in ours.layers:
        names = ("filters", "kernel_size", "pool_size", "units", "activation", "rate")
        options = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
        options |= {"activation": "linear"} if layer is ours.layers[-1] else {}
        theirs.add(getattr(keras.layers, type(layer).__name__)(**options))
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(2).normal(size=(3, 28, 28, 1)).astype(np.float32)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        scores = theirs(inputs)[:, 3]
    expected = tape.gradient(scores, inputs).numpy()
    found = attribution.score_gradient(ours, x, 3).gradient
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_grad_cam_follows_its_formula(model, digits):
    found = attribution.score_gradient(model, digits[0], 1, layer="conv1")
    expected = np.maximum((found.values * found.gradient.mean(axis=(1, 2), keepdims=True)).sum(-1), 0)
    assert expected.max() > 0
    np.testing.assert_array_equal(attribution.grad_cam(model, digits[0], "conv1", 1), expected)


# --- Bad arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, name",
    [
        (lambda m, x: plots.image("x"), TypeError, "image"),
        (lambda m, x: plots.image(np.zeros((2, 2, 2))), ValueError, "image"),
        (lambda m, x: plots.convolution_step(LETTER_O, KERNEL, (4, 0)), ValueError, "position"),
        (lambda m, x: plots.feature_map(KERNEL, LETTER_O), ValueError, "kernel"),
        (lambda m, x: plots.relu(np.zeros(3)), ValueError, "feature_map"),
        (lambda m, x: plots.history([1]), TypeError, "history"),
        (lambda m, x: plots.history({}), ValueError, "history"),
        (lambda m, x: plots.predictions("m", x), TypeError, "model"),
        (lambda m, x: plots.predictions(m, x, np.full(12, 10)), ValueError, "y"),
        (lambda m, x: plots.confusion_matrix([0], [0], class_names=["a", "b"]), ValueError, "class_names"),
        (lambda m, x: plots.feature_maps(m, x, "none"), ValueError, "name"),
        (lambda m, x: plots.feature_maps(m, x, "flatten"), ValueError, "layer"),
        (lambda m, x: plots.filters(m.layers[1]), TypeError, "layer"),
        (lambda m, x: plots.filters(m.layers[0], 1), ValueError, "channel"),
        (lambda m, x: plots.saliency(m, x, 10), ValueError, "class_id"),
        (lambda m, x: plots.grad_cam(m, x, "flatten"), ValueError, "layer"),
        (lambda m, x: plots.architecture(1), TypeError, "model"),
    ],
)
def test_bad_arguments_are_named(call, error, name, model, digits):
    with pytest.raises(error, match=rf"\b{name}\b"):
        call(model, digits[0])
