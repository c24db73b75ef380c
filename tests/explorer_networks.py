"""What the explorer's tests share: a network with layers of every kind, its numbers, and how the page writes numbers."""

import json
import math
from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np

import fastcnn as keras
from fastcnn import layers


def every_kind():
    """A network with branches, with a layer of each kind that the page tells in its own way, and weights that are all different."""
    inputs = keras.Input((9, 8, 4), name="image")
    x = layers.Rescaling(0.5, offset=-0.25)(inputs)
    left = layers.Conv2D(6, (3, 2), strides=(2, 1), padding="same", activation="relu", name="conv")(x)
    right = layers.DepthwiseConv2D(3, strides=(2, 1), padding="same", depth_multiplier=2, activation="tanh", name="depthwise")(x)
    grouped = layers.Conv2D(6, 3, dilation_rate=(1, 2), groups=2, padding="same", use_bias=False, name="grouped")(left)
    grouped = layers.Activation("sigmoid")(layers.BatchNormalization()(grouped))
    both = layers.Concatenate()([layers.Add()([left, grouped]), right])
    both = layers.SeparableConv2D(5, 3, padding="same", activation="relu6", name="separable")(both)
    pooled = layers.MaxPooling2D(2, padding="same")(both)
    pooled = layers.AveragePooling2D(2, strides=1, padding="same")(pooled)
    large = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="silu", name="transposed")(pooled)
    ends = [layers.GlobalAveragePooling2D()(large), layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(large))]
    y = layers.Dropout(0.5)(layers.Dense(27, activation="elu", name="hidden")(layers.Concatenate(name="ends")(ends)))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="answer")(y), name="every_kind")
    rng = np.random.default_rng(5)
    model.set_weights(
        [
            0.5 + rng.random(weight.shape) if "variance" in name else rng.normal(0, 0.4, weight.shape)
            for name, weight in model.weights.items()
        ]
    )
    model.class_names = ["one", "two", "three", "four"]
    return model


def an_input(model, seed=3):
    """One input, of signed numbers, for `model`."""
    return np.random.default_rng(seed).standard_normal((1, *model.input_shape[1:])).astype(np.float32)


def outputs_of(model, x):
    """What each layer gives for `x`, by name, the layers run one after the other."""
    names = [layer.name for layer in model.layers]
    arrays = keras.Model(model.inputs, [model.get_layer(name).output for name in names])(x)
    return {name: np.asarray(array)[0] for name, array in zip(names, arrays, strict=True)}


class Unpacked:
    """What a `Pack` holds."""

    def __init__(self, content):
        length = int.from_bytes(content[:4], "little")
        self.head = json.loads(content[4 : 4 + length])
        self.numbers = np.frombuffer(content[4 + length :], "<f4")

    def array(self, reference):
        """The array that the JSON text refers to."""
        at, shape = reference["at"], reference["shape"]
        return self.numbers[at : at + math.prod(shape)].reshape(shape)


def shown(value):
    """How the page writes a number: six significant digits of its exact value, and no zeros behind them."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "0"
    sign = "−" if value < 0 else ""
    if math.isinf(value):
        return f"{sign}∞"
    rounded = Context(prec=6, rounding=ROUND_HALF_UP).create_decimal(Decimal(abs(value))).normalize()
    exponent = rounded.adjusted()
    if -4 <= exponent < 6:
        return f"{sign}{rounded:f}"
    digits = "".join(map(str, rounded.as_tuple().digits))
    return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{'−' if exponent < 0 else ''}{abs(exponent)}"
