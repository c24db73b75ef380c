"""Where batches come from: arrays, data sets and iterables, one interface for all, and threads that make batches ahead of their use.

`Sourcing` makes a source of what `fit` and `evaluate` are given.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastcnn import _targets, _validate
from fastcnn.ops import updates
from fastcnn.ops._images import empty

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
#: Inputs, targets and weights, as users give them: (x, y, sample_weight).
Data: TypeAlias = tuple[Any, Any, Any]
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


class _Indexed(Source):
    """A source of entries that have numbers."""

    def __init__(self, count: int, batch_size: int, in_threads: bool) -> None:
        self._count, self._size, self._in_threads = count, batch_size, in_threads
        self.steps = -(-count // batch_size)

    def batches(self, order: np.random.Generator | None = None, first: int = 0, prepare: Prepare | None = None) -> Iterator[Batch]:
        """Yield batches, made by threads if they are to be prepared, or take long to make."""
        entries = np.arange(self._count) if order is None else order.permutation(self._count)

        def make(start: int) -> Batch:
            batch = self._made(entries[start : start + self._size], order is None, prepare is None)
            return batch if prepare is None else prepare(batch)

        starts = range(first * self._size, self._count, self._size)
        yield from map(make, starts) if prepare is None and not self._in_threads else _ahead(partial(make, start) for start in starts)

    def _made(self, entries: np.ndarray, in_order: bool, alone: bool) -> Batch:
        """Return the batch of the entries, which may follow each other in order, and be `alone`: the inputs of no other one are in use."""
        raise NotImplementedError


class ArraySource(_Indexed):
    """Arrays in memory, in checked form, in batches of `batch_size`: in order, views into the arrays."""

    def __init__(
        self, xs: Sequence[np.ndarray], ys: Sequence[np.ndarray | None], weights: np.ndarray | None, batch_size: int, shuffled: bool = False
    ) -> None:
        super().__init__(len(xs[0]), batch_size, in_threads=False)
        self.images = len(xs[0])
        #: For shuffled batches, rows in one piece, which are gathered faster, and where they go if one batch is in use at a time.
        self._xs = [_validate.contiguous(x, x.dtype.newbyteorder("=")) for x in xs] if shuffled else list(xs)
        self._rows = [np.empty((min(batch_size, len(x)), *x.shape[1:]), x.dtype) for x in self._xs] if shuffled else []
        self._ys, self._weights = list(ys), weights

    def _made(self, entries: np.ndarray, in_order: bool, alone: bool) -> Batch:
        weights = None if self._weights is None else self._weights[entries]
        if in_order:
            span = slice(entries[0], entries[-1] + 1)
            return _batch([x[span] for x in self._xs], [None if y is None else y[span] for y in self._ys], weights, entries)
        places = [rows[: len(entries)] if alone else None for rows in self._rows]
        xs = [_gathered(x, entries, place) for x, place in zip(self._xs, places, strict=True)]
        return _batch(xs, [None if y is None else _gathered(y, entries) for y in self._ys], weights, entries)


def _gathered(array: np.ndarray, entries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return those entries of an array, in `rows` if given."""
    rows = empty((len(entries), *array.shape[1:]), array.dtype) if rows is None else rows
    updates.gather(array, entries, rows)
    return rows


class DatasetSource(_Indexed):
    """A data set with ``len(data)`` and ``data[i]``, which is one example (x, y), or else a batch of them.

    Examples are put together by threads, or by ``data.batch(indices)`` in a thread, where there is such a method.
    """

    def __init__(self, data: Any, check: Check, batch_size: int, holds_batches: bool) -> None:
        super().__init__(len(data), 1 if holds_batches else batch_size, in_threads=True)
        self._data, self._check, self._holds_batches = data, check, holds_batches
        self.images = None if holds_batches else len(data)
        check(*unpacked(self._collected(np.arange(1))))  # here, and not first in several threads at once: it may build the model

    def _made(self, entries: np.ndarray, in_order: bool, alone: bool) -> Batch:
        xs, ys, weights = self._check(*unpacked(self._collected(entries)))
        samples = (int(entries[0]) << 16) + np.arange(len(xs[0])) if self._holds_batches else entries
        return _copied(xs, ys, weights, samples)

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
            batch = _copied(xs, ys, weights, np.arange(count, count + len(xs[0])))
            count += len(xs[0])
            return batch if prepare is None else prepare(batch)

        wanted = (make for _ in (range(self.steps) if self.steps is not None else iter(int, 1)))
        for step, batch in enumerate(_ahead(wanted, workers=1)):
            if batch is None:
                return
            if step >= first:
                yield batch


def _batch(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray | None], weights: np.ndarray | None, samples: np.ndarray) -> Batch:
    return Batch(tuple(_validate.contiguous(x, np.float32) for x in xs), tuple(ys), weights, samples)


def _copied(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray | None], weights: np.ndarray | None, samples: np.ndarray) -> Batch:
    """Return a batch in arrays of its own: who gives it may put the next one in the same place, while this one is worked on."""
    copies = tuple(None if each is None else each.copy() for each in (*ys, weights))
    return Batch(tuple(np.array(x, np.float32, order="C") for x in xs), copies[:-1], copies[-1], samples)


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


class Sourcing:
    """Makes sources of a model's data.

    Parameters
    ----------
    check : callable
        Turns x, y, sample weights and class weights into checked form.
    rank : callable
        Returns the number of axes of a batch of inputs, or None before the model is built.
    """

    def __init__(self, check: Callable[..., Any], rank: Callable[[], int | None]) -> None:
        self._check, self._rank = check, rank

    def source(
        self, data: Data, batch_size: int, steps: int | None, shuffled: bool = False, class_weight: Mapping[int, float] | None = None
    ) -> Source:
        """Return where batches come from: arrays with targets, a data set, or an iterable of batches."""
        x, y, weights = data
        if steps is not None and (y is not None or hasattr(x, "__len__")):
            raise ValueError(
                "steps must be None, as for steps_per_epoch and validation_steps, where x has a length: its epochs end with it"
            )
        check = partial(self._check, class_weight=class_weight)
        if y is not None or isinstance(x, np.ndarray | Mapping):
            if y is None:
                raise TypeError("y must be given where x is an array")
            xs, ys, checked = check(x, y, weights)
            return ArraySource(xs, ys, checked, batch_size, shuffled)
        if weights is not None:
            raise ValueError("sample_weight must come with the data, as a third entry, where x is a data set")
        if hasattr(x, "__len__") and hasattr(x, "__getitem__"):
            _validate.integer(len(x), "len(x)", 1)
            first_x, first_y, _ = unpacked(x[0])
            return DatasetSource(x, check, batch_size, self._holds_batches(first_x, first_y))
        if not hasattr(x, "__iter__"):
            raise TypeError(f"x must be an array, a data set or an iterable, got {type(x).__name__}")
        return IterableSource(x, check, steps)

    def _holds_batches(self, x: Any, y: Any) -> bool:
        """Whether x, an entry of a data set, is a batch: by its rank if the model's is known, else if y has as many entries."""
        one = next(iter(x.values())) if isinstance(x, Mapping) else x[0] if isinstance(x, list | tuple) else x
        rank = self._rank()
        return np.ndim(one) >= rank if rank is not None else np.ndim(y) > 0 and len(y) == len(one)

    def validation(self, data: Any, batch_size: int, steps: int | None) -> Source:
        """Return the source of what `fit` was given as `validation_data`."""
        if isinstance(data, tuple | list):
            return self.source(unpacked(data, "validation_data must be"), batch_size, steps)
        if isinstance(data, np.ndarray | Mapping | str) or (not hasattr(data, "__iter__") and not hasattr(data, "__getitem__")):
            raise TypeError(f"validation_data must be a pair (x, y), a data set or an iterable, got {type(data).__name__}")
        return self.source((data, None, None), batch_size, steps)

    def split(
        self, data: Data, share: float, batch_size: int, held_size: int, shuffled: bool, class_weight: Mapping[int, float] | None
    ) -> tuple[Source, Source]:
        """Return sources of arrays without their last `share`, and of that."""
        x, y, sample_weight = data
        if y is None:
            raise ValueError("validation_split must be 0 where x is not an array: pass validation_data")
        xs, ys, weights = self._check(x, y, sample_weight)
        cut = math.floor(len(xs[0]) * (1 - share))  # rounded as Keras does
        if cut in (0, len(xs[0])):
            raise ValueError(f"validation_split must leave some of the {len(xs[0])} entries on either side, got {share}")
        kept, held = (
            ([x[span] for x in xs], [None if y is None else y[span] for y in ys], None if weights is None else weights[span])
            for span in (slice(cut), slice(cut, None))
        )
        kept_weights = _targets.batch_weights(kept[2], class_weight, kept[1][0] if len(ys) == 1 else None, cut)
        return ArraySource(kept[0], kept[1], kept_weights, batch_size, shuffled), ArraySource(*held, held_size)
