"""Pictures: as they were kept, with the right numbers in them, and readable in grey and by those who see fewer colours."""

import io
import subprocess
import sys
from itertools import pairwise

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib import colors, pyplot
from matplotlib.testing.compare import calculate_rms

import fastcnn
from fastcnn import attribution, callbacks, layers, metrics, models, plots, reference
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


@pytest.fixture(scope="module")
def model():
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
    "grad_cam": lambda m, b, x, y: plots.grad_cam(m, x[:2], "conv1", class_id=3),
    "architecture": lambda m, b, x, y: plots.architecture(m),
    "architecture_branched": lambda m, b, x, y: plots.architecture(b),
}


@pytest.fixture
def draw(model, branched, digits):
    return lambda name: PICTURES[name](model, branched, *digits)


def texts(ax):
    return [text.get_text() for text in ax.texts if not getattr(text, "arrowprops", None) and text.get_text() not in "→×=*"]


# --- The look --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.mpl_image_compare(tolerance=TOLERANCE, savefig_kwargs={"dpi": DPI})
def test_picture(name, draw):
    return draw(name)


def pixels(figure):
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, format="png")
    return np.round(255 * matplotlib.image.imread(io.BytesIO(file.getvalue()))[..., :3]).astype(np.int16)
