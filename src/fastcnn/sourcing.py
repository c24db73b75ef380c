"""What `fit` and `evaluate` are given, as sources of batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from fastcnn import _validate
from fastcnn.compiled import check_weights
from fastcnn.feeding import ArraySource, DatasetSource, IterableSource, Source, unpacked

#: Inputs, targets and weights, as users give them: (x, y, sample_weight).
Data: TypeAlias = tuple[Any, Any, Any]


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
        kept_weights = check_weights(kept[2], class_weight, kept[1][0] if len(ys) == 1 else None, cut)
        return ArraySource(kept[0], kept[1], kept_weights, batch_size, shuffled), ArraySource(held[0], held[1], held[2], held_size)
