"""First weights and random streams."""

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn import initializers, random


@pytest.mark.parametrize(
    ("initializer", "shape", "limit"),
    [
        (initializers.GlorotUniform(), (3, 3, 64, 96), np.sqrt(6 / (9 * 64 + 9 * 96))),
        (initializers.GlorotUniform(), (300, 200), np.sqrt(6 / 500)),
        (initializers.GlorotUniform(), (40_000,), np.sqrt(6 / 80_000)),
        (initializers.HeUniform(), (3, 3, 64, 96), np.sqrt(6 / (9 * 64))),
        (initializers.LecunUniform(), (3, 3, 64, 96), np.sqrt(3 / (9 * 64))),
        (initializers.RandomUniform(-2, 2), (300, 200), 2.0),
    ],
)
def test_uniform_fills_its_range_evenly(initializer, shape, limit):
    values = initializer(shape)
    assert values.shape == shape
    assert values.dtype == np.float32
    assert np.abs(values).max() <= np.float32(limit)
    counts, _ = np.histogram(values, bins=10, range=(-limit, limit))
    assert np.abs(counts - values.size / 10).max() < 5 * np.sqrt(values.size / 10)  # five standard deviations of a count


NORMAL = {
    "truncated": (initializers.TruncatedNormal(1.0, 2.0), (200, 100), 1.0, 2 * 0.8796, 4.0),
    "normal": (initializers.RandomNormal(1.0, 2.0), (200, 100), 1.0, 2.0, np.inf),
    "glorot": (initializers.GlorotNormal(), (3, 3, 64, 96), 0.0, np.sqrt(2 / (9 * 160)), 2 * np.sqrt(2 / (9 * 160)) / 0.8796),
    "he": (initializers.HeNormal(), (3, 3, 64, 96), 0.0, np.sqrt(2 / (9 * 64)), 2 * np.sqrt(2 / (9 * 64)) / 0.8796),
    "lecun": (initializers.LecunNormal(), (200, 100), 0.0, np.sqrt(1 / 200), 2 * np.sqrt(1 / 200) / 0.8796),
    "scaled by outputs": (initializers.VarianceScaling(3, "fan_out", "untruncated_normal"), (200, 100), 0.0, np.sqrt(3 / 100), np.inf),
}


@pytest.mark.parametrize("name", NORMAL)
def test_normal_has_its_mean_and_deviation_and_is_cut_where_it_should(name):
    initializer, shape, mean, deviation, limit = NORMAL[name]
    random.set_seed(1)
    values = initializer(shape)
    assert values.shape == shape
    assert values.dtype == np.float32
    assert abs(values.mean() - mean) < 5 * deviation / np.sqrt(values.size)  # five standard deviations of a mean
    assert abs(values.std() / deviation - 1) < 5 / np.sqrt(values.size)
    assert np.abs(values - mean).max() <= limit * 1.0001
    assert (np.abs(values - mean).max() > 3 * deviation) == (limit == np.inf)


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "random_normal"]
)
@pytest.mark.parametrize("shape", [(7,), (30, 50), (3, 2, 8, 16)])
def test_deviations_are_those_of_keras(keras, name, shape):
    ours = np.concatenate([initializers.get(name)(shape).ravel() for _ in range(40)])
    theirs = np.concatenate([keras.ops.convert_to_numpy(keras.initializers.get(name)(shape)).ravel() for _ in range(40)])
    assert abs(ours.std() / theirs.std() - 1) < 10 / np.sqrt(min(ours.size, theirs.size))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: initializers.RandomUniform(2, 1), ValueError, "maxval"),
        (lambda: initializers.RandomNormal(stddev=-1), ValueError, "stddev"),
        (lambda: initializers.VarianceScaling(mode="fan"), ValueError, "mode"),
        (lambda: initializers.VarianceScaling(distribution="normal"), ValueError, "distribution"),
        (lambda: initializers.Constant("1"), TypeError, "value"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", initializers._CLASSES)
def test_an_initializer_comes_back_from_its_configuration(name):
    initializer = initializers.get(name)
    assert type(initializer).from_config(initializer.get_config()).get_config() == initializer.get_config()


def test_constants():
    assert_same_bits(initializers.Constant(3)((2,)), np.full(2, 3, np.float32))
    assert_same_bits(initializers.Zeros()((2, 3)), np.zeros((2, 3), np.float32))
    assert_same_bits(initializers.Ones()((2, 3)), np.ones((2, 3), np.float32))


def test_one_seed_gives_one_run_and_its_weights_differ_among_themselves():
    random.set_seed(7)
    first, second = initializers.GlorotUniform()((4, 5)), initializers.GlorotUniform()((4, 5))
    assert (first != second).any()
    random.set_seed(7)
    assert_same_bits(initializers.GlorotUniform()((4, 5)), first)
    random.set_seed(8)
    assert (initializers.GlorotUniform()((4, 5)) != first).any()


def test_an_initializer_with_a_seed_of_its_own_repeats_itself():
    initializer = initializers.GlorotUniform(seed=3)
    assert_same_bits(initializer((4, 5)), initializer((4, 5)))
    random.set_seed(3)
    assert_same_bits(initializers.GlorotUniform()((4, 5)), initializer((4, 5)))


def test_streams_differ_by_purpose_and_position_and_seed():
    random.set_seed(1)
    draws = [random.stream(*key).random(4).tolist() for key in (("shuffle", 0), ("shuffle", 1), ("weights", 0), ("weights", 0, 2))]
    assert len({tuple(draw) for draw in draws}) == 4
    assert random.stream("shuffle", 1).random(4).tolist() == draws[1]


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (2**64, ValueError), (1.5, TypeError), (None, TypeError), (True, TypeError)])
def test_bad_seeds_are_refused(seed, error):
    with pytest.raises(error, match="seed"):
        random.set_seed(seed)


@pytest.mark.parametrize(("name", "error"), [("glorot", ValueError), (3, TypeError), ({"class_name": "Zeros"}, TypeError)])
def test_unknown_initializers_are_refused(name, error):
    with pytest.raises(error, match="initializer"):
        initializers.get(name)


def test_names_in_either_spelling():
    assert isinstance(initializers.get("glorot_uniform"), initializers.GlorotUniform)
    assert isinstance(initializers.get("GlorotUniform"), initializers.GlorotUniform)
