"""Models that are changed after they were built, in ways that layers' attributes allow: they are right, or say what does not fit."""

import numpy as np
import pytest

from fastcnn import InferenceSession, losses, networks

X, Y = np.random.default_rng(1).standard_normal((8, 28, 28, 1)).astype(np.float32), np.arange(8)


def trained():
    """The network of `fastcnn train`, which has been trained and has predicted."""
    model = networks.mnist_network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)
    return model


@pytest.mark.parametrize(
    ("layer", "name", "value"),
    [
        (0, "strides", (2, 2)),
        (0, "padding", "same"),
        (0, "kernel_size", (1, 1)),
        (2, "dilation_rate", (3, 3)),
        (2, "groups", 2),
        (1, "pool_size", (5, 5)),
        (1, "strides", (1, 1)),
        (-1, "units", 20),
    ],
)
def test_a_layer_that_no_longer_fits_is_not_run(layer, name, value):
    model = trained()
    setattr(model.layers[layer], name, value)
    with pytest.raises(ValueError, match="must"):
        InferenceSession(model).run(X)


@pytest.mark.parametrize(
    ("layer", "name", "value"), [(0, "strides", (2, 2)), (0, "padding", "same"), (2, "groups", 2), (1, "pool_size", (5, 5))]
)
def test_a_training_does_not_go_on_with_a_layer_that_no_longer_fits(layer, name, value):
    model = trained()
    setattr(model.layers[layer], name, value)
    with pytest.raises(ValueError, match="must"):
        model.fit(X[:5], Y[:5], verbose=0)  # batches of another size, for which kernels are chosen anew


@pytest.mark.parametrize(("layer", "name", "shape"), [(0, "kernel", (3,)), (0, "bias", (3,)), (-1, "kernel", (64, 3)), (-1, "bias", (3,))])
def test_weights_of_other_shapes_are_not_read(layer, name, shape):
    model = trained()
    model.layers[layer].weights[name] = np.zeros(shape, np.float32)
    model.layers[layer].version += 1
    with pytest.raises(ValueError, match="weights must have the shapes that the model was built with"):
        model.predict(X, verbose=0)
    with pytest.raises(ValueError, match=r"w must|b must|not enough values"):  # of one layer by itself
        model.evaluate(X, Y, verbose=0)


def test_weights_of_another_dtype_are_read_as_what_they_are():
    model = trained()
    expected = model.predict(X, verbose=0)
    assert len(np.unique(expected)) > 10
    for layer in model.layers:
        for name in layer.weights:
            layer.weights[name] = layer.weights[name].astype(np.float64)
        layer.version += 1
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)


@pytest.mark.parametrize("labels", [np.zeros(2, np.int64), np.zeros(81, np.int64), np.zeros((80, 10), np.int8)])
def test_labels_that_are_not_one_a_row_are_not_read(labels):
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="labels"):
        loss.value_and_gradient(labels, np.zeros((80, 10), np.float32))


def test_labels_of_any_integers_are_read_as_what_they_are():
    loss, logits = losses.SparseCategoricalCrossentropy(from_logits=True), np.eye(10, dtype=np.float32)
    expected = loss.value_and_gradient(np.arange(10), logits)
    found = loss.value_and_gradient(np.arange(10).astype(np.int8), logits)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_session_shows_nothing_that_does_not_check_its_arguments():
    assert [name for name in dir(InferenceSession) if not name.startswith("_")] == ["is_current", "run"]


def test_a_tensors_shape_stays():
    with pytest.raises(AttributeError):
        networks.mnist_network().input.shape = (None, 5)
