"""What comes back from files and copies: what was frozen since it was compiled, and classes of one's own."""

import copy
import pickle

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn import callbacks, initializers, layers, losses, metrics, models, optimizers, random, regularizers


@pytest.mark.parametrize("copied", ["file", "deepcopy", "pickle"])
def test_a_model_goes_on_as_it_was_compiled_whatever_has_been_frozen_since(tmp_path, copied):
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.ones((8, 1))
    inner = models.Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(2)])
    model = models.Sequential([inner, layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    inner.layers[0].trainable = False
    if copied == "file":
        model.save(tmp_path / "m.safetensors")
        twin = models.load_model(tmp_path / "m.safetensors")
    else:
        twin = copy.deepcopy(model) if copied == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert not twin.layers[0].layers[0].trainable
    for each in (model, twin):
        each.fit(x, y, epochs=2, verbose=0)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        assert_same_bits(ours, theirs)


def test_a_frozen_model_inside_another_comes_back_frozen(tmp_path):
    inner = models.Sequential([layers.Dense(3, input_shape=(4,))])
    inner.trainable = False
    models.Sequential([inner, layers.Dense(1)]).save(tmp_path / "m.safetensors")
    assert not models.load_model(tmp_path / "m.safetensors").layers[0].trainable


class Half(initializers.Initializer):
    """Halves."""

    def __call__(self, shape):
        return np.full(shape, 0.5, np.float32)


class Quarter(regularizers.Regularizer):
    """A quarter of the sum."""

    def __call__(self, weights):
        return float(weights.sum()) / 4

    def gradient(self, weights):
        return np.full_like(weights, 0.25)


class Falling(optimizers.schedules.LearningRateSchedule):
    """Falls as a fraction does."""

    def __init__(self, first):
        self.first = first

    def __call__(self, step):
        return self.first / (1 + step)


class Cubed(losses.Loss):
    """The cube of the distance."""

    def losses_and_slopes(self, y_true, y_pred):
        distance = np.abs(y_pred - y_true)
        return (distance**3).mean(axis=-1), 3 * distance**2 * np.sign(y_pred - y_true) / y_pred.shape[-1]


class Farthest(metrics.Metric):
    """The largest distance."""

    def reset_state(self):
        self.largest = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest = max(self.largest, float(np.abs(y_pred - y_true).max()))

    def result(self):
        return self.largest


class Twice(layers.Layer):
    """Doubles."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return 2 * x, None

    def backward(self, dy, cache, input_grad=True, out=()):
        return 2 * dy, ()


OWN = {cls.__name__: cls for cls in (Half, Quarter, Falling, Cubed, Farthest, Twice)}


def model_of_ones_own():
    inner = models.Sequential([layers.Dense(3, input_shape=(4,), kernel_initializer=Half(), kernel_regularizer=Quarter()), Twice()])
    model = models.Sequential([inner, layers.Dense(2)])
    model.class_names = ["a", "b"]
    model.compile(optimizers.SGD(Falling(0.1)), Cubed(), metrics=[Farthest()])
    return model


def test_classes_of_ones_own_come_back_everywhere(tmp_path):
    x, y = np.random.default_rng(0).normal(0, 0.1, (8, 4)), np.ones((8, 2))
    model = model_of_ones_own()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="must be one of"):
        models.load_model(tmp_path / "m.safetensors")
    twins = [models.load_model(tmp_path / "m.safetensors", custom_objects=OWN), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    expected = model.fit(x, y, epochs=2, verbose=0).history
    for twin in twins:
        assert twin.class_names == ["a", "b"]
        assert twin.fit(x, y, epochs=2, verbose=0).history == expected


def test_a_structure_is_made_again_with_classes_of_ones_own():
    model = model_of_ones_own()
    model.build((None, 4))
    whole = models.Model(model.inputs, model.outputs)
    for given in (model, whole):
        twin = type(given).from_config(given.get_config(), custom_objects=OWN)
        assert twin.get_config() == given.get_config()
        with pytest.raises(ValueError, match="must be one of"):
            type(given).from_config(given.get_config())


def test_a_loss_and_a_metric_of_one_name_stay_apart():
    x, y = np.random.default_rng(0).normal(0, 1, (8, 4)), np.ones((8, 2))
    model = models.Sequential([layers.Dense(2, input_shape=(4,))])
    model.compile("sgd", losses.MeanSquaredError(), metrics=[metrics.MeanSquaredError()])
    model.fit(x, y, verbose=0)
    expected = model.evaluate(x, y, verbose=0)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.evaluate(x, y, verbose=0) == expected


def test_a_training_with_classes_of_ones_own_goes_on(tmp_path):
    x, y = np.random.default_rng(0).normal(0, 0.1, (8, 4)), np.ones((8, 2))
    keep = callbacks.ModelCheckpoint(tmp_path / "c.safetensors")
    random.set_seed(1)
    whole = model_of_ones_own()
    expected = whole.fit(x, y, epochs=4, batch_size=3, verbose=0).history
    random.set_seed(1)
    model_of_ones_own().fit(x, y, epochs=2, batch_size=3, verbose=0, callbacks=[keep])
    model = model_of_ones_own()
    assert model.fit(x, y, epochs=4, batch_size=3, verbose=0, resume_from=tmp_path / "c.safetensors").history == expected
    for ours, theirs in zip(model.get_weights(), whole.get_weights(), strict=True):
        assert_same_bits(ours, theirs)
