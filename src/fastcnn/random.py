"""Random numbers: one seed, and a stream of its own for every purpose and every step.

The streams are those of Philox 4x64, a generator by counter: its key is (seed, purpose) and the top word of its counter is the
position, so a stream is found without running through the others. The same seed thus gives the same run, whatever the number of
threads, and a training that was saved and taken up again draws what it would have drawn.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from fastcnn import _validate

__all__ = ["set_seed"]

Purpose: TypeAlias = Literal["weights", "shuffle", "dropout"]
_PURPOSES: tuple[Purpose, ...] = ("weights", "shuffle", "dropout")

_seed: int = int.from_bytes(os.urandom(8), "little")
_weights_drawn: Iterator[int] = itertools.count()


def set_seed(seed: int) -> None:
    """Make what follows repeatable: the first weights of new models, the shuffling and the dropout of `fit`.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1. Without a call, the seed is fresh in every process.

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


def stream(purpose: Purpose, position: int, seed: int | None = None) -> np.random.Generator:
    """Return the stream for `purpose` at `position`, the number of a step or of a weight, under `seed` or the global one."""
    key = (_seed if seed is None else seed, _PURPOSES.index(purpose))
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=np.array((0, 0, 0, position), np.uint64)))


class Streams:
    """The streams of a purpose, one at a time, in a generator that is made once: that takes longer than to put it elsewhere."""

    def __init__(self, purpose: Purpose) -> None:
        self._generator = stream(purpose, 0)
        self._state: dict[str, Any] = dict(self._generator.bit_generator.state)

    def at(self, position: int) -> np.random.Generator:
        """Return what `stream` would return; it is good until the next call."""
        place = self._state["state"]
        place["key"][0], place["counter"][3] = _seed, position
        self._generator.bit_generator.state = self._state
        return self._generator


def next_weight_stream() -> np.random.Generator:
    """Return the stream for the next array of weights since `set_seed`."""
    return stream("weights", next(_weights_drawn))
