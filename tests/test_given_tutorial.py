"""A notebook for TensorFlow runs as it is, but for its imports. It is not ours to ship: ``FASTCNN_TUTORIAL`` says where its text is."""

import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tutorial_cells import code_cells

from fastcnn import random
from fastcnn.datasets import mnist_sample

PATH = os.environ.get("FASTCNN_TUTORIAL")
needs_tutorial = pytest.mark.skipif(not PATH, reason="FASTCNN_TUTORIAL does not say where the tutorial's text is")

#: The four imports, and a word that names an object by the `self` of its class, outside of it.
CHANGES = {
    "import tensorflow as tf\n": "import fastcnn as tf\n",
    "from tensorflow import keras\n": "import fastcnn as keras\n",
    "from tensorflow.keras import layers\n": "from fastcnn import layers\n",
    "from tensorflow.keras.datasets import mnist\n": "from fastcnn.datasets import mnist\n",
    "({self.filter.size} ": "({cnn.filter.size} ",
}


def changed(cells):
    """Return the cells with `CHANGES`, each of which is made once."""
    text = "\0".join(cells)
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text.split("\0")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What the tutorial leaves behind: its names, and how many figures each cell showed. The sample stands in for all of MNIST."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist.npz").symlink_to(mnist_sample.PATH)
    names, figures, shown = {"__name__": "tutorial"}, [], []

    def show():
        for number in pyplot.get_fignums():
            pyplot.figure(number).canvas.draw()
            shown.append(number)
        pyplot.close("all")

    state, seed = np.random.get_state(), random.get_seed()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), matplotlib.rc_context():
        patch.setenv("FASTCNN_DATA_DIR", str(folder))
        patch.setattr(pyplot, "show", show)
        for number, cell in enumerate(changed(code_cells(Path(PATH).read_text(encoding="utf-8"))), 1):
            before = len(shown)
            exec(compile(cell, f"<cell {number}>", "exec"), names)
            figures.append(len(shown) - before)
    yield SimpleNamespace(figures=figures, **names)
    np.random.set_state(state)
    random.set_seed(seed)


@needs_tutorial
def test_all_cells_run_and_show_their_figures(run):
    assert run.figures == [0, 1, 0, 2, 1, 1, 1, 1, 2, 0, 0, 2, 1, 0, 0, 1, 1, 1, 3, 1, 0]


@needs_tutorial
def test_its_loops_give_what_the_kernels_give(run):
    import fastcnn

    assert np.array_equal(run.feature_map_o, fastcnn.convolve2d(run.letter_o, run.filter_kernel, bias=-2))
    assert np.array_equal(run.pooled_map, fastcnn.max_pool2d(fastcnn.relu(run.feature_map_o)))


@needs_tutorial
def test_its_network_of_loops_learns_where_its_filter_lets_it(run):
    """With the tutorial's seed the filter, which it never trains, gives nothing but zeros for any letter; with another it does not."""
    assert run.cnn_trained.loss_history[-1] < run.cnn_trained.loss_history[0]
    assert not run.cnn_trained.flattened.any()
    np.random.seed(8)
    network = run.TrainableCNN(learning_rate=0.1)
    network.train(run.train_images, run.train_targets, epochs=500, verbose=False)
    assert network.loss_history[-1] < 0.05 < 0.5 < network.loss_history[0]
    assert [int(network.predict(image)[0]) for image in run.train_images] == run.train_targets


@needs_tutorial
def test_its_keras_network_learns_the_digits(run):
    assert run.model.count_params() == 93_322
    assert {name: len(values) for name, values in run.history.history.items()} == dict.fromkeys(
        ["accuracy", "loss", "val_accuracy", "val_loss"], 5
    )
    assert run.test_accuracy > 0.95
    assert run.predictions.shape == (20, 10)
    assert np.mean(run.predicted_classes == run.y_test[:20]) > 0.8


@needs_tutorial
def test_it_sees_into_the_layers(run):
    maps = [(26, 26, 32), (13, 13, 32), (11, 11, 64), (5, 5, 64), (3, 3, 64), (576,)]
    assert [array.shape for array in run.activations] == [(1, *shape) for shape in maps]
    assert all(array.any() for array in run.activations)
    assert run.filters.shape == (3, 3, 1, 32)


MADE_UP = '''# A heading

In [None]:
# a comment, no heading
x = 1

In [None]:
text = """
In [None]:
## a heading in a string
"""
values = [
## a comment of some weight
    1,
]

## Words
x = 2 is not code here.

In [None]:
y = 3'''


def test_cells_end_where_markdown_or_the_next_begins_but_not_in_a_string():
    first, second, third = code_cells(MADE_UP)
    assert first == "# a comment, no heading\nx = 1\n"
    names = {}
    exec(second, names)
    assert names["text"] == "\nIn [None]:\n## a heading in a string\n" and names["values"] == [1]
    assert "Words" not in second and third == "y = 3\n"


def test_text_without_cells_has_none():
    assert code_cells("# Words\n\nAnd In [None]: inside a line.\n") == []


def test_a_change_that_is_nowhere_to_be_made_is_an_error():
    with pytest.raises(AssertionError, match="import tensorflow"):
        changed(["x = 1\n"])
