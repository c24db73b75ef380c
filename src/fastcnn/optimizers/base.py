"""What all optimizers share: the learning rate, the clipping of gradients, weight decay, and gradients of several batches in one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from fastcnn import _registry, _validate
from fastcnn._settings import OptionalInteger, OptionalReal, integer, optional, real
from fastcnn.ops import updates
from fastcnn.optimizers import schedules

_FLOAT32 = np.dtype(np.float32)


class LearningRate:
    """A number or a schedule, which is kept as it is, and is read as the number for the optimizer's next batch."""

    def __init__(self, default: float) -> None:
        self._default = default

    def __get__(self, owner: Any, cls: type) -> float:
        kept = self._default if owner is None else vars(owner)["learning_rate"]
        return kept if isinstance(kept, float) else schedules.rate(kept(owner.batches), "learning_rate")

    def __set__(self, owner: object, value: float | schedules.LearningRateSchedule) -> None:
        new, old = schedules.rate_or_schedule(value, "learning_rate"), vars(owner).get("learning_rate")
        if isinstance(new, float) and isinstance(old, schedules.LearningRateSchedule):
            raise TypeError(f"learning_rate is a schedule, {type(old).__name__}, and cannot be set to the number {new:g}")
        vars(owner)["learning_rate"] = new


class Optimizer(_registry.Configurable):
    """The base of all optimizers. A subclass gives `_slot_names` and `_next_step`.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
        It may be changed between steps: to a number, unless it is a schedule, or to a schedule.
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
    learning_rate : float
        That of the next batch, though a schedule gives it.
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

    learning_rate: LearningRate = LearningRate(0.001)
    _: KW_ONLY
    weight_decay: OptionalReal = optional(real(0, math.inf))
    clipnorm: OptionalReal = optional(real(0, math.inf))
    clipvalue: OptionalReal = optional(real(0, math.inf))
    global_clipnorm: OptionalReal = optional(real(0, math.inf))
    gradient_accumulation_steps: OptionalInteger = optional(integer(2))

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = (self.clipnorm, self.clipvalue, self.global_clipnorm)
        if limits.count(None) < 2:
            raise ValueError("only one of clipnorm, clipvalue and global_clipnorm may be given, got {}, {} and {}".format(*limits))
        self.iterations = 0
        self.slots: dict[str, np.ndarray] = {}
        self._spans: list[slice] = []

    @property
    def _slot_names(self) -> tuple[str | None, ...]:
        """The names of the slots that the rule wants, in its order; None for one that is not needed."""
        return ()

    @property
    def batches(self) -> int:
        """The number of batches so far, which is what schedules are given: that of the steps but where gradients are accumulated."""
        since_the_last_step = int(self.slots["accumulated"][0]) if "accumulated" in self.slots else 0
        return self.iterations * (self.gradient_accumulation_steps or 1) + since_the_last_step

    def _arguments(self) -> dict[str, Any]:
        """Return what the constructor was given, with the schedule of learning rates if there is one."""
        return super()._arguments() | {"learning_rate": vars(self)["learning_rate"]}

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
        for name in filter(None, self._slot_names):
            self._check(name, self.slots[name])
        rate = self.learning_rate
        if self.gradient_accumulation_steps:
            self._accumulate(weights, gradients, rate, self.gradient_accumulation_steps)
        else:
            self._apply(weights, gradients, rate)

    def _check(self, name: str, array: np.ndarray) -> None:
        """Refuse an array that is not as long as `build` was told."""
        size = self._spans[-1].stop if self._spans else 0
        if array.shape != (size,) or array.dtype != _FLOAT32:
            raise ValueError(f"{name} must be float32 of shape ({size},), as `build` was told, got {array.dtype} {array.shape}")

    @np.errstate(all="ignore")  # NaN and Inf go where they go
    def _accumulate(self, weights: np.ndarray, gradients: np.ndarray, rate: float, steps: int) -> None:
        """Add `gradients` to those that wait, and make a step where they are those of so many batches."""
        total, count = self.slots["gradient_accumulator"], self.slots["accumulated"]
        total += gradients
        if count[0] + 1 < steps:
            count += 1
            return
        total /= steps
        self._apply(weights, total, rate)
        total.fill(0)
        count.fill(0)

    def _apply(self, weights: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Make one step with `gradients`, which may be changed."""
        if self.clipvalue or self.clipnorm or self.global_clipnorm:
            self._clip(gradients)
        rule, coefficients = self._next_step(rate)
        slots = [self.slots[name] if name else None for name in self._slot_names]
        updates.step(rule, weights, gradients, coefficients, slots, rate * (self.weight_decay or 0))
        self.iterations += 1

    @np.errstate(all="ignore")
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
