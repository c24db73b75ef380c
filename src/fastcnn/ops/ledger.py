"""The memory of results, in numbers: what becomes of arrays, and what memory that takes."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from fastcnn.ops._images import SMALL_BYTES


class Ledger:
    """What happens to arrays, in order: each time one comes up its number and bytes, and each time one goes its number alone."""

    def __init__(self) -> None:
        self._alive: dict[int, weakref.ref[np.ndarray]] = {}
        self._count = 0
        self.events: list[tuple[int, int | None]] = []

    def enter(self, found: Any) -> None:
        """Take up the arrays in `found`; those that are views count as what they look into."""
        for array in _arrays(found):
            owner = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            if id(owner) not in self._alive:
                self._alive[id(owner)] = weakref.ref(owner, partial(self._leave, id(owner), self._count))
                self.events.append((self._count, owner.nbytes))
                self._count += 1

    def _leave(self, key: int, number: int, _: Any) -> None:
        del self._alive[key]
        self.events.append((number, None))


def _arrays(found: Any) -> Iterator[np.ndarray]:
    if isinstance(found, np.ndarray):
        yield found
    elif isinstance(found, tuple | list):
        for each in found:
            yield from _arrays(each)


class KeptBlocks:
    """Memory for results as csrc/buffers.c hands it out: what is given back is kept, and taken again by what fits."""

    _KEPT_BYTES, _KEPT_BLOCKS = 256 << 20, 64

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._used: dict[int, int] = {}
        self.peak = 0

    def take(self, number: int, size: int) -> None:
        """Find memory for array `number`."""
        fitting = [block for block in self._kept if size <= block <= size + size // 4] if size >= SMALL_BYTES else []
        if fitting:
            self._kept.remove(min(fitting))
        self._used[number] = min(fitting, default=size)
        self.peak = max(self.peak, sum(self._used.values()) + sum(self._kept))

    def give(self, number: int) -> None:
        """Take back the memory of array `number`."""
        block = self._used.pop(number)
        if SMALL_BYTES <= block <= self._KEPT_BYTES // 2:
            while self._kept and (len(self._kept) == self._KEPT_BLOCKS or sum(self._kept) + block > self._KEPT_BYTES):
                self._kept.pop(0)
            self._kept.append(block)
