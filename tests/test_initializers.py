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
    ],
)
def test_uniform_fills_its_range_evenly(initializer, shape, limit):
    values = initializer(shape)
    assert values.shape == shape
    assert values.dtype == np.float32
    assert np.abs(values).max() <= np.float32(limit)
    counts, _ = np.histogram(values, bins=10, range=(-limit, limit))
    assert np.abs(counts - values.size / 10).max() < 5 * np.sqrt(values.size / 10)  # five standard deviations of a count


def test_constants():
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
