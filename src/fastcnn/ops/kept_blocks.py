"""The memory of results, in numbers: what a sequence of them takes."""

from __future__ import annotations

from fastcnn.ops._images import SMALL_BYTES


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
