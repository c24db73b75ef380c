"""Where batches come from: arrays, data sets and iterables, one interface for all, and threads that make batches ahead of their use."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastcnn import _validate
from fastcnn.ops import updates

#: Batches that are made, or being made, while one is worked on.
_AHEAD = 2


class Batch(NamedTuple):
    """Inputs, targets (None for an output without a loss), the samples' weights if they have any, and their numbers in the data."""

    xs: tuple[np.ndarray, ...]
    ys: tuple[np.ndarray | None, ...]
    weights: np.ndarray | None
    samples: np.ndarray


#: Turns x, y and weights as users give them into checked form.
Check: TypeAlias = Callable[[Any, Any, Any], tuple[tuple[np.ndarray, ...], tuple[np.ndarray | None, ...], np.ndarray | None]]
#: What is done to a batch, away from the thread that trains.
Prepare: TypeAlias = Callable[[Batch], Batch]


class Source:
    """The base of all sources.

    Attributes
    ----------
    steps : int or None
        The number of batches in an epoch; None where only its end will tell.
    images : int or None
        The number of samples in an epoch.
    """

    steps: int | None
    images: int | None

    def batches(self, order: np.random.Generator | None = None, first: int = 0, prepare: Prepare | None = None) -> Iterator[Batch]:
        """Yield an epoch's batches from the `first` step on: shuffled by `order`, if given; `prepare` is run on them in threads."""
        raise NotImplementedError

    def pass_over(self, epochs: int) -> None:
        """Leave out so many epochs, of a source that goes on from one to the next."""


class ArraySource(Source):
    """Arrays in memory, in checked form, in batches of `batch_size`."""

    images: int

    def __init__(
        self, xs: Sequence[np.ndarray], ys: Sequence[np.ndarray | None], weights: np.ndarray | None, batch_size: int, shuffled: bool = False
    ) -> None:
        #: For shuffled batches, rows in one piece, which are gathered faster.
        self._xs = [_validate.contiguous(x, x.dtype.newbyteorder("=")) for x in xs] if shuffled else list(xs)
        self._ys, self._weights, self._size = list(ys), weights, batch_size
        self.images = len(xs[0])
        self.steps = -(-self.images // batch_size)

    def batches(self, order: np.random.Generator | None = None, first: int = 0, prepare: Prepare | None = None) -> Iterator[Batch]:
        """Yield batches: views into the arrays or, with an `order`, buffers that are used again, unless there is something to prepare."""
        samples = np.arange(self.images) if order is None else order.permutation(self.images)
        places = range(first * self._size, self.images, self._size)
        if prepare is not None:
            make = [lambda at=at: prepare(self._gathered(samples[at : at + self._size], {})) for at in places]
            yield from _ahead(make)
            return
        buffers: dict[int, np.ndarray] = {}
        for at in places:
            chosen = samples[at : at + self._size]
            yield self._gathered(chosen, buffers) if order is not None else self._viewed(slice(at, at + self._size), chosen)

    def _viewed(self, span: slice, samples: np.ndarray) -> Batch:
        return self._batch([x[span] for x in self._xs], [None if y is None else y[span] for y in self._ys], self._at(span), samples)

    def _gathered(self, samples: np.ndarray, buffers: dict[int, np.ndarray]) -> Batch:
        arrays = [self._gather(array, samples, buffers) for array in (*self._xs, *self._ys)]
        return self._batch(arrays[: len(self._xs)], arrays[len(self._xs) :], self._at(samples), samples)

    def _at(self, where: Any) -> np.ndarray | None:
        return None if self._weights is None else self._weights[where]

    @staticmethod
    def _batch(xs: Sequence[Any], ys: Sequence[Any], weights: np.ndarray | None, samples: np.ndarray) -> Batch:
        return Batch(tuple(_validate.contiguous(x, np.float32) for x in xs), tuple(ys), weights, samples)

    @staticmethod
    def _gather(array: np.ndarray | None, samples: np.ndarray, buffers: dict[int, np.ndarray]) -> np.ndarray | None:
        if array is None:
            return None
        buffer = buffers.get(id(array))
        if buffer is None:
            buffer = buffers[id(array)] = np.empty((len(samples), *array.shape[1:]), array.dtype)
        out = buffer[: len(samples)]
        updates.gather(array, samples, out)
        return out


class DatasetSource(Source):
    """A data set with ``len(data)`` and ``data[i]``, which is one example (x, y), or else a batch of them.

    Examples are put together by threads, or by ``data.batch(indices)`` in a thread, where there is such a method.
    """

    def __init__(self, data: Any, check: Check, batch_size: int, holds_batches: bool) -> None:
        self._data, self._check, self._size, self._holds_batches = data, check, batch_size, holds_batches
        count = len(data)
        self.images = None if holds_batches else count
        self.steps = count if holds_batches else -(-count // batch_size)
        check(*unpacked(self._collected(np.arange(1))))  # here, and not first in several threads at once: it may build the model

    def batches(self, order: np.random.Generator | None = None, first: int = 0, prepare: Prepare | None = None) -> Iterator[Batch]:
        """Yield batches, made by threads."""
        entries = np.arange(len(self._data)) if order is None else order.permutation(len(self._data))
        size = 1 if self._holds_batches else self._size
        make = [partial(self._made, entries[at : at + size], prepare) for at in range(first * size, len(entries), size)]
        yield from _ahead(make)

    def _made(self, entries: np.ndarray, prepare: Prepare | None) -> Batch:
        """Return the batch of these entries of the data."""
        xs, ys, weights = self._check(*unpacked(self._collected(entries)))
        samples = (int(entries[0]) << 16) + np.arange(len(xs[0])) if self._holds_batches else entries
        batch = ArraySource._batch(xs, ys, weights, samples)
        return batch if prepare is None else prepare(batch)

    def _collected(self, entries: np.ndarray) -> Any:
        if self._holds_batches:
            return self._data[int(entries[0])]
        if hasattr(self._data, "batch"):
            return self._data.batch(entries)
        examples = [self._data[int(entry)] for entry in entries]
        return tuple(np.stack([np.asarray(part) for part in column]) for column in zip(*examples, strict=True))


class IterableSource(Source):
    """An iterable or a generator of batches (x, y) or (x, y, weights); an epoch ends with it, or after `steps` of them."""

    def __init__(self, data: Iterable[Any], check: Check, steps: int | None) -> None:
        self._data, self._check, self.steps, self.images = data, check, steps, None
        self._iterator: Iterator[Any] | None = None

    def pass_over(self, epochs: int) -> None:
        """Leave out so many epochs, if the iterable is cut into them."""
        if self.steps is not None:
            self._iterator = iter(self._data)
            for _ in itertools.islice(self._iterator, epochs * self.steps):
                pass

    def batches(self, order: np.random.Generator | None = None, first: int = 0, prepare: Prepare | None = None) -> Iterator[Batch]:
        """Yield batches in the order of the iterable, the next ones made by one thread."""
        if self._iterator is None or self.steps is None:  # one that is cut into epochs goes on where it was
            self._iterator = iter(self._data)
        iterator, count = self._iterator, 0

        def make() -> Batch | None:
            nonlocal count
            parts = next(iterator, None)
            if parts is None:
                return None
            xs, ys, weights = self._check(*unpacked(parts))
            batch = ArraySource._batch(xs, ys, weights, np.arange(count, count + len(xs[0])))
            count += len(xs[0])
            return batch if prepare is None else prepare(batch)

        wanted = (make for _ in (range(self.steps) if self.steps is not None else iter(int, 1)))
        for step, batch in enumerate(_ahead(wanted, workers=1)):
            if batch is None:
                return
            if step >= first:
                yield batch


def unpacked(parts: Any, what: str = "x must give") -> tuple[Any, Any, Any]:
    """Return (x, y, weights) of what a data set or an iterable gives."""
    if not (isinstance(parts, tuple | list) and len(parts) in (2, 3)):
        raise TypeError(f"{what} (x, y) or (x, y, sample_weight), got {type(parts).__name__}")
    return (*parts, None) if len(parts) == 2 else tuple(parts)


def _ahead(make: Iterable[Callable[[], Any]], workers: int | None = None) -> Iterator[Any]:
    """Yield what the functions return, in their order; threads run the next ones meanwhile."""
    workers = workers or min(4, os.cpu_count() or 1)
    calls = iter(make)
    with ThreadPoolExecutor(workers, thread_name_prefix="fastcnn-feed") as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            while True:
                while len(waiting) < workers + _AHEAD and (call := next(calls, None)) is not None:
                    waiting.append(pool.submit(call))
                if not waiting:
                    return
                result = waiting.popleft().result()
                if result is None:
                    return
                yield result
        finally:
            for future in waiting:
                future.cancel()
