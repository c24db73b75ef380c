"""Training in passes: the bits of the layers forward and back one after the other, and only what is wanted."""

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import by_name

import fastcnn
from fastcnn import layers, models, random
from fastcnn.passes import KernelRow

SHAPE = (12, 11, 3)


def sequential(*between):
    return models.Sequential([layers.Input(SHAPE), *between, layers.Flatten(), layers.Dense(4, activation="softmax")])


def branches():
    begin = layers.Conv2D(5, 3, activation="relu")(source := fastcnn.Input(SHAPE))
    left = layers.MaxPooling2D(2)(layers.Conv2D(6, 2, activation="relu")(begin))
    right = layers.AveragePooling2D(2)(layers.Conv2D(6, 2)(begin))
    together = layers.Conv2D(3, 2)(layers.Add()([left, right]))
    return models.Model(source, layers.Dense(4, activation="softmax")(layers.Flatten()(layers.ReLU()(together))))


def frozen_first():
    model = sequential(layers.Conv2D(5, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(6, 2), layers.ReLU())
    model.layers[0].trainable = False
    return model


def frozen_between():
    model = sequential(layers.Conv2D(5, 3, activation="relu"), layers.Conv2D(6, 2, activation="relu"), layers.Conv2D(6, 2))
    model.layers[1].trainable = False
    return model


def shared():
    twice = layers.Conv2D(3, 3, padding="same", activation="relu")
    tensor = layers.MaxPooling2D(2)(layers.Conv2D(4, 2)(twice(twice(source := fastcnn.Input(SHAPE)))))
    return models.Model(source, layers.Dense(4, activation="softmax")(layers.Flatten()(tensor)))


def small_digits():
    return sequential(
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(64, 3, activation="relu"), layers.Dropout(0.3)
    )


#: For each kind of network, how many rows of kernels it is trained in.
ROWS = {
    "pooled, dropped": (small_digits, 1),
    "padded and strided": (lambda: sequential(layers.Conv2D(7, 3, strides=2, padding="same"), layers.Conv2D(5, 2, dilation_rate=2)), 1),
    "without a bias": (lambda: sequential(layers.Conv2D(7, 3, use_bias=False), layers.MaxPooling2D((3, 2), padding="same")), 1),
    "poolings": (lambda: sequential(layers.MaxPooling2D(3, strides=2), layers.AveragePooling2D(2, padding="same")), 1),
    "a pooling too large for a byte": (lambda: sequential(layers.ZeroPadding2D(5), layers.Conv2D(3, 2), layers.MaxPooling2D(16)), 0),
    "the mean of an image": (lambda: sequential(layers.Conv2D(5, 3), layers.ReLU(), layers.GlobalAveragePooling2D()), 1),
    "the maximum of an image": (lambda: sequential(layers.Conv2D(5, 3), layers.ReLU(), layers.GlobalMaxPooling2D()), 1),
    "dropped together": (lambda: sequential(layers.Conv2D(5, 3), layers.SpatialDropout2D(0.5), layers.Conv2D(5, 3)), 1),
    "a dropout of nothing": (lambda: sequential(layers.Dropout(0), layers.Conv2D(5, 3)), 1),
    "normalized between": (lambda: sequential(layers.Conv2D(5, 3), layers.BatchNormalization(), layers.Conv2D(4, 2), layers.ReLU()), 1),
    "softmax between": (lambda: sequential(layers.Conv2D(5, 3), layers.Softmax(), layers.Conv2D(4, 2)), 1),
    "in groups": (lambda: sequential(layers.Conv2D(6, 3, groups=3), layers.Conv2D(4, 2), layers.AveragePooling2D(2)), 1),
    "two branches": (branches, 2),
    "the first frozen": (frozen_first, 1),
    "one between frozen": (frozen_between, 1),
    "one layer twice": (shared, 1),
}


def compiled(make):
    random.set_seed(11)
    model = make()
    model.compile("sgd", "categorical_crossentropy")
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) / np.sqrt(weight.size) for weight in model.get_weights()])
    return model


def data(count):
    rng = np.random.default_rng(count)
    return rng.normal(size=(count, *SHAPE)).astype(np.float32), np.eye(4, dtype=np.float32)[rng.integers(0, 4, count)]


def gradients_in_passes(model, count):
    """Return the rows that a training step is made of, its loss and predictions, and the gradients of all weights."""
    (x, y), (_, flat) = data(count), model._prepare_weights()
    objective = model._prepare().objective
    flat.gradients.fill(np.nan)
    draws = random.Draws(seed=3, epoch=2, samples=np.arange(count) * 7)
    result, _ = objective.differentiate([x], [y], None, draws, flat.gradient_views)
    rows = [step.operation for step in objective._passes[1].steps if isinstance(step.operation, KernelRow)]
    return rows, result, flat.gradients.copy()


def gradients_by_layers(model, count):
    """Return the loss and the predictions, and the gradients, of the layers one after the other."""
    (x, y), (_, flat) = data(count), model._prepare_weights()
    objective = model._prepare().objective
    flat.gradients.fill(np.nan)
    outputs, caches = objective.network.forward([x], random.Draws(seed=3, epoch=2, samples=np.arange(count) * 7))
    result, gradients = objective._judge(outputs, [y], None)
    objective.network.backward(gradients, caches, flat.gradient_views)
    return result, flat.gradients.copy()


def assert_same_results(some, others):
    assert some.loss == others.loss
    assert_same_bits(some.outputs[0], others.outputs[0])


@pytest.mark.parametrize("threads", [1, 2, 3])
@by_name(ROWS)
def test_a_pass_has_the_bits_of_the_layers_one_by_one(name, threads):
    make, count = ROWS[name]
    model = compiled(make)
    with fastcnn.num_threads(threads):
        for batch in (5, 1, 4):
            rows, result, gradients = gradients_in_passes(model, batch)
            expected_result, expected = gradients_by_layers(model, batch)
            assert len(rows) == count
            assert np.isfinite(expected).all()
            assert (expected != 0).any()
            assert_same_results(result, expected_result)
            assert_same_bits(gradients, expected)


def test_batches_of_more_sizes_than_are_kept_train_alike():
    model = compiled(small_digits)
    for batch in (*range(1, 12), 1, 5):
        assert_same_bits(gradients_in_passes(model, batch)[2], gradients_by_layers(model, batch)[1])
    (row,) = gradients_in_passes(model, 3)[0]
    assert len(row._planned) <= 8


def test_weights_that_have_moved_to_another_model_are_still_those_of_the_pass():
    model = compiled(small_digits)
    gradients_in_passes(model, 4)
    other = models.Sequential([layers.Input(SHAPE), *model.layers])
    other.compile("sgd", "categorical_crossentropy")
    other._prepare_weights()
    other.set_weights([2 * weight for weight in other.get_weights()])
    assert_same_bits(gradients_in_passes(model, 4)[2], gradients_by_layers(model, 4)[1])


class Louder(layers.Dense):
    """Has a method of its own: only by itself it is what it says."""

    def linear(self, x, activation):
        return 3 * super().linear(x, activation)

    def linear_backward(self, dz, x, input_grad, out=()):
        return super().linear_backward(3 * dz, x, input_grad, out)


class Shifted(layers.Conv2D):
    def forward(self, x, training=None):
        y, cache = super().forward(x, training)
        return y + 1, cache


class Wide(layers.Conv2D):
    """Has a constructor only."""

    def __init__(self, **kwargs):
        super().__init__(5, 3, activation="relu", **kwargs)


def test_a_class_of_ones_own_computes_what_it_says_wherever_it_stands():
    x, _ = data(3)
    model = sequential(Shifted(5, 3), layers.MaxPooling2D(2), layers.Flatten(), Louder(6), layers.ReLU())
    steps = x
    for layer in model.layers:
        steps = layer(steps)
    assert_same_bits(model(x), steps)
    assert_same_bits(model.predict(x, verbose=0), steps)
    model.compile("sgd", "categorical_crossentropy")
    _, result, gradients = gradients_in_passes(model, 3)
    assert_same_bits(model._prepare().objective.predictions(result)[0], model(data(3)[0]))
    assert_same_bits(gradients, gradients_by_layers(model, 3)[1])


def test_the_last_activation_of_a_class_of_ones_own_stays_where_it_is():
    class Halved(layers.Dense):
        def forward(self, x, training=None):
            y, cache = super().forward(x, training)
            return y / 2, cache

        def backward(self, dy, cache, input_grad=True, out=()):
            return super().backward(dy / 2, cache, input_grad, out)

    model = models.Sequential([layers.Input(SHAPE), layers.Flatten(), Halved(4, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    assert_same_bits(gradients_in_passes(model, 3)[1].outputs[0], model(data(3)[0]))


def test_a_class_of_ones_own_with_a_constructor_only_is_as_fast_as_its_base():
    model = compiled(lambda: sequential(Wide(), layers.MaxPooling2D(2)))
    rows, _, _ = gradients_in_passes(model, 2)
    assert len(rows) == 1


class Lying(layers.Layer):
    """Says that it gives what it gets, but in `forward` or `backward` leaves a column out."""

    def __init__(self, where, **kwargs):
        super().__init__(**kwargs)
        self.where = where

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return (x[:, :, 1:] if self.where == "forward" else x), None

    def backward(self, dy, cache, input_grad=True, out=()):
        return dy[:, 1:], ()


@pytest.mark.parametrize(("where", "message"), [("forward", "x must have the shape"), ("backward", "dy must have the shape")])
def test_arrays_of_another_shape_than_was_said_are_refused(where, message):
    rest = [layers.Conv2D(5, 3, padding="same", activation="relu"), layers.Conv2D(3, 1)]
    model = sequential(*([Lying(where), *rest] if where == "forward" else [*rest, Lying(where)]))
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(*data(4))


def test_a_data_set_that_gives_less_than_it_was_asked_for_is_refused():
    class Short:
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return [part[0] for part in data(1)]

        def batch(self, indices):
            x, y = data(len(indices))
            return x[: len(x) // 2 + 1], y[: len(x) // 2 + 1]

    model = compiled(small_digits)
    with pytest.raises(ValueError, match="samples must have"):
        model.fit(Short(), batch_size=4, verbose=0)


def test_weights_that_somebody_has_replaced_are_taken_or_refused():
    model = compiled(small_digits)
    ((row,), _, _), weights = gradients_in_passes(model, 4), model.layers[0].weights
    x, draws, doubled = data(4)[0], random.Draws(seed=1, epoch=1, samples=np.arange(4)), 2 * weights["kernel"]
    before, _ = row.forward(x, draws)
    weights["kernel"] = np.asfortranarray(doubled, np.float64)
    after, _ = row.forward(x, draws)
    assert (after != before).any()
    weights["kernel"] = doubled
    assert_same_bits(row.forward(x, draws)[0], after)
    weights["kernel"] = doubled[:2]
    with pytest.raises(ValueError, match="weights must have"):
        row.forward(x, draws)
