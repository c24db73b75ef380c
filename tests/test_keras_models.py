"""Layers, the tutorial's network and its training, against Keras with the same weights; `test_optimizers.py` compares optimizers."""

import copy

import numpy as np
import pytest
from compare import assert_close, error_bound
from kernels import winograd

from fastcnn import datasets, layers, models, optimizers, random
from fastcnn.layers.activated import ActivatedLayer

#: name: (a layer, from Keras's module or from ours; the shape of an input).
LAYERS = {
    "conv2d": (lambda of: of.Conv2D(5, (3, 2)), (7, 8, 3)),
    "conv2d, relu": (lambda of: of.Conv2D(5, 3, activation="relu"), (7, 8, 3)),
    "conv2d, same, strided": (lambda of: of.Conv2D(4, (2, 3), strides=2, padding="same"), (8, 7, 3)),
    "conv2d, dilated": (lambda of: of.Conv2D(4, 3, dilation_rate=2, padding="same"), (8, 7, 3)),
    "conv2d, groups": (lambda of: of.Conv2D(6, 3, groups=2), (5, 6, 4)),
    "conv2d, no bias": (lambda of: of.Conv2D(3, 3, use_bias=False), (5, 6, 4)),
    "conv2d, softmax": (lambda of: of.Conv2D(3, 3, activation="softmax"), (5, 6, 4)),
    "depthwise": (lambda of: of.DepthwiseConv2D(3, activation="relu"), (7, 8, 5)),
    "depthwise, multiplied": (lambda of: of.DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=3), (7, 8, 4)),
    "transpose": (lambda of: of.Conv2DTranspose(4, 3), (5, 6, 3)),
    "transpose, same, strided": (lambda of: of.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"), (5, 6, 3)),
    "transpose, same, uneven": (lambda of: of.Conv2DTranspose(4, (2, 5), strides=2, padding="same"), (5, 6, 3)),
    "transpose, stride beyond the kernel": (lambda of: of.Conv2DTranspose(4, 2, strides=3), (5, 6, 3)),
    "transpose, same, stride beyond the kernel": (lambda of: of.Conv2DTranspose(4, 2, strides=3, padding="same"), (5, 6, 3)),
    "max pooling": (lambda of: of.MaxPooling2D(), (7, 8, 3)),
    "max pooling, same, overlapping": (lambda of: of.MaxPooling2D(3, strides=2, padding="same"), (7, 8, 3)),
    "average pooling": (lambda of: of.AveragePooling2D((2, 3)), (7, 8, 3)),
    "average pooling, same": (lambda of: of.AveragePooling2D(3, strides=2, padding="same"), (7, 8, 3)),
    "flatten": (lambda of: of.Flatten(), (3, 4, 2)),
    "dense": (lambda of: of.Dense(7), (11,)),
    "dense, relu, on images": (lambda of: of.Dense(7, activation="relu"), (3, 4, 5)),
    "dense, softmax": (lambda of: of.Dense(7, activation="softmax"), (11,)),
    "activation, relu": (lambda of: of.Activation("relu"), (3, 4, 5)),
    "activation, softmax": (lambda of: of.Activation("softmax"), (6,)),
}

#: Layers that are made without arguments.
WITHOUT_ARGUMENTS = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "BatchNormalization", "LayerNormalization", "GroupNormalization")


def tutorial_network(of, sequential, rate):
    return sequential(
        [
            of.Input(shape=(28, 28, 1)),
            of.Conv2D(32, (3, 3), activation="relu", name="conv1"),
            of.MaxPooling2D((2, 2), name="pool1"),
            of.Conv2D(64, (3, 3), activation="relu", name="conv2"),
            of.MaxPooling2D((2, 2), name="pool2"),
            of.Conv2D(64, (3, 3), activation="relu", name="conv3"),
            of.Flatten(name="flatten"),
            of.Dense(64, activation="relu", name="dense1"),
            of.Dropout(rate, name="dropout"),
            of.Dense(10, activation="softmax", name="output"),
        ]
    )


def digits(count):
    (x, y), _ = datasets.mnist_sample.load_data()
    return x[:count, ..., None].astype(np.float32) / np.float32(255), y[:count]


@pytest.fixture(scope="session")
def twins(keras):
    """The tutorial's network without dropout, by Keras and by us, with the same weights."""

    def make():
        random.set_seed(3)
        theirs, ours = tutorial_network(keras.layers, keras.Sequential, 0.0), tutorial_network(layers, models.Sequential, 0.0)
        rng = np.random.default_rng(3)  # biases are drawn too: zeros would hide a bias left out
        ours.set_weights([w if w.ndim > 1 else rng.normal(0, 0.05, w.shape) for w in ours.get_weights()])
        theirs.set_weights(ours.get_weights())
        return theirs, ours

    return make


def absolute(layer):
    """The layer with the absolute values of its weights, and no activation: it makes scales of absolute inputs."""
    positive = layer.without_activation() if isinstance(layer, ActivatedLayer) else copy.copy(layer)
    positive._weights = {name: np.abs(weight) for name, weight in layer.weights.items()}
    return positive


def output_scale(layer, x, y):
    """What the roundings of ``layer.infer(x)`` are relative to."""
    scale = absolute(layer).infer(np.abs(x))
    if getattr(layer, "activation", "") == "softmax":  # where logits are off by d, p is off by 2 d p, and rounded itself
        scale = y * (1 + 2 * scale.max(axis=-1, keepdims=True))
    return scale


def terms(layer, array):
    """How many products a sum in the layer's output, or in the gradient by its input, has at most: `array` is the one or the other."""
    kernel = layer.weights.get("kernel")
    window = np.prod(getattr(layer, "pool_size", 1)) if kernel is None else kernel.size // array.shape[-1]
    return int(window) + (array.shape[-1] if getattr(layer, "activation", "") == "softmax" else 0)


def gradient_scales(layer, x, y, dy, cache):
    """What the roundings of ``layer.backward(dy, cache)`` are relative to."""
    if not isinstance(layer, ActivatedLayer):
        return layer.backward(np.abs(dy), cache)
    dz = np.abs(dy)
    if layer.activation == "softmax":
        dz = y * (dz + np.sum(dz * y, axis=-1, keepdims=True))
    dx, *gradients = absolute(layer).linear_backward(dz, np.abs(x), True)
    return dx, gradients[: len(layer.weights)]


@winograd(0)  # the direct method's errors are relative to each sum, and not to others of its tile
def assert_layer_agrees(layer, x, y, dy, dx, gradients):
    """Assert that `layer` makes y of x, and of dy the gradients by x and by the weights, but for rounding."""
    ours, cache = layer.forward(x)
    assert_close(ours, y, terms=terms(layer, y), scale=output_scale(layer, x, y))
    our_dx, our_gradients = layer.backward(dy, cache)
    dx_scale, scales = gradient_scales(layer, x, y, dy, cache)
    assert_close(our_dx, dx, terms=terms(layer, x), scale=dx_scale)
    for ours, theirs, scale in zip(our_gradients, gradients, scales, strict=True):
        assert_close(ours, theirs, terms=max(x.size // x.shape[-1], y.size // y.shape[-1]), scale=scale)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_and_its_gradients_are_those_of_keras(name, keras, tensorflow):
    make, shape = LAYERS[name]
    ours, theirs = make(layers), make(keras.layers)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    theirs.build(x.shape)
    ours.build((None, *shape))
    weights = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        y = theirs(inputs)
        dy = rng.normal(size=y.shape).astype(np.float32)
        total = tensorflow.reduce_sum(y * dy)
    dx, *gradients = tape.gradient(total, [inputs, *theirs.trainable_variables])
    assert ours.compute_output_shape((None, *shape)) == (None, *y.shape[1:])
    assert_layer_agrees(ours, x, y.numpy(), dy, dx.numpy(), [g.numpy() for g in gradients])


def test_every_layer_of_the_tutorials_network_agrees_on_digits(twins, keras, tensorflow):
    """Each layer, given what Keras's network gives it on real digits, makes what Keras's layer makes of it, and so do the gradients."""
    theirs, ours = twins()
    x, y = digits(8)
    with tensorflow.GradientTape() as tape:
        planes = [tensorflow.constant(x)]
        tape.watch(planes[0])
        for layer in theirs.layers:
            planes.append(layer(planes[-1]))
        loss = -tensorflow.reduce_mean(tensorflow.math.log(tensorflow.gather(planes[-1], y.astype(np.int64), batch_dims=1)))
    weights = [layer.trainable_variables for layer in theirs.layers]
    by_planes, by_weights = tape.gradient(loss, [planes, weights])
    for index, layer in enumerate(ours.layers):
        arrays = [planes[index], planes[index + 1], by_planes[index + 1], by_planes[index]]
        assert_layer_agrees(layer, *(array.numpy() for array in arrays), [gradient.numpy() for gradient in by_weights[index]])


def path_error(model, images):
    """By how much of its size a gradient may differ that has come through all layers: the bounds of all its sums."""
    kernels = [layer.weights["kernel"] for layer in model.layers if layer.weights]
    parts = [error_bound(kernel.size // kernel.shape[-1], 1, np.float32) for kernel in kernels]
    return 2 * sum(parts) + error_bound(images * 26 * 26, 1, np.float32)  # forward, back, and over all pixels of all images


def assert_same_but_for(error, actual, expected):
    """Assert that two arrays differ by at most the share `error`, as vectors."""
    assert actual.shape == expected.shape
    assert np.linalg.norm(actual - expected) <= error * np.linalg.norm(expected)


def test_outputs_loss_and_every_gradient_of_the_tutorials_network(twins, keras, tensorflow):
    theirs, ours = twins()
    x, y = digits(32)
    assert ours.count_params() == theirs.count_params() == 93_322
    ours.compile("sgd", "sparse_categorical_crossentropy")
    loss_function = keras.losses.SparseCategoricalCrossentropy()
    with tensorflow.GradientTape() as tape:
        loss = loss_function(y, theirs(x))
    gradients = [gradient.numpy() for gradient in tape.gradient(loss, theirs.trainable_variables)]
    error = path_error(ours, len(x))
    assert_same_but_for(error, ours.predict(x, verbose=0), theirs(x).numpy())
    assert_same_but_for(error, np.array(ours.train_on_batch(x, y)), loss.numpy())
    for view, gradient in zip((view for views in ours._flat.gradient_views.values() for view in views), gradients, strict=True):
        assert_same_but_for(error, view, gradient)


def distance(some, others):
    return np.linalg.norm(np.concatenate([np.ravel(a - b) for a, b in zip(some, others, strict=True)]))


def test_twenty_steps_of_adam_stay_together(twins, keras):
    """As close as two of our own runs whose first weights differ by no more than what rounding makes of one gradient.

    No closer: where a gradient is nearly 0, Adam makes a step of its sign.
    """
    theirs, ours = twins()
    x, y = digits(640)
    start = ours.get_weights()
    nudges = np.random.default_rng(4)
    nudged = [weight * (1 + path_error(ours, 32) * nudges.choice([-1, 1], weight.shape)) for weight in start]

    def train(model, weights):
        model.set_weights(weights)
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
        return model.get_weights()

    end, nudged_end, their_end = train(ours, start), train(ours, nudged), train(theirs, start)
    assert distance(their_end, end) <= distance(nudged_end, end) <= distance(end, start) / 4


@winograd(0)  # on a digit's plain background, its roundings decide which of equal pixels a pooling takes, and training goes another way
def test_fit_tells_the_same_history(twins, keras):
    """Over several epochs, with a last batch that is not full and the last sixth of the data kept for validation."""
    theirs, ours = twins()
    x, y = digits(130)
    histories = []
    for model, module in (theirs, keras.optimizers), (ours, optimizers):
        model.compile(optimizer=module.SGD(0.05, momentum=0.9, nesterov=True), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        histories.append(model.fit(x, y, batch_size=32, epochs=3, validation_split=1 / 6, shuffle=False, verbose=0).history)
    their_history, our_history = histories
    assert our_history.keys() == their_history.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    steps = 3 * 4
    for name, values in our_history.items():
        assert_same_but_for(steps * path_error(ours, 32), np.array(values), np.array(their_history[name]))
    assert_same_but_for(steps * path_error(ours, 32), np.array(ours.evaluate(x, y, verbose=0)), np.array(theirs.evaluate(x, y, verbose=0)))


@pytest.mark.parametrize(
    "name", ["Conv2D", "MaxPooling2D", "AveragePooling2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense", "Flatten", *WITHOUT_ARGUMENTS]
)
def test_auto_names_are_those_of_keras(name, keras):
    arguments = {"Flatten": (), "Conv2D": (1, 1), "Conv2DTranspose": (1, 1)}.get(name, () if name in WITHOUT_ARGUMENTS else (1,))
    keras.backend.clear_session()
    theirs = [getattr(keras.layers, name)(*arguments).name for _ in range(3)]
    model = models.Sequential([getattr(layers, name)(*arguments) for _ in range(3)])
    assert [layer.name for layer in model.layers] == theirs
