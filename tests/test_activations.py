"""Activations: their kernels against float64, functions and layers against Keras, gradients against central differences."""

import numpy as np
import pytest
from activation_formulas import FORMULAS, OF_RESULT, steepness
from compare import assert_close, assert_gradient, assert_same_bits
from kernels import EDGES, by_name, on_both_dtypes, signed

import fastcnn
from fastcnn import _core, layers, models
from fastcnn.ops import activations, elementwise

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

SIZES = (0, *EDGES, 8193, 16385, 50_000)
EXTREMES = [0.0, -0.0, 3.0, -3.0, 6.0, 1e-30, -1e-30, 20.0, -20.0, 88.0, -88.0, -87.5, 100.0, -100.0, 700.0, -700.0, -745.0, 1e30, -1e30]


NAMES = ("elu", "gelu", "hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu", "linear", "relu", "relu6", "sigmoid", "silu", "softmax",
         "swish", "tanh")  # fmt: skip


@on_both_dtypes
@by_name(FORMULAS)
def test_kernels_are_the_formulas(name, isa, dtype):
    function, derivative = FORMULAS[name]
    rng = np.random.default_rng(1)
    for size in SIZES:
        (x, dy) = signed(rng, dtype, size, size)
        x *= 4
        x[: len(EXTREMES)] = EXTREMES[:size]
        exact = x.astype(np.float64)
        y, dx = np.empty_like(x), np.empty_like(x)
        _core.activation(name, size, x, y)
        with np.errstate(over="ignore"):
            expected, slope = function(exact), derivative(exact)
        # The result's own size and, as a factor may be below the normal numbers, x times the least of those.
        assert_close(
            y, expected, terms=4, scale=np.abs(expected) * steepness(name, exact) + np.abs(exact) * np.finfo(dtype).tiny, dtype=dtype
        )
        _core.activation_gradient(name, size, dy, y if name in OF_RESULT else x, dx)
        assert_close(dx, dy * slope, terms=4, scale=np.abs(dy) * (np.abs(slope) + 1), dtype=dtype)


@by_name(FORMULAS)
def test_a_number_has_the_same_bits_anywhere_and_on_any_number_of_threads(name, isa):
    (x, dy) = signed(np.random.default_rng(2), np.float32, 40_001, 40_001)
    y, dx = np.empty_like(x), np.empty_like(x)
    _core.activation(name, x.size, x, y)
    _core.activation_gradient(name, x.size, dy, x, dx)
    for first, last in ((0, 1), (1, 18), (16_383, 16_386), (39_990, 40_001)):
        part = np.empty(last - first, np.float32)
        _core.activation(name, part.size, x[first:last].copy(), part)
        assert_same_bits(part, y[first:last])
    with fastcnn.num_threads(3):
        again = np.empty_like(x)
        _core.activation_gradient(name, x.size, dy, x, again)
        assert_same_bits(again, dx)


@on_both_dtypes
def test_a_dropout_keeps_what_is_drawn_above_its_threshold(isa, dtype):
    rng = np.random.default_rng(6)
    for size in SIZES:
        (x,), u = signed(rng, dtype, size), rng.random(size, np.float32).astype(dtype)
        u[size // 2 :] = np.float32(0.3)  # not above
        x[::7], x[1::7] = np.nan, np.inf
        y = elementwise.dropout(x, u, float(np.float32(0.3)), 1.5)
        assert_same_bits(y, np.where(u > np.float32(0.3), x * dtype(1.5), dtype(0)))
    with pytest.raises(ValueError, match="u must have"):
        elementwise.dropout(x, u[:-1], 0.3, 1.5)


@by_name(NAMES)
def test_functions_are_those_of_keras(name, keras, tensorflow):
    rng = np.random.default_rng(3)
    x = (4 * rng.standard_normal((5, 4, 7))).astype(np.float32)
    with tensorflow.GradientTape() as tape:
        z = tensorflow.constant(x)
        tape.watch(z)
        theirs = keras.activations.get(name)(z)
        dy = rng.standard_normal(x.shape).astype(np.float32)
        total = tensorflow.reduce_sum(theirs * dy)
    function = activations.get(name)
    y = function.forward(x)
    assert_close(y, theirs.numpy(), terms=16, scale=np.abs(theirs.numpy()) + np.abs(x) * (name == "gelu") + 0.1)
    dx = function.backward(dy, x if function.of_input else y)
    scale = np.abs(dy) + 0.1 if name != "softmax" else np.abs(dy).sum(-1, keepdims=True)
    assert_close(dx, tape.gradient(total, z).numpy(), terms=16, scale=scale * 4)


@by_name(NAMES)
def test_functions_in_float64_have_the_gradient_of_central_differences(name):
    rng = np.random.default_rng(4)
    x, dy = 2 * rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 3, 5))
    function = activations.get(name)
    y = function.forward(x)
    gradient = function.backward(dy, x if function.of_input else y)
    assert_gradient(gradient, function.forward, x, dy, terms=10, scale=10.0 + np.abs(x))


@on_both_dtypes
@by_name(NAMES)
def test_functions_keep_the_dtype_and_the_argument_and_pass_nan(name, dtype):
    x = np.array([[np.nan, 1.0], [-1e30, 1e30], [-2.0, 3.5]], dtype)
    before = x.copy()
    function = activations.get(name)
    y = function.forward(x)
    dx = function.backward(np.ones_like(x), x if function.of_input else y)
    assert y.dtype == dx.dtype == dtype
    assert_same_bits(x, before)
    assert np.isnan(y[0, 0])
    assert not np.isnan(y[1:]).any()
    if name not in ("linear", "relu", "relu6", "hard_sigmoid", "leaky_relu"):  # whose slopes are known without the number
        assert np.isnan(dx[0, 0])


@by_name(NAMES)
def test_layers_take_functions_by_name(name):
    model = models.Sequential(
        [layers.Input((6, 6, 2)), layers.Conv2D(3, 3, activation=name), layers.Dense(4, activation=name), layers.Activation(name)]
    )
    x = np.random.default_rng(5).standard_normal((2, 6, 6, 2)).astype(np.float32)
    function = activations.get(name).forward
    convolution, dense, _ = model.layers
    expected = fastcnn.conv2d(x, *convolution.get_weights())
    expected = function(function(fastcnn.dense(function(expected), *dense.get_weights())))
    assert_same_bits(model.predict(x, verbose=0), expected)
    model.compile("sgd", "mean_squared_error")
    model.fit(x, expected, verbose=0)


#: name: (a layer, from Keras's module or from ours).
LAYERS = {
    "relu": lambda of: of.ReLU(),
    "relu, maximum": lambda of: of.ReLU(max_value=2),
    "relu6": lambda of: of.ReLU(6),
    "relu, slope": lambda of: of.ReLU(negative_slope=0.1),
    "relu, threshold": lambda of: of.ReLU(threshold=0.5),
    "relu, all": lambda of: of.ReLU(max_value=1.5, negative_slope=0.2, threshold=0.4),
    "leaky relu": lambda of: of.LeakyReLU(),
    "leaky relu, no slope": lambda of: of.LeakyReLU(0),
    "prelu": lambda of: of.PReLU(),
    "prelu, shared": lambda of: of.PReLU(shared_axes=[1, 2]),
    "prelu, one shared": lambda of: of.PReLU(shared_axes=2),
    "elu": lambda of: of.ELU(0.5),
    "softmax": lambda of: of.Softmax(),
    "softmax, axis": lambda of: of.Softmax(axis=1),
}


@by_name(LAYERS)
def test_layers_are_those_of_keras(name, keras, tensorflow):
    rng = np.random.default_rng(6)
    (x,) = signed(rng, np.float32, (3, 4, 5, 2))
    theirs, ours = LAYERS[name](keras.layers), LAYERS[name](layers)
    theirs.build(x.shape)
    ours.build((None, *x.shape[1:]))
    weights = [np.abs(array) for array in signed(rng, np.float32, *(weight.shape for weight in theirs.get_weights()))]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(x)
        tape.watch(inputs)
        expected = theirs(inputs)
        (dy,) = signed(rng, np.float32, x.shape)
        total = tensorflow.reduce_sum(expected * dy)
    expected_dx, *expected_gradients = tape.gradient(total, [inputs, *theirs.trainable_variables])
    y, cache = ours.forward(x)
    dx, gradients = ours.backward(dy, cache)
    assert_close(y, expected.numpy(), terms=8, scale=np.abs(x) + 1)
    assert_close(dx, expected_dx.numpy(), terms=8, scale=np.abs(dy) + 1)
    for gradient, theirs_gradient in zip(gradients, expected_gradients, strict=True):
        assert_close(gradient, theirs_gradient.numpy(), terms=x.size, scale=np.abs(x * dy).sum())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.ReLU(max_value=-1), ValueError, "max_value"),
        (lambda: layers.ReLU(max_value="6"), TypeError, "max_value"),
        (lambda: layers.ReLU(negative_slope=-0.1), ValueError, "negative_slope"),
        (lambda: layers.ReLU(threshold=-1), ValueError, "threshold"),
        (lambda: layers.ReLU(threshold=None), TypeError, "threshold"),
        (lambda: layers.LeakyReLU(-1), ValueError, "negative_slope"),
        (lambda: layers.LeakyReLU(None), TypeError, "negative_slope"),
        (lambda: layers.ELU("1"), TypeError, "alpha"),
        (lambda: layers.ELU(float("nan")), ValueError, "alpha"),
        (lambda: layers.Softmax(1.0), TypeError, "axis"),
        (lambda: layers.Softmax(3).build((None, 2, 2)), ValueError, "axis"),
        (lambda: layers.PReLU(shared_axes=0), ValueError, "shared_axes"),
        (lambda: layers.PReLU(shared_axes="1"), TypeError, "shared_axes"),
        (lambda: layers.PReLU(shared_axes=[1, 4]).build((None, 2, 2)), ValueError, "shared_axes"),
        (lambda: layers.PReLU(alpha_initializer="one"), ValueError, "initializer"),
        (lambda: layers.Activation("Sigmoid"), ValueError, "activation"),
        (lambda: layers.Activation(abs), TypeError, "activation"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
