"""Random numbers: one seed, and a stream of its own for every purpose, epoch and sample.

The streams are those of Philox, a generator by counter: a stream is found from its numbers without running through the others. The same
seed thus gives the same run, whatever the batches and the number of threads, and a training that was saved and taken up again draws what
it would have drawn.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fastcnn import _validate
from fastcnn.ops import updates

__all__ = ["get_seed", "set_seed"]

Purpose: TypeAlias = Literal["weights", "shuffle"]
_PURPOSES: tuple[Purpose, ...] = ("weights", "shuffle")

_seed: int = int.from_bytes(os.urandom(8), "little")
_weights_drawn: Iterator[int] = itertools.count()


def set_seed(seed: int) -> None:
    """Make what follows repeatable: the first weights of new models, the shuffling, the dropout and the augmentation of `fit`.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1. Without a call, the seed is fresh in every process.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011; the role is that of
    ``keras.utils.set_random_seed``.

    Examples
    --------
    >>> from fastcnn import initializers, random
    >>> random.set_seed(42)
    >>> first = initializers.GlorotUniform()((2, 3))
    >>> random.set_seed(42)
    >>> bool((initializers.GlorotUniform()((2, 3)) == first).all())
    True
    """
    global _seed, _weights_drawn
    _seed = _validate.integer(seed, "seed", 0, 2**64 - 1)
    _weights_drawn = itertools.count()


def get_seed() -> int:
    """Return the seed in use.

    Examples
    --------
    >>> from fastcnn import random
    >>> random.set_seed(42)
    >>> random.get_seed()
    42
    """
    return _seed


def stream(purpose: Purpose, position: int, seed: int | None = None) -> np.random.Generator:
    """Return the stream for `purpose` at `position`, the number of an epoch or of a weight, under `seed` or the global one."""
    key = (_seed if seed is None else seed, _PURPOSES.index(purpose))
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=np.array((0, 0, 0, position), np.uint64)))


def next_weight_stream() -> np.random.Generator:
    """Return the stream for the next array of weights since `set_seed`."""
    return stream("weights", next(_weights_drawn))


def truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a normal distribution, and again what is farther than 2 from 0."""
    values = rng.standard_normal(shape)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(int(far.sum()))
    return values


class Draws(NamedTuple):
    """The random numbers of one place in a network for the samples of a batch, which depend on (seed, epoch, sample, place) alone.

    Attributes
    ----------
    seed, epoch : int
    samples : ndarray of int64, shape (N,)
        The samples' numbers in their data set.
    place : int
        The layer's place in the network.
    """

    seed: int
    epoch: int
    samples: np.ndarray
    place: int = 0

    def at(self, place: int) -> Draws:
        """Return the numbers of another place."""
        return Draws(self.seed, self.epoch, self.samples, place)

    def uniform(self, count: int) -> np.ndarray:
        """Return `count` numbers from [0, 1) for each sample: float32 (N, count)."""
        u = np.empty((len(self.samples), count), np.float32)
        updates.uniform(self.seed, self.epoch, self.place, self.samples, u)
        return u
