"""Declared arguments: the constructor that follows from them, and that they are checked whenever they are set."""

import inspect

import numpy as np
import pytest

import fastcnn
from fastcnn import layers
from fastcnn._registry import Configurable
from fastcnn._settings import Flag, Integer, OptionalReal, Pair, Setting, choice, flag, integer, optional, pair, real


class Sized(Configurable):
    count: Integer = integer(1, maximum=9)
    size: Pair = pair(1, (2, 3))


class Named(Sized, kw_only=True):
    loud: Flag = flag(False)
    share: OptionalReal = optional(real(0, 1))
    word: Setting = choice("a", "b")

    def __post_init__(self):
        super().__post_init__()
        if self.loud and self.count == 1:
            raise ValueError("count must be 2 at least to be loud")


def test_a_constructor_takes_what_is_declared_from_the_base_on():
    parameters = inspect.signature(Named).parameters
    assert list(parameters) == ["count", "size", "loud", "share", "word"]
    assert [each.default for each in parameters.values()] == [inspect.Parameter.empty, (2, 3), False, None, "a"]
    assert [name for name, each in parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY] == ["loud", "share", "word"]


def test_what_is_kept_is_what_the_check_returns():
    made = Named(4, 5, share=1, word="b")
    assert (made.count, made.size, made.loud, made.share, made.word) == (4, (5, 5), False, 1.0, "b")
    assert made.get_config() == {"count": 4, "size": (5, 5), "loud": False, "share": 1.0, "word": "b"}
    assert Named.from_config(made.get_config()).get_config() == made.get_config()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sized(), TypeError, "count"),
        (lambda: Sized(0), ValueError, "^count must"),
        (lambda: Sized(1.5), TypeError, "^count must"),
        (lambda: Sized(1, (2, 0)), ValueError, r"^size\[1\] must"),
        (lambda: Sized(1, colour=2), TypeError, "colour"),
        (lambda: Named(2, (1, 1), True), TypeError, "positional"),
        (lambda: Named(2, share=2), ValueError, "^share must"),
        (lambda: Named(2, word="c"), ValueError, "^word must"),
        (lambda: Named(1, loud=True), ValueError, "^count must"),
    ],
)
def test_what_is_no_good_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_value_is_checked_when_it_is_set_later_too():
    layer = layers.Dropout(0.5)
    with pytest.raises(ValueError, match=r"^rate must"):
        layer.rate = 2
    with pytest.raises(TypeError, match=r"^trainable must"):
        layer.trainable = "no"
    assert (layer.rate, layer.trainable) == (0.5, True)


@pytest.mark.parametrize("layer", [layers.Dense(2), layers.Conv2D(2, 3), layers.Activation("relu")])
def test_an_activation_is_not_changed_without_effect(layer):
    before = layer.activation
    with pytest.raises(AttributeError, match=r"activation of a .* cannot be changed"):
        layer.activation = "tanh"
    assert layer.activation == before


def test_a_rate_that_is_changed_is_the_one_that_counts():
    layer = layers.Dropout(0.5)
    layer.rate = 0.9
    y = layer(np.ones((1, 10_000)), training=True)
    assert np.unique(y).tolist() == pytest.approx([0, 10])
    assert np.count_nonzero(y) == pytest.approx(1000, abs=200)


def test_a_class_of_ones_own_has_the_constructor_that_it_says():
    class Scaled(layers.Layer):
        factor: float  # an annotation, and no argument

        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def forward(self, x, training=None):
            return self.factor * x, None

    class Loud(Scaled):
        volume: int = 3

    assert list(inspect.signature(Loud).parameters) == ["factor", "kwargs"]
    assert Loud(2, name="loud")([[1.0]]).tolist() == [[2.0]]
    assert fastcnn.Sequential([Loud(2, input_shape=(3,))]).output_shape == (None, 3)


def test_a_class_that_mixes_in_another_one_keeps_its_constructor():
    class Counting:
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.calls = 0

    class Counted(Counting, layers.Dense):
        pass

    assert (Counted(3).calls, Counted(3).units) == (0, 3)


def test_several_bases_make_one_constructor():
    assert list(inspect.signature(layers.Conv2DTranspose).parameters)[:4] == ["filters", "kernel_size", "strides", "padding"]
    assert list(inspect.signature(layers.DepthwiseConv2D).parameters)[:4] == ["kernel_size", "strides", "padding", "depth_multiplier"]
    assert list(inspect.signature(layers.SeparableConv2D).parameters)[:5] == ["filters", "kernel_size", "strides", "padding", "name"]
    assert list(inspect.signature(layers.Dense).parameters)[:3] == ["units", "activation", "use_bias"]
