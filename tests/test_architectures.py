"""Networks that people use, as Keras builds them, layer for layer and with Keras's weights: the same outputs and gradients."""

import numpy as np
import pytest
from keras_twins import spread_weights, twin_model

from fastcnn.network import Network
from fastcnn.random import Draws

#: Of Keras's builders, with the size of a small input.
NETWORKS = {
    "ResNet50": 64,
    "VGG16": 32,
    "MobileNetV2": 64,
    "EfficientNetB0": 64,
    "DenseNet121": 64,
    "InceptionV3": 75,
}
CLASSES = 10
EPS = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def pairs(keras):
    """Make a network by Keras and its twin."""

    def make(name, dtype="float32"):
        keras.utils.set_random_seed(0)
        size = NETWORKS[name]
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        try:
            build = getattr(keras.applications, name)
            theirs = build(weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None)
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
        spread_weights(theirs)
        return theirs, twin_model(theirs), np.random.default_rng(1).uniform(-1, 1, (3, size, size, 3)).astype(dtype)

    return make


def depth(model):
    """How many layers with sums lie on the longest way."""
    longest = {}
    network = Network.of(model.graph)
    for step in network.steps:
        longest[step.output] = max(longest.get(number, 0) for number in step.inputs) + bool(step.layers[0].weights)
    return max(longest[number] for number in network.outputs)


def share_off(actual, expected):
    """By how much of its size an array is off."""
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_keras(name, pairs):
    theirs, ours, x = pairs(name)
    assert ours.count_params() == theirs.count_params()
    expected = theirs(x).numpy()
    # Each layer adds errors of a few eps of its outputs' size, as good as independent.
    assert share_off(ours.predict(x, verbose=0), expected) < 16 * EPS * depth(ours)
    assert np.ptp(expected) > 0.1 * np.abs(expected).max()  # not all alike, as they would be if the images did not matter


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_gradients_in_training_are_those_of_keras(name, pairs, keras, tensorflow):
    """In float64: normalized over few pixels, with kinks behind, two ways to round in float32 lead to gradients that differ by percents."""
    theirs, ours, x = pairs(name, "float64")
    labels = np.array([1, 7, 3])
    with tensorflow.GradientTape() as tape:
        outputs = theirs(x, training=True)
        value = tensorflow.reduce_sum(outputs * tensorflow.one_hot(labels, CLASSES, dtype="float64"))
    gradients = [gradient.numpy() for gradient in tape.gradient(value, theirs.trainable_variables)]
    network = Network.of(ours.graph)
    for layer in network.layers:
        for weight, exact in zip(layer.weights, theirs.get_layer(layer.name).get_weights() if layer.weights else (), strict=True):
            layer.move_weight(weight, np.array(exact))
            layer.weights[weight][...] = exact
    ours_outputs, caches = network.forward([x], Draws(0, 0, np.arange(len(x))))
    views = {
        layer: tuple(np.full_like(layer.weights[name], np.nan) for name in layer.trainable_names)
        for layer in network.layers
        if layer.trainable_names
    }
    network.backward([np.eye(CLASSES)[labels]], caches, views)
    eps = float(np.finfo(np.float64).eps)
    assert share_off(ours_outputs[0], outputs.numpy()) < 1e5 * eps * depth(ours)
    found = [view for layer in ours.layers for view in views.get(layer, ())]
    whole = np.sqrt(sum(np.linalg.norm(gradient) ** 2 for gradient in gradients))
    for our_gradient, their_gradient in zip(found, gradients, strict=True):
        error = np.linalg.norm(our_gradient - their_gradient)
        assert error < 1e5 * eps * depth(ours) * max(np.linalg.norm(their_gradient), 0.01 * whole)
