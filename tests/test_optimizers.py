"""Optimizers by themselves, in float64 by hand, and against Keras's from the same weights with the same gradients."""

import json

import numpy as np
import pytest
from compare import assert_close, assert_same_bits
from kernels import by_name

from fastcnn import optimizers
from fastcnn.ops import updates
from fastcnn.optimizers import schedules

#: name: (an optimizer's name, its options); rates are large enough for every step to be seen.
OPTIMIZERS = {
    "SGD": ("SGD", {"learning_rate": 0.1}),
    "SGD, momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "SGD, nesterov": ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adam": ("Adam", {"learning_rate": 0.01}),
    "AdamW": ("AdamW", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
    "RMSprop": ("RMSprop", {"learning_rate": 0.01}),
    "RMSprop, momentum": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.7}),
    "RMSprop, centered": ("RMSprop", {"learning_rate": 0.01, "centered": True, "epsilon": 1e-2}),
    "RMSprop, centered, momentum": ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.7, "epsilon": 1e-2}),
    "Lion": ("Lion", {"learning_rate": 0.01}),
    "Lion, other betas": ("Lion", {"learning_rate": 0.01, "beta_1": 0.6, "beta_2": 0.8}),
}

#: name: options that every optimizer has, from our module or from Keras's; each changes most steps.
OPTIONS = {
    "plain": lambda of: {},
    "weight_decay": lambda of: {"weight_decay": 0.1},
    "clipvalue": lambda of: {"clipvalue": 0.5},
    "clipnorm": lambda of: {"clipnorm": 1.0},
    "global_clipnorm": lambda of: {"global_clipnorm": 1.0},
    "accumulation": lambda of: {"gradient_accumulation_steps": 3},
    "schedule": lambda of: {"learning_rate": of.schedules.CosineDecay(0.01, 10, warmup_target=0.1, warmup_steps=3)},
    "all": lambda of: {
        "learning_rate": of.schedules.ExponentialDecay(0.1, 4, 0.5),
        "weight_decay": 0.1,
        "clipnorm": 0.5,
        "gradient_accumulation_steps": 2,
    },
}

SHAPES = [(3, 3, 2, 4), (4,), (6, 5), (1,)]
SIZES = [int(np.prod(shape)) for shape in SHAPES]
TOTAL = sum(SIZES)


def make(name, of=optimizers, options="plain"):
    kind, own = OPTIMIZERS[name]
    return getattr(of, kind)() if options == "defaults" else getattr(of, kind)(**own | OPTIONS[options](of))


def gradients(steps=5, size=50):
    """Signed numbers of many sizes: of some so small that epsilon counts."""
    rng = np.random.default_rng(1)
    return [(rng.normal(size=size) * 10.0 ** rng.uniform(-9, 0, size)).astype(np.float32) for _ in range(steps)]


def first_weights(size=TOTAL):
    return np.random.default_rng(2).normal(size=size).astype(np.float32)


def run(optimizer, start, batches=None, sizes=None):
    weights = start.astype(np.float32)
    optimizer.build(sizes or [weights.size])
    for gradient in batches or gradients(size=weights.size):
        optimizer.update(weights, gradient.copy())
    return weights


def path(optimizer, start, batches, sizes):
    """How far each weight may go: by steps for gradients that never turn round, each times what rounding in them counts for.

    Keras loses digits where it subtracts beta_2**t from 1 in float32.
    """
    weights, reach = np.abs(start), np.abs(start)
    optimizer.build(sizes)
    for gradient in batches:
        before = weights.copy()
        optimizer.update(weights, np.abs(gradient))
        reach = reach + np.abs(weights - before) / (1 - getattr(optimizer, "beta_2", 0.0) ** max(optimizer.iterations, 1))
    return reach


# --- The rules --------------------------------------------------------------------------------------------------------------


def test_adam_is_the_papers_rule():
    rate, beta_1, beta_2, epsilon = 0.01, 0.8, 0.9, 1e-3
    weights, mean, square = np.ones(50), 0.0, 0.0
    for step, gradient in enumerate(gradients(), 1):
        g = gradient.astype(np.float64)
        mean, square = beta_1 * mean + (1 - beta_1) * g, beta_2 * square + (1 - beta_2) * g**2
        weights -= rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step) * mean / (np.sqrt(square) + epsilon)
    ours = run(optimizers.Adam(rate, beta_1, beta_2, epsilon), np.ones(50))
    assert_close(ours, weights, terms=5, scale=1 + 5 * rate, dtype=np.float32)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_with_and_without_momentum(momentum, nesterov):
    weights, velocity = np.ones(50), np.zeros(50)
    for gradient in gradients():
        g = gradient.astype(np.float64)
        velocity = momentum * velocity - 0.1 * g
        weights += momentum * velocity - 0.1 * g if nesterov else velocity
    ours = run(optimizers.SGD(0.1, momentum=momentum, nesterov=nesterov), np.ones(50))
    scale = 1 + 0.1 * sum(map(np.abs, gradients())) / (1 - momentum)
    assert_close(ours, weights, terms=5, scale=scale, dtype=np.float32)


@pytest.mark.parametrize("options", [*OPTIONS, "defaults"])
@by_name(OPTIMIZERS)
def test_the_steps_are_those_of_keras(name, options, keras):
    """Over several variables, one flat array here; and as many steps as batches, or as few."""
    theirs, ours = (make(name, of, options) for of in (keras.optimizers, optimizers))
    batches, start = gradients(12, TOTAL), first_weights()
    scale = path(type(ours).from_config(ours.get_config()), start, batches, SIZES)
    stops = np.cumsum(SIZES)[:-1]
    variables = [keras.Variable(part.reshape(shape)) for part, shape in zip(np.split(start, stops), SHAPES, strict=True)]
    theirs.build(variables)
    ours.build(SIZES)
    weights = start.copy()
    for gradient in batches:
        parts = [part.reshape(shape) for part, shape in zip(np.split(gradient, stops), SHAPES, strict=True)]
        theirs.apply([keras.ops.convert_to_tensor(part) for part in parts])
        ours.update(weights, gradient.copy())
        assert ours.iterations == int(theirs.iterations)
        their_rate = np.float32(theirs.learning_rate)
        assert_close(np.float32(ours.learning_rate), their_rate, terms=4, scale=0.1)
    assert_close(weights, np.concatenate([variable.numpy().ravel() for variable in variables]), terms=len(batches), scale=scale)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf, np.nan]])
@pytest.mark.parametrize("clip", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_clipping_does_to_nan_and_inf_what_keras_does(clip, bad, keras):
    start, gradient = np.ones(6, np.float32), np.array([3, 4, 0, 1, 0, 2], np.float32)
    gradient[: len(bad)] = bad
    theirs, ours = (of.SGD(0.5, **{clip: 1.0}) for of in (keras.optimizers, optimizers))
    variables = [keras.Variable(start[:4]), keras.Variable(start[4:])]
    theirs.build(variables)
    theirs.apply([keras.ops.convert_to_tensor(part) for part in (gradient[:4], gradient[4:])])
    expected = np.concatenate([variable.numpy() for variable in variables])
    assert np.isnan(expected).any() or clip == "clipvalue"
    assert_close(run(ours, start, [gradient], [4, 2]), expected, terms=6, scale=3)


@pytest.mark.parametrize("clip", ["clipvalue", "clipnorm", "global_clipnorm"])
@pytest.mark.parametrize("limit", [0.0, 1e9])
def test_what_is_short_enough_is_not_clipped(clip, limit):
    """And 0 clips nothing, as in Keras."""
    assert_same_bits(run(optimizers.SGD(**{clip: limit}), first_weights()), run(optimizers.SGD(), first_weights()))


def test_the_norm_of_a_long_gradient():
    size = 3 * updates.BLOCK + 5
    gradient = first_weights(size)
    weights = run(optimizers.SGD(1.0, global_clipnorm=2.0), np.zeros(size), [gradient], [size - 7, 7])
    expected = -2 * gradient / np.linalg.norm(gradient.astype(np.float64))
    assert_close(weights, expected, terms=10, scale=np.abs(expected), dtype=np.float32)


@by_name(OPTIMIZERS)
def test_every_weight_has_a_step_of_its_own(name):
    """Whichever block it is in, and wherever there: alone it makes the same one."""
    size = 2 * updates.BLOCK + 3
    start, batches = first_weights(size), gradients(3, size)
    whole = run(make(name, options="weight_decay"), start, batches)
    for part in (slice(updates.BLOCK - 1), slice(updates.BLOCK - 1, updates.BLOCK), slice(updates.BLOCK, None)):
        assert_same_bits(run(make(name, options="weight_decay"), start[part], [batch[part] for batch in batches]), whole[part])


@by_name(OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_gradient_spoils_its_own_weight_alone(name, bad):
    batches = gradients(3)
    batches[1][[3, 49]] = bad
    weights = run(make(name), np.ones(50), batches)
    if bad == np.inf and name.startswith("Lion"):
        assert np.isfinite(weights).all()  # whose steps have one length
    else:
        assert np.flatnonzero(~np.isfinite(weights)).tolist() == [3, 49]


@by_name(OPTIMIZERS)
def test_a_gradient_of_zero_moves_nothing_but_by_decay(name):
    optimizer = make(name)
    rate, start = optimizer.learning_rate * (optimizer.weight_decay or 0), np.array([1, -3, 0], np.float32)
    weights = run(optimizer, start, [np.zeros(3, np.float32)])
    assert_close(weights, start - np.float32(rate) * start, terms=1, scale=np.abs(start))


def test_no_decay_is_not_zero_times_infinity():
    for name in ("SGD", "Adam", "Lion"):
        assert np.isinf(run(make(name), np.full(3, np.inf))).all()


def test_a_variance_that_rounding_makes_negative_is_zero():
    """Gradients that are always the same have none; Keras comes to a root of less than nothing."""
    rmsprop = optimizers.RMSprop(1e-9, centered=True, epsilon=1e-10)
    assert np.isfinite(run(rmsprop, np.zeros(50), [np.linspace(1, 1000, 50, dtype=np.float32)] * 100)).all()


# --- State ------------------------------------------------------------------------------------------------------------------


@by_name(OPTIMIZERS)
def test_building_begins_anew(name):
    optimizer = make(name, options="accumulation")
    first = run(optimizer, first_weights())
    assert (optimizer.iterations, optimizer.batches) == (1, 5)
    assert_same_bits(run(optimizer, first_weights()), first)


@pytest.mark.parametrize("options", ["plain", "all"])
@by_name(OPTIMIZERS)
def test_a_run_can_be_carried_on_from_its_configuration_its_iterations_and_its_slots(name, options):
    batches, start = gradients(7, TOTAL), first_weights()
    expected = run(make(name, options=options), start, batches, SIZES)
    first = make(name, options=options)
    weights = run(first, start, batches[:3], SIZES)
    second = optimizers.get(json.loads(json.dumps({"class_name": type(first).__name__, "config": first.get_config()})))
    second.build(SIZES)
    assert second.slots.keys() == first.slots.keys()
    for key, slot in first.slots.items():
        assert slot.ndim == 1
        np.copyto(second.slots[key], slot)
    second.iterations = first.iterations
    assert second.learning_rate == first.learning_rate
    for batch in batches[3:]:
        second.update(weights, batch.copy())
    assert_same_bits(weights, expected)


@by_name(OPTIMIZERS)
@pytest.mark.parametrize("options", ["plain", "weight_decay", "accumulation"])
def test_gradients_stay_as_they_are_unless_they_are_clipped(name, options):
    optimizer, batch = make(name, options=options), gradients()[0]
    before, weights = batch.copy(), first_weights(50)
    optimizer.build([50])
    for _ in range(3):
        optimizer.update(weights, batch)
    assert_same_bits(batch, before)


@pytest.mark.parametrize(
    ("weights", "gradients", "name"),
    [
        (np.zeros(4, np.float32), np.zeros(5, np.float32), "weights"),
        (np.zeros(5, np.float32), np.zeros(4, np.float32), "gradients"),
        (np.zeros(5), np.zeros(5, np.float32), "weights"),
        (np.zeros(5, np.float32), np.zeros((1, 5), np.float32), "gradients"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(weights, gradients, name):
    adam = optimizers.Adam()
    adam.build([3, 2])
    with pytest.raises(ValueError, match=name):
        adam.update(weights, gradients)
    assert adam.iterations == 0


def test_an_optimizer_must_be_built():
    with pytest.raises(ValueError, match="build"):
        optimizers.Adam().update(np.zeros(3, np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(("sizes", "error"), [(3, TypeError), ([1.5], TypeError), ([3, -1], ValueError), (["3"], TypeError)])
def test_bad_sizes_are_refused(sizes, error):
    with pytest.raises(error, match="sizes"):
        optimizers.Adam().build(sizes)


# --- The learning rate ------------------------------------------------------------------------------------------------------


def test_the_learning_rate_can_be_changed_on_the_way():
    sgd, weights = optimizers.SGD(0.5), np.zeros(1, np.float32)
    sgd.build([1])
    sgd.update(weights, np.ones(1, np.float32))
    sgd.learning_rate = 0.25
    sgd.update(weights, np.ones(1, np.float32))
    assert weights == np.float32(-0.75)
    assert sgd.get_config()["learning_rate"] == 0.25


def test_a_schedule_is_asked_at_every_batch_and_replaced_by_schedules_alone():
    sgd, weights = optimizers.SGD(schedules.PiecewiseConstantDecay([0], [0.5, 0.25])), np.zeros(1, np.float32)
    sgd.build([1])
    for rate in (0.5, 0.25, 0.25):
        assert sgd.learning_rate == rate
        before = weights.copy()
        sgd.update(weights, np.ones(1, np.float32))
        assert before - weights == np.float32(rate)
    with pytest.raises(TypeError, match="learning_rate"):  # as Keras does
        sgd.learning_rate = 0.5
    assert sgd.learning_rate == 0.25
    sgd.learning_rate = schedules.PiecewiseConstantDecay([], [0.125])
    assert sgd.learning_rate == 0.125
    sgd = optimizers.SGD(0.5)
    sgd.learning_rate = schedules.PiecewiseConstantDecay([], [0.125])
    assert sgd.learning_rate == 0.125


# --- Names, configurations, arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Lion"])
def test_names_and_configurations_are_those_of_keras(name, keras):
    ours = optimizers.get(name)
    assert type(optimizers.get(name.lower())) is type(ours) is getattr(optimizers, name)
    theirs = keras.optimizers.get(name).get_config()
    for argument, value in ours.get_config().items():
        assert value == (pytest.approx(theirs[argument]) if argument == "learning_rate" else theirs[argument]), argument


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.Adam(learning_rate=-1), ValueError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate=float("nan")), ValueError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate="fast"), TypeError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate={"rate": 1}), TypeError, "learning_rate"),
        (lambda: optimizers.Adam(learning_rate={"class_name": "Decay", "config": {}}), ValueError, "learning_rate"),
        (lambda: optimizers.Adam(beta_1=1), ValueError, "beta_1"),
        (lambda: optimizers.Adam(beta_2=1), ValueError, "beta_2"),
        (lambda: optimizers.Adam(epsilon=-1e-7), ValueError, "epsilon"),
        (lambda: optimizers.Adam(weight_decay=-1), ValueError, "weight_decay"),
        (lambda: optimizers.AdamW(weight_decay=None), TypeError, "weight_decay"),
        (lambda: optimizers.Adam(clipnorm=-1), ValueError, "clipnorm"),
        (lambda: optimizers.Adam(clipvalue="1"), TypeError, "clipvalue"),
        (lambda: optimizers.Adam(global_clipnorm=float("nan")), ValueError, "global_clipnorm"),
        (lambda: optimizers.Adam(clipvalue=1, clipnorm=1), ValueError, "only one of clipnorm, clipvalue and global_clipnorm"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), ValueError, "gradient_accumulation_steps"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=2.0), TypeError, "gradient_accumulation_steps"),
        (lambda: optimizers.Adam(decay=0.1), TypeError, "decay"),
        (lambda: optimizers.SGD(momentum=2), ValueError, "momentum"),
        (lambda: optimizers.SGD(nesterov=1), TypeError, "nesterov"),
        (lambda: optimizers.RMSprop(rho=1.5), ValueError, "rho"),
        (lambda: optimizers.RMSprop(momentum=-0.5), ValueError, "momentum"),
        (lambda: optimizers.RMSprop(centered=None), TypeError, "centered"),
        (lambda: optimizers.Lion(beta_1=0), ValueError, "beta_1"),
        (lambda: optimizers.Lion(beta_2=2), ValueError, "beta_2"),
        (lambda: optimizers.get("adamm"), ValueError, "optimizer"),
        (lambda: optimizers.get(None), TypeError, "optimizer"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
