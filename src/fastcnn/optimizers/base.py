"""What all optimizers share: the learning rate, the clipping of gradients, weight decay, and gradients of several batches in one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from fastcnn import _registry, _validate
from fastcnn.ops import updates
from fastcnn.optimizers import schedules

_FLOAT32 = np.dtype(np.float32)


class Optimizer(_registry.Configurable):
    """The base of all optimizers. A subclass gives `_slot_names` and `_next_step`.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
    weight_decay : float, optional
        Before each step, every weight loses this share of itself, times the learning rate.
    clipnorm : float, optional
        The largest Euclidean norm that the gradient of a variable may keep; a longer one is made shorter.
    clipvalue : float, optional
        The largest absolute value that an element of a gradient may keep.
    global_clipnorm : float, optional
        The largest norm that the gradients of all variables together may keep. Only one of these three may be given; 0 clips nothing.
    gradient_accumulation_steps : int, optional
        Make a step only every so many batches, at least 2, with the mean of their gradients.

    Attributes
    ----------
    iterations : int
        The number of steps so far.
    slots : dict of str to ndarray
        All further state, by name: flat arrays, most of them with a number for each weight.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a negative number, fewer than 2 accumulation steps, or more than one way of clipping.

    Notes
    -----
    The order is Keras's: the mean over the batches is clipped, the weights decay, the step is made.

    References
    ----------
    ``keras.optimizers.Optimizer``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import SGD
    >>> weights, sgd = np.zeros(1, np.float32), SGD(learning_rate=1.0, clipvalue=0.5)
    >>> sgd.build([1])
    >>> sgd.update(weights, np.array([3], np.float32))
    >>> weights, sgd.iterations
    (array([-0.5], dtype=float32), 1)
    """

    #: The names of the slots that the rule wants, in its order; None for one that is not needed.
    _slot_names: tuple[str | None, ...] = ()

    def __init__(
        self,
        learning_rate: float | schedules.LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        gradient_accumulation_steps: int | None = None,
    ) -> None:
        self._learning_rate = schedules.rate_or_schedule(learning_rate)
        self.weight_decay = _real_or_none(weight_decay, "weight_decay")
        self.clipnorm = _real_or_none(clipnorm, "clipnorm")
        self.clipvalue = _real_or_none(clipvalue, "clipvalue")
        self.global_clipnorm = _real_or_none(global_clipnorm, "global_clipnorm")
        steps = gradient_accumulation_steps
        self.gradient_accumulation_steps = None if steps is None else _validate.integer(steps, "gradient_accumulation_steps", 2)
        if [clipnorm, clipvalue, global_clipnorm].count(None) < 2:
            raise ValueError(
                f"only one of clipnorm, clipvalue and global_clipnorm may be given, got {clipnorm!r}, {clipvalue!r} and {global_clipnorm!r}"
            )
        self.iterations = 0
        self.slots: dict[str, np.ndarray] = {}
        self._spans: list[slice] = []

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next batch. It may be changed between steps: to a number, unless it is a schedule, or to a schedule."""
        return self._learning_rate if isinstance(self._learning_rate, float) else schedules.rate(self._learning_rate(self.batches))

    @learning_rate.setter
    def learning_rate(self, value: float | schedules.LearningRateSchedule) -> None:
        new = schedules.rate_or_schedule(value)
        if isinstance(new, float) and not isinstance(self._learning_rate, float):
            raise TypeError(f"learning_rate is a schedule, {type(self._learning_rate).__name__}, and cannot be set to the number {new:g}")
        self._learning_rate = new

    @property
    def batches(self) -> int:
        """The number of batches so far, which is what schedules are given: that of the steps but where gradients are accumulated."""
        return self.iterations * (self.gradient_accumulation_steps or 1) + self._accumulated

    @property
    def _accumulated(self) -> int:
        """The number of batches since the last step."""
        return int(self.slots["accumulated"][0]) if "accumulated" in self.slots else 0

    def _arguments(self) -> dict[str, Any]:
        """Return what the constructor was given, with the schedule of learning rates if there is one."""
        return super()._arguments() | {"learning_rate": self._learning_rate}

    def build(self, sizes: Sequence[int]) -> None:
        """Begin anew, for variables with so many elements each, one after the other in the flat arrays."""
        _validate.instance(sizes, Sequence, "sizes", "a sequence of integers")
        stops = list(accumulate((_validate.integer(size, "sizes", 0, _validate.MAX_BYTES) for size in sizes), initial=0))
        self.slots = {name: np.zeros(stops[-1], np.float32) for name in self._slot_names if name}
        if self.gradient_accumulation_steps:
            self.slots |= {"gradient_accumulator": np.zeros(stops[-1], np.float32), "accumulated": np.zeros(1, np.int64)}
        self._spans = [slice(*span) for span in pairwise(stops)]
        self.iterations = 0

    def update(self, weights: np.ndarray, gradients: np.ndarray) -> None:
        """Take in the gradients of one batch, and make the step that they or, accumulated, the last of them lead to.

        Parameters
        ----------
        weights : ndarray of float32, shape (n,)
            Changed in place. n is the sum of the sizes given to `build`.
        gradients : ndarray of float32, shape (n,)
            Clipping happens in place, too, where gradients are not accumulated.
        """
        self._check("weights", weights)
        self._check("gradients", gradients)
        for name in self._slot_names:
            if name:
                self._check(name, self.slots[name])
        rate = self.learning_rate
        if self.gradient_accumulation_steps:
            with np.errstate(all="ignore"):  # NaN and Inf go where they go
                self._accumulate(weights, gradients, rate)
        else:
            self._apply(weights, gradients, rate)

    def _check(self, name: str, array: np.ndarray) -> None:
        """Refuse an array that is not as long as `build` was told."""
        size = self._spans[-1].stop if self._spans else 0
        if array.shape != (size,) or array.dtype != _FLOAT32:
            raise ValueError(f"{name} must be float32 of shape ({size},), as `build` was told, got {array.dtype} {array.shape}")

    def _accumulate(self, weights: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Add `gradients` to those that wait, and make a step where they are enough."""
        assert self.gradient_accumulation_steps is not None
        total, count = self.slots["gradient_accumulator"], self.slots["accumulated"]
        total += gradients
        if count[0] + 1 < self.gradient_accumulation_steps:
            count += 1
            return
        total /= self.gradient_accumulation_steps
        self._apply(weights, total, rate)
        total.fill(0)
        count.fill(0)

    def _apply(self, weights: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Make one step with `gradients`, which may be changed."""
        if self.clipvalue or self.clipnorm or self.global_clipnorm:
            with np.errstate(all="ignore"):
                self._clip(gradients)
        rule, coefficients = self._next_step(rate)
        slots = [self.slots[name] if name else None for name in self._slot_names]
        updates.step(rule, weights, gradients, coefficients, slots, rate * (self.weight_decay or 0))
        self.iterations += 1

    def _clip(self, gradients: np.ndarray) -> None:
        if self.clipvalue:
            np.clip(gradients, -self.clipvalue, self.clipvalue, out=gradients)
        elif self.clipnorm:
            for span in self._spans:
                _shorten(gradients[span], self.clipnorm)
        elif self.global_clipnorm:
            norm = _shorten(gradients, self.global_clipnorm)
            if math.isinf(norm):  # there is no telling how long each part of it should be; Keras says NaN, too
                gradients.fill(math.nan)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        """Return a rule for `updates.step` and its coefficients for step number ``iterations + 1``; called once for each step."""
        raise NotImplementedError


def _shorten(vector: np.ndarray, longest: float) -> float:
    """Make `vector` shorter where its norm is more than `longest`; return the norm that it had."""
    norm = math.sqrt(updates.sum_of_squares(vector))
    if not norm <= longest:  # for NaN, too
        vector *= longest / norm
    return norm


def _real_or_none(value: Any, name: str) -> float | None:
    return None if value is None else _registry.real(value, name, 0, math.inf)
