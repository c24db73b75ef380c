"""Training in passes: the bits of the layers forward and back one after the other, and only what is wanted."""

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import by_name

import fastcnn
from fastcnn import layers, losses, models, random
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


#: The losses of logits, and what turns numbers of classes into their targets.
TARGETS = {"categorical_crossentropy": np.eye(4, dtype=np.float32).__getitem__, "sparse_categorical_crossentropy": np.asarray}


def compiled(make, loss="categorical_crossentropy"):
    random.set_seed(11)
    model = make()
    model.compile("sgd", loss)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) / np.sqrt(weight.size) for weight in model.get_weights()])
    return model


def data(count, loss="categorical_crossentropy"):
    rng = np.random.default_rng(count)
    return rng.normal(size=(count, *SHAPE)).astype(np.float32), TARGETS[loss](rng.integers(0, 4, count))


def gradients_in_passes(model, count, loss="categorical_crossentropy"):
    """Return the rows that a training step is made of, its loss and predictions, and the gradients of all weights."""
    (x, y), (_, flat) = data(count, loss), model._prepare_weights()
    objective = model._prepare().objective
    flat.gradients.fill(np.nan)
    draws = random.Draws(seed=3, epoch=2, samples=np.arange(count) * 7)
    result, _ = objective.differentiate([x], [y], None, draws, flat.gradient_views)
    rows = [step.operation for step in objective._passes.network.steps if isinstance(step.operation, KernelRow)]
    return rows, result, flat.gradients.copy()


def gradients_by_layers(model, count, loss="categorical_crossentropy"):
    """Return the loss and the predictions, and the gradients, of the layers one after the other."""
    (x, y), (_, flat) = data(count, loss), model._prepare_weights()
    objective = model._prepare().objective
    flat.gradients.fill(np.nan)
    outputs, caches = objective.network.forward([x], random.Draws(seed=3, epoch=2, samples=np.arange(count) * 7))
    result, gradients = objective._judge(outputs, [y], None)
    objective.network.backward(gradients, caches, flat.gradient_views)
    return result, flat.gradients.copy()


def assert_same_results(some, others):
    assert some.loss == others.loss
    assert_same_bits(some.outputs[0], others.outputs[0])


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@by_name(ROWS)
def test_a_pass_has_the_bits_of_the_layers_one_by_one(name, threads, loss):
    make, count = ROWS[name]
    model = compiled(make, loss)
    with fastcnn.num_threads(threads):
        for batch in (5, 1, 4):
            rows, result, gradients = gradients_in_passes(model, batch, loss)
            expected_result, expected = gradients_by_layers(model, batch, loss)
            assert len(rows) == count
            assert np.isfinite(expected).all()
            assert (expected != 0).any()
            assert_same_results(result, expected_result)
            assert_same_bits(gradients, expected)


def with_its_loss(make, loss="sparse_categorical_crossentropy", **compile_options):
    """Return whether a step of the network is one call, of kernels and loss alike."""
    model = make()
    model.compile("sgd", loss, **compile_options)
    _, flat = model._prepare_weights()
    targets = [None if loss is None else data(2, "sparse_categorical_crossentropy")[1] for loss in model._prepare().losses]
    draws = random.Draws(seed=3, epoch=2, samples=np.arange(2))
    with np.errstate(all="ignore"):
        model._prepare().objective.differentiate([data(2)[0]], targets, None, draws, flat.gradient_views)
    return model._prepare().objective._passes.row_with_loss is not None


class Doubled(losses.SparseCategoricalCrossentropy):
    def value_and_gradient(self, y_true, y_pred, sample_weight=None):
        loss, gradient = super().value_and_gradient(y_true, y_pred, sample_weight)
        return 2 * loss, 2 * gradient


def two_ends():
    tensor = layers.ReLU()(layers.Conv2D(5, 3)(source := fastcnn.Input(SHAPE)))
    return models.Model(source, [layers.Dense(4, activation="softmax")(layers.Flatten()(tensor)) for _ in range(2)])


def test_only_a_row_of_kernels_with_a_loss_that_is_one_goes_forward_and_back_in_one_call():
    assert with_its_loss(small_digits)
    assert with_its_loss(frozen_first)
    assert not with_its_loss(branches)
    assert not with_its_loss(ROWS["normalized between"][0])
    assert not with_its_loss(small_digits, Doubled(from_logits=False))
    assert not with_its_loss(small_digits, loss_weights=[2])
    assert not with_its_loss(two_ends)
    assert not with_its_loss(two_ends, ["sparse_categorical_crossentropy", None])


def test_weighted_samples_count_in_a_network_that_could_go_forward_and_back_in_one_call():
    model = compiled(small_digits, "sparse_categorical_crossentropy")
    (x, y), before = data(4, "sparse_categorical_crossentropy"), model.get_weights()
    model.train_on_batch(x, y)
    model.set_weights(before)
    model.train_on_batch(x, y, np.zeros(4))
    for weight, unchanged in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, unchanged)


def test_labels_of_every_pixel_count_in_any_memory_order():
    results = []
    for order in "CF":
        random.set_seed(11)
        convolutions = [layers.Conv2D(5, 3, padding="same", activation="relu"), layers.Conv2D(4, 1, activation="softmax")]
        model = models.Sequential([layers.Input(SHAPE), *convolutions])
        model.compile("sgd", "sparse_categorical_crossentropy")
        labels = np.random.default_rng(2).integers(0, 4, (6, *SHAPE[:2]))
        model.fit(data(6)[0], labels.copy(order=order), batch_size=4, shuffle=False, verbose=0)
        assert model._prepare().objective._passes.row_with_loss is not None
        results.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    assert_same_bits(*results)


def test_labels_that_do_not_fit_are_refused_by_the_row():
    model = compiled(small_digits, "sparse_categorical_crossentropy")
    ((row,), _, _), x = gradients_in_passes(model, 4, "sparse_categorical_crossentropy"), data(4)[0]
    draws = random.Draws(seed=1, epoch=1, samples=np.arange(4))
    with pytest.raises(ValueError, match="labels must have one label a row"):
        row.cross_entropy(x, np.zeros(3, np.int64), draws)
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=r"labels must be in \[0, 4\)"):
            row.cross_entropy(x, np.array([0, 1, wrong, 2]), draws)


def test_batches_of_more_sizes_than_are_kept_train_alike():
    model = compiled(small_digits)
    for batch in (*range(1, 12), 1, 5):
        assert_same_bits(gradients_in_passes(model, batch)[2], gradients_by_layers(model, batch)[1])
    (row,) = gradients_in_passes(model, 3)[0]
    assert row._row._training.cache_info().currsize <= 8


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
