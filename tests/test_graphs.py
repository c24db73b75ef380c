"""Models with branches, shared layers, several inputs and outputs, and models inside them."""

import copy
import pickle

import numpy as np
import pytest
from compare import assert_gradient, assert_same_bits
from kernels import move_to_float64

import fastcnn
from fastcnn import layers, models, random
from fastcnn.layers.base import Layer
from fastcnn.network import Network
from fastcnn.random import Draws


class Sum(Layer):
    """A layer of somebody else's, of several inputs."""

    takes_many = True

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def forward(self, x, training=None):
        return sum(x[1:], x[0]), len(x)

    def backward(self, dy, cache, input_grad=True, out=()):
        return (dy,) * cache, ()


@pytest.fixture(autouse=True)
def seed():
    random.set_seed(4)


def branched():
    """Two inputs, a shared layer, a value with three uses, a model in the model, two outputs of which one is used again."""
    image, row = fastcnn.Input((5, 6, 2), name="image"), fastcnn.Input((4,), name="row")
    shared = layers.Conv2D(2, 3, padding="same", activation="relu", name="shared")
    once = shared(image)
    twice = shared(once)
    joined = Sum(name="sum")([once, twice, once])
    inner_in = fastcnn.Input((60,))
    inner = models.Model(inner_in, layers.Dense(3, name="deep")(inner_in), name="inner")
    first = inner(layers.Flatten(name="flat")(joined))
    second = Sum(name="both")([layers.Dense(3, name="side")(row), first])
    return models.Model([image, row], [first, second], name="branched")


def data(count=7, dtype=np.float32):
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 5, 6, 2)).astype(dtype), rng.normal(size=(count, 4)).astype(dtype)


def by_hand(model, image, row):
    weights = {key: value.astype(np.float64) for key, value in model.weights.items()}

    def shared(x):
        return fastcnn.conv2d(x, weights["shared/kernel"], weights["shared/bias"], padding="same", activation="relu")

    once = shared(image.astype(np.float64))
    flat = (2 * once + shared(once)).reshape(len(image), -1)
    first = flat @ weights["inner/deep/kernel"] + weights["inner/deep/bias"]
    return first, row @ weights["side/kernel"] + weights["side/bias"] + first


def test_outputs_are_those_of_the_layers_by_hand():
    model = branched()
    outputs = model.predict(list(data()), verbose=0)
    for ours, expected in zip(outputs, by_hand(model, *data()), strict=True):
        np.testing.assert_allclose(ours, expected, atol=200 * np.finfo(np.float32).eps * np.abs(expected).max())


def test_every_way_to_run_a_model_gives_the_same_bits():
    model, (image, row) = branched(), data()
    expected = Network.of(model.graph).infer([image, row])
    ways = [
        model.predict([image, row], verbose=0),
        model.predict({"row": row, "image": image}, batch_size=3, verbose=0),
        fastcnn.InferenceSession(model, 2).run([image, row]),
        model([image, row]),
        Network.of(model.graph).fused().forward([image, row], Draws(1, 2, np.arange(7)))[0],
        copy.deepcopy(model).predict([image, row], verbose=0),
    ]
    for outputs in ways:
        for ours, theirs in zip(outputs, expected, strict=True):
            assert_same_bits(ours, theirs)


def test_gradients_are_central_differences_through_branches_and_shared_layers():
    model = branched()
    network, rng = Network.of(model.graph), np.random.default_rng(2)
    move_to_float64(network.layers)
    xs = data(2, np.float64)
    views = {layer: tuple(np.full(layer.weights[name].shape, np.nan) for name in layer.trainable_names) for layer in network.layers}
    views = {layer: places for layer, places in views.items() if places}
    outputs, caches = network.forward(xs)
    dys = [rng.normal(size=y.shape) for y in outputs]
    network.backward(dys, caches, views)
    assert not caches
    for layer, places in views.items():
        for name, place in zip(layer.trainable_names, places, strict=True):

            def output(value, layer=layer, name=name):
                before, layer._weights[name] = layer._weights[name], value
                try:
                    return np.concatenate(network.infer(xs), axis=1)
                finally:
                    layer._weights[name] = before

            assert_gradient(place, output, layer.weights[name], np.concatenate(dys, axis=1), terms=400, scale=20.0)


def test_an_output_without_a_gradient_leaves_zeros_where_nothing_flows():
    model = branched()
    network = Network.of(model.graph)
    views = {layer: tuple(np.full_like(weight, np.nan) for weight in layer.weights.values()) for layer in network.layers if layer.weights}
    outputs, caches = network.forward(data())
    network.backward([np.ones_like(outputs[0]), None], caches, views)
    for layer, places in views.items():
        for place in places:
            assert np.isfinite(place).all()
            assert (place == 0).all() == (layer.name == "side")


def test_layers_and_weights_have_the_order_of_keras(keras):
    def build(of, model):
        a, b = of.Input((6,), name="a"), of.Input((3,), name="b")
        late = of.layers.Dense(5, name="late")
        x = of.layers.Dense(5, name="x")(a)
        y = late(of.layers.Dense(6, name="y")(b))
        inner_in = of.Input((5,))
        inner = model(inner_in, of.layers.Dense(2, name="deep")(of.layers.Dense(4, name="deeper")(inner_in)), name="inner")
        return model([b, a], [inner(y), of.layers.Flatten(name="end")(x), late(a)])

    ours, theirs = build(fastcnn, models.Model), build(keras, keras.Model)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    ours.set_weights(theirs.get_weights())
    inputs = [np.random.default_rng(0).normal(size=(4, size)).astype(np.float32) for size in (3, 6)]
    for mine, other in zip(ours.predict(inputs, verbose=0), theirs(inputs), strict=True):
        np.testing.assert_allclose(mine, other.numpy(), atol=100 * np.finfo(np.float32).eps)


def test_what_lies_inside_can_be_looked_at():
    model = models.Sequential([layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)), layers.MaxPooling2D(2), layers.Flatten()])
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    watcher = models.Model(inputs=model.input, outputs=[layer.output for layer in model.layers])
    outputs = watcher.predict(x, verbose=0)
    for layer, output in zip(model.layers, outputs, strict=True):
        x = layer.infer(x)
        assert_same_bits(output, x)
    tail = models.Model(model.layers[0].output, model.output)
    assert_same_bits(tail.predict(outputs[0], verbose=0), outputs[-1])


def test_models_share_layers_and_their_weights():
    base = models.Sequential([fastcnn.Input((4,)), layers.Dense(5, activation="relu"), layers.Dense(3)])
    head = models.Sequential([base, layers.Dense(2)])
    same = models.Model(base.input, base.layers[-1].output)
    base.set_weights([weight + 1 for weight in base.get_weights()])
    x = np.ones((2, 4), np.float32)
    assert_same_bits(same.predict(x, verbose=0), base.predict(x, verbose=0))
    assert_same_bits(head.predict(x, verbose=0), head.layers[1](base.predict(x, verbose=0)))


def test_frozen_layers_stay_and_the_rest_learns():
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    base = models.Sequential([fastcnn.Input((4,)), layers.Dense(5, activation="relu"), layers.Dense(3)])
    base.trainable = False
    assert not any(layer.trainable for layer in base.layers)
    model = models.Sequential([base, layers.Dense(2, activation="softmax")])
    before = model.get_weights()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=2, verbose=0)
    after = model.get_weights()
    assert [bool((a == b).all()) for a, b in zip(before, after, strict=True)] == [True] * 4 + [False] * 2
    base.trainable = True
    model.compile("adam", "sparse_categorical_crossentropy")  # goes on from where it is, with all weights
    model.fit(x, y, verbose=0)
    assert not any((a == b).all() for a, b in zip(after, model.get_weights(), strict=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_their_own(copied):
    model = branched()
    model.compile("adam", ["mse", "mse"])
    xs, ys = list(data()), [np.ones((7, 3)), np.zeros((7, 3))]
    model.fit(xs, ys, epochs=2, verbose=0)
    twin = copied(model)
    assert twin.name == "branched"
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    histories = [each.fit(xs, ys, epochs=2, verbose=0).history for each in (model, twin)]
    assert histories[0] == histories[1]
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert_same_bits(ours, theirs)


def test_deep_networks_need_no_deep_stack():
    tensor = begin = fastcnn.Input((2,))
    for _ in range(3000):
        tensor = layers.Activation("relu")(tensor)
    model = models.Model(begin, tensor)
    assert_same_bits(copy.deepcopy(model).predict(np.ones((1, 2), np.float32), verbose=0), np.ones((1, 2), np.float32))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda a, b: models.Model(a, Sum()([a, b])), ValueError, "inputs must hold.*'b'"),
        (lambda a, b: models.Model([a, b], np.ones(3)), TypeError, "outputs"),
        (lambda a, b: models.Model([], a), ValueError, "inputs"),
        (lambda a, b: layers.Dense(2)([a, b]), ValueError, "one, got 2"),
        (lambda a, b: Sum()([a, 3]), TypeError, "tensors"),
        (lambda a, b: models.Model(a, layers.Dense(2, name="x")(layers.Dense(3, name="x")(a))), ValueError, "unique.*'x'"),
        (lambda a, b: np.asarray(a), TypeError, "not computed yet"),
        (lambda a, b: layers.Dense(2).output, AttributeError, "never called"),
        (lambda a, b: models.Model([a, b], [a, b]).predict(np.ones((2, 4)), verbose=0), ValueError, "x must have an entry for each"),
        (lambda a, b: models.Model([a, b], b).predict([np.ones((2, 4)), np.ones((3, 4))], verbose=0), ValueError, "same number"),
        (lambda a, b: models.Model([a, b], b).predict({"a": np.ones((2, 4)), "c": 1}, verbose=0), ValueError, "keys"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(fastcnn.Input((4,), name="a"), fastcnn.Input((4,), name="b"))


def test_names_follow_the_order_in_which_layers_were_made():
    second = layers.Dense(2)
    first = layers.Dense(3)
    begin = fastcnn.Input((4,))
    model = models.Model(begin, second(first(begin)))
    assert [layer.name for layer in model.layers] == ["input_layer", "dense_1", "dense"]
    ensemble = models.Model(begin, Sum()([model.output, models.Sequential([begin, layers.Dense(2)]).output]))
    assert sorted(ensemble.weights) == ["dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel", "dense_2/bias", "dense_2/kernel"]


def test_a_summary_shows_branches(capsys):
    branched().summary()
    text = capsys.readouterr().out
    for piece in ('Model: "branched"', "sum (Sum)", "shared, shared, shared", "inner (Model)", "Total params: 236"):
        assert piece in text
