"""Arrays of layers of one's own, of any dtype and shape: the layers beside them work on them, or refuse them; they never misread them."""

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import layers, models
from fastcnn.ops import elementwise, normalize

X = np.random.default_rng(0).normal(0, 3, (5, 4, 4, 4)).astype(np.float32)


class Gives(layers.Layer):
    """What it gets, in another dtype, as another array, or in part."""

    def __init__(self, change, **kwargs):
        super().__init__(**kwargs)
        self.change = change

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return self.change(x), None

    def backward(self, dy, cache, input_grad=True, out=()):
        return self.change(dy), ()


def cast(dtype):
    return lambda x: x.astype(dtype)


#: Arrays whose numbers are those of float32 ones; and others.
REAL = {
    "int8": cast(np.int8),
    "int64": cast(np.int64),
    "bool": cast(bool),
    "float16": cast(np.float16),
    "big-endian": cast(">f4"),
    "transposed": lambda x: np.asfortranarray(x),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
}
OTHER = {"complex": cast(np.complex64), "object": cast(object), "text": cast("U8")}

NEXT = {
    **{
        name: lambda name=name: [layers.Activation(name)]
        for name in ("relu", "relu6", "sigmoid", "silu", "gelu", "hard_sigmoid", "hard_silu", "softmax")
    },
    "batch": lambda: [layers.BatchNormalization()],
    "layer": lambda: [layers.LayerNormalization()],
    "group": lambda: [layers.GroupNormalization(2)],
    "dense": lambda: [layers.Flatten(), layers.Dense(3, activation="gelu")],
    "conv": lambda: [layers.Conv2D(3, 2, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(2)],
    "pooling": lambda: [layers.MaxPooling2D(2)],
}


def model_of(change, name):
    fastcnn.random.set_seed(1)
    model = models.Sequential([fastcnn.Input((4, 4, 4)), layers.Dense(4), Gives(change), *NEXT[name]()])
    model.compile(fastcnn.optimizers.SGD(0.01), "mse")
    return model


def targets(model):
    return np.zeros((len(X), *model.output_shape[1:]), np.float32)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("name", NEXT)
def test_real_numbers_of_any_kind_are_worked_on(name, kind):
    change = REAL[kind]
    ours, plain = model_of(change, name), model_of(lambda x: change(x).astype(np.float32), name)
    atol = 1e-5 if kind == "int64" else 0  # which promotes to float64, as everywhere
    np.testing.assert_allclose(ours.predict(X, verbose=0), plain.predict(X, verbose=0), rtol=0, atol=atol)
    for model in (ours, plain):
        model.train_on_batch(X, targets(model))
    for mine, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=atol)


@pytest.mark.parametrize("kind", OTHER)
@pytest.mark.parametrize("name", NEXT)
def test_what_is_no_real_number_is_refused(name, kind):
    model = model_of(OTHER[kind], name)
    before = model.get_weights()
    with pytest.raises(TypeError):
        model.predict(X, verbose=0)
    with pytest.raises(TypeError):
        model.train_on_batch(X, targets(model))
    for mine, other in zip(model.get_weights(), before, strict=True):
        assert_same_bits(mine, other)


@pytest.mark.parametrize("name", ["batch", "dense", "conv"])
def test_a_layer_that_gives_less_than_it_said_is_found_out(name):
    model = model_of(lambda x: x[..., :1], name)
    with pytest.raises(ValueError):
        model.predict(X, verbose=0)
    with pytest.raises(ValueError):
        model.train_on_batch(X, targets(model))


@pytest.mark.parametrize(
    "call",
    [
        lambda: elementwise.activation_backward("gelu", np.ones(9, np.float32), np.ones(3, np.float32)),
        lambda: normalize.products(np.ones((2, 3)), np.ones((9, 3)), np.ones(3)),
        lambda: normalize.products(np.ones((9, 3)), np.ones((9, 3)), np.ones(2)),
        lambda: normalize.scale(np.ones((9, 3)), np.ones(3), np.ones(2), np.ones(3)),
        lambda: normalize.scale_backward(np.ones((9, 2)), np.ones((9, 3)), *[np.ones(3)] * 4),
        lambda: normalize.scale_backward(np.ones((9, 3)), np.ones((9, 3)), *[np.ones(3)] * 3, np.ones(2)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(call):
    with pytest.raises(ValueError, match="must have"):
        call()
