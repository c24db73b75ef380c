"""Layers of several inputs: against Keras, by central differences in float64, and in networks."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits

import fastcnn
from fastcnn import layers, random

#: name: the shapes of inputs that are put together element by element.
SHAPES = {
    "one": [(2, 3)],
    "two": [(3, 4, 2), (3, 4, 2)],
    "three": [(5,), (5,), (5,)],
    "a weight a channel": [(3, 4, 5), (1, 1, 5)],
    "both broadcast": [(3, 1, 2), (1, 4, 2)],
    "the smaller first": [(1, 1, 2), (3, 4, 2), (3, 1, 1)],
    "other ranks": [(2,), (3, 4, 2)],
}
ELEMENTWISE = {
    "Add": layers.Add,
    "Subtract": layers.Subtract,
    "Multiply": layers.Multiply,
    "Average": layers.Average,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
}
#: name: (axis, the inputs' shapes).
CONCATENATIONS = {
    "channels": (-1, [(3, 4, 2), (3, 4, 5)]),
    "three": (-1, [(2,), (1,), (3,)]),
    "rows": (1, [(3, 4, 2), (2, 4, 2)]),
    "columns": (-2, [(3, 4, 2), (3, 1, 2)]),
    "one": (3, [(3, 4, 2)]),
}
CASES = {
    **{f"{name}, {kind}": (make, shapes) for name, make in ELEMENTWISE.items() for kind, shapes in SHAPES.items()
       if name != "Subtract" or len(shapes) == 2},
    **{f"Concatenate, {name}": (lambda axis=axis: layers.Concatenate(axis), shapes) for name, (axis, shapes) in CONCATENATIONS.items()},
}  # fmt: skip

#: What the roundings of a layer are relative to is what this layer makes of absolute values; by default, the layer itself.
SCALES = dict.fromkeys([layers.Subtract, layers.Maximum, layers.Minimum], layers.Add)


def inputs(shapes, dtype=np.float32, batch=3):
    """Inputs around 1: products of them do not get small, nor do their differences."""
    rng = np.random.default_rng(11)
    return tuple((rng.normal(size=(batch, *shape)) + 1).astype(dtype) for shape in shapes), rng


@pytest.mark.parametrize("name", CASES)
def test_merging_is_that_of_keras(name, keras, tensorflow):
    make, shapes = CASES[name]
    ours = make()
    theirs = type(ours).__name__
    theirs = keras.layers.Concatenate(ours.axis) if theirs == "Concatenate" else getattr(keras.layers, theirs)()
    xs, rng = inputs(shapes)
    with tensorflow.GradientTape() as tape:
        tensors = [tensorflow.constant(x) for x in xs]
        tape.watch(tensors)
        expected = theirs(tensors)
        dy = rng.normal(size=expected.shape).astype(np.float32)
        total = tensorflow.reduce_sum(expected * dy)
    gradients = tape.gradient(total, tensors)
    y, cache = ours.forward(xs)
    scale_y, scale_cache = SCALES.get(type(ours), make)().forward(tuple(map(np.abs, xs)))
    scales, _ = SCALES.get(type(ours), make)().backward(np.abs(dy), scale_cache)
    assert_close(y, expected.numpy(), terms=len(xs), scale=scale_y)
    dxs, weights = ours.backward(dy, cache)
    assert weights == ()
    for dx, gradient, scale in zip(dxs, gradients, scales, strict=True):
        assert_close(dx, gradient.numpy(), terms=dy.size // dx.size + len(xs), scale=scale)
    assert ours.compute_output_shape([(None, *shape) for shape in shapes]) == (None, *y.shape[1:])


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_central_differences(name):
    make, shapes = CASES[name]
    layer, (xs, rng) = make(), inputs(shapes, np.float64, batch=2)
    y, cache = layer.forward(xs)
    dy = rng.normal(size=y.shape)
    dxs, _ = layer.backward(dy, cache)
    for place, dx in enumerate(dxs):

        def output_for(x, place=place):
            return layer.forward((*xs[:place], x, *xs[place + 1 :]))[0]

        assert_gradient(dx, output_for, xs[place], dy, terms=len(xs), scale=max(float(np.abs(x).max()) for x in xs) ** len(xs))


@pytest.mark.parametrize("name", CASES)
def test_an_entry_alone_gives_the_bits_it_gives_in_a_batch(name):
    make, shapes = CASES[name]
    layer, (xs, rng) = make(), inputs(shapes, batch=5)
    y, cache = layer.forward(xs)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dxs, _ = layer.backward(dy, cache)
    alone, cache = layer.forward(tuple(x[2:3] for x in xs))
    assert_same_bits(alone, y[2:3])
    for dx, one in zip(dxs, layer.backward(dy[2:3], cache)[0], strict=True):
        assert_same_bits(np.ascontiguousarray(one), np.ascontiguousarray(dx[2:3]))


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_written_into_inputs(name):
    make, shapes = CASES[name]
    layer, (xs, _) = make(), inputs(shapes)
    for x in xs:
        x.flags.writeable = False
    y, cache = layer.forward(xs)
    dy = np.ones_like(y)
    dy.flags.writeable = False
    layer.backward(dy, cache)
    assert layer.backward(dy, cache, input_grad=False) == (None, ())


@pytest.mark.parametrize(("make", "extreme"), [(layers.Maximum, np.inf), (layers.Minimum, -np.inf)])
def test_extremes_and_their_gradients_for_ties_infinities_and_nan(make, extreme):
    first = np.array([[1, extreme, np.nan, 0, np.nan]], np.float32)
    second = np.array([[1, 0, 5, np.nan, np.nan]], np.float32)
    y, cache = make().forward((first, second))
    assert_same_bits(np.isnan(y), np.array([[False, False, True, True, True]]))
    assert y[0, 1] == extreme
    dx, dz = make().backward(np.full((1, 5), 3, np.float32), cache)[0]
    assert dx.tolist() == [[3, 3, 3, 0, 3]]
    assert dz.tolist() == [[0, 0, 0, 3, 0]]


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (layers.Add(), [], "at least 1"),
        (layers.Concatenate(), [], "at least 1"),
        (layers.Add(), [(2, 3), (2, 4)], "equal or 1"),
        (layers.Multiply(), [(7, 7, 3), (2, 1, 3)], "equal or 1"),
        (layers.Subtract(), [(2,)], "two"),
        (layers.Subtract(), [(2,), (2,), (2,)], "two"),
        (layers.Concatenate(), [(2, 3), (3, 3)], "equal but for axis"),
        (layers.Concatenate(), [(2, 3), (3,)], "equal but for axis"),
        (layers.Concatenate(3), [(2, 3), (2, 3)], "axis"),
        (layers.Concatenate(-3), [(2, 3), (2, 3)], "axis"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layer, shapes, message):
    with pytest.raises(ValueError, match=message):
        layer([np.zeros((2, *shape)) for shape in shapes])
    with pytest.raises(ValueError, match=message):
        layer([fastcnn.Input(shape) for shape in shapes] or ())
    assert not layer.built


@pytest.mark.parametrize("layer", [layers.Add(), layers.Concatenate()])
def test_inputs_of_other_batches_are_refused(layer):
    with pytest.raises(ValueError, match="number of entries"):
        layer([np.zeros((1, 3)), np.zeros((4, 3))])


@pytest.mark.parametrize(("axis", "error"), [(0, ValueError), (40, ValueError), (1.0, TypeError), (None, TypeError)])
def test_a_bad_axis_is_refused(axis, error):
    with pytest.raises(error, match="axis"):
        layers.Concatenate(axis)


def test_a_network_with_shortcuts_squeeze_and_excite_and_branches_learns_and_comes_back_from_its_file(tmp_path):
    random.set_seed(5)
    x = fastcnn.Input((6, 6, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(4, 1)(x)
    both = layers.Add()([a, b])
    weights = layers.Dense(4, activation="softmax")(layers.AveragePooling2D(6)(both))
    both = layers.Multiply()([both, weights])
    y = layers.Dense(2)(layers.Flatten()(layers.Concatenate()([both, x])))
    model = fastcnn.Model(x, y)
    rng = np.random.default_rng(0)
    images, wanted = rng.normal(size=(32, 6, 6, 3)).astype(np.float32), rng.normal(size=(32, 2)).astype(np.float32)
    model.compile("adam", "mse")
    losses = model.fit(images, wanted, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    model.save(tmp_path / "model.safetensors")
    assert_same_bits(fastcnn.load_model(tmp_path / "model.safetensors").predict(images, verbose=0), model.predict(images, verbose=0))
