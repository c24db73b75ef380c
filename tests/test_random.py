"""Random numbers by sample: Philox as its authors define it, whatever the batch and the threads."""

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import random

pytestmark = pytest.mark.usefixtures("unwritten_outputs")

MASK = 2**32 - 1


def philox(counter, key):
    """Philox4x32-10, word by word."""
    for _ in range(10):
        first, second = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = (second >> 32) ^ counter[1] ^ key[0], second & MASK, (first >> 32) ^ counter[3] ^ key[1], first & MASK
        key = (key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK
    return counter


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers that come with the authors' library
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((MASK,) * 4, (MASK, MASK), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_the_twin_gives_the_known_answers(counter, key, words):
    assert philox(counter, key) == words


@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 65, 200])
@pytest.mark.parametrize(("seed", "epoch", "place"), [(0, 0, 0), (2**64 - 1, 2**32 - 1, 7), (5 + (9 << 32), 3, 2**20)])
def test_numbers_are_those_of_philox(seed, epoch, place, count):
    samples = np.array([0, 5, 2**32 - 1, 5])
    u = random.Draws(seed, epoch, samples, place).uniform(count)
    key = seed & MASK, seed >> 32
    expected = [[philox((i // 4, sample, epoch, place), key)[i % 4] >> 8 for i in range(count)] for sample in samples.tolist()]
    assert u.dtype == np.float32
    assert (u * 2**24 == np.array(expected)).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_samples_numbers_are_its_own(threads):
    samples = np.random.default_rng(0).permutation(1000)
    draws = random.Draws(1, 2, samples, 3)
    with fastcnn.num_threads(threads):
        whole = draws.uniform(999)
    alone = [draws._replace(samples=samples[i : i + 1]).uniform(999)[0] for i in (0, 17, 999)]
    assert_same_bits(whole[[0, 17, 999]], np.array(alone))


def test_numbers_are_spread_evenly():
    u = random.Draws(3, 1, np.arange(500)).uniform(400)
    counts = np.histogram(u, 16, (0, 1))[0]
    expected = u.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 50  # chi-squared with 15 degrees of freedom: once in 100,000
    assert abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 5 / np.sqrt(u.size)
