"""Learning rates that change from batch to batch, with Keras's names and numerics. An optimizer takes one as its `learning_rate`."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Any, TypeAlias

from fastcnn import _registry, _validate
from fastcnn._settings import Flag, OptionalReal, Real, Setting, flag, optional, real

__all__ = ["CosineDecay", "ExponentialDecay", "LearningRateSchedule", "PiecewiseConstantDecay"]

#: Rates, or steps.
Rates: TypeAlias = Setting[Sequence[float], list[float]]


class LearningRateSchedule(_registry.Configurable):
    """The base of all schedules: ``schedule(step)`` is the learning rate after `step` batches.

    A schedule of one's own gives `__call__`; where it keeps its constructor's arguments as attributes of the same names, it can be saved.

    References
    ----------
    ``keras.optimizers.schedules.LearningRateSchedule``.

    Examples
    --------
    >>> from fastcnn.optimizers import SGD
    >>> from fastcnn.optimizers.schedules import LearningRateSchedule
    >>> class InverseRoot(LearningRateSchedule):
    ...     def __init__(self, first):
    ...         self.first = first
    ...
    ...     def __call__(self, step):
    ...         return self.first / (1 + step) ** 0.5
    >>> SGD(InverseRoot(0.5)).learning_rate
    0.5
    """

    def __call__(self, step: float) -> float:
        """Return the learning rate after `step` batches."""
        raise NotImplementedError


class _Decay(LearningRateSchedule):
    """The base of those that begin at one rate and take a number of steps."""

    initial_learning_rate: Real = real(0, math.inf)
    decay_steps: Real = real(1, math.inf)


class ExponentialDecay(_Decay):
    """The initial rate times ``decay_rate ** (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : float
        At least 1.
    decay_rate : float
    staircase : bool, default False
        Round the exponent down: the rate changes every `decay_steps` steps only.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a negative number, or `decay_steps` below 1.

    References
    ----------
    ``keras.optimizers.schedules.ExponentialDecay``.

    Examples
    --------
    >>> from fastcnn.optimizers.schedules import ExponentialDecay
    >>> ExponentialDecay(0.8, decay_steps=10, decay_rate=0.5)(20)
    0.2
    """

    decay_rate: Real = real(0, math.inf)
    staircase: Flag = flag(False)

    def __call__(self, step: float) -> float:
        """Return the learning rate after `step` batches."""
        exponent = step / self.decay_steps
        try:
            factor = self.decay_rate ** (math.floor(exponent) if self.staircase else exponent)
        except OverflowError:  # of a rate that grows
            return math.inf
        return self.initial_learning_rate * factor


class CosineDecay(_Decay):
    """Half a wave of a cosine, from the initial rate down to `alpha` times that.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : float
        At least 1.
    alpha : float, default 0.0
        What is left at the end, as a share of where the decay began.
    warmup_target : float, optional
        Where the rate goes in a straight line in the first `warmup_steps`, for the decay to begin there.
    warmup_steps : float, default 0
        Without a `warmup_target`, of no influence.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a negative number, or `decay_steps` below 1.

    References
    ----------
    I. Loshchilov, F. Hutter: SGDR: stochastic gradient descent with warm restarts. ICLR 2017.

    Examples
    --------
    >>> from fastcnn.optimizers.schedules import CosineDecay
    >>> schedule = CosineDecay(0.0, decay_steps=100, warmup_target=0.5, warmup_steps=10)
    >>> [round(schedule(step), 3) for step in (0, 5, 10, 60, 110)]
    [0.0, 0.25, 0.5, 0.25, 0.0]
    """

    alpha: Real = real(0, math.inf, 0.0)
    _: KW_ONLY
    warmup_target: OptionalReal = optional(real(0, math.inf))
    warmup_steps: Real = real(0, math.inf, 0)

    def __call__(self, step: float) -> float:
        """Return the learning rate after `step` batches."""
        start = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return start + (self.warmup_target - start) * step / self.warmup_steps
            start = self.warmup_target
            step -= self.warmup_steps
        wave = 0.5 * (1 + math.cos(math.pi * min(step / self.decay_steps, 1)))
        return start * ((1 - self.alpha) * wave + self.alpha)


def _rates(values: Any, name: str) -> list[float]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"{name} must be a list of numbers, got {values!r} of type {type(values).__name__}")
    return [rate(value, f"{name}[{index}]") for index, value in enumerate(values)]


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to the first boundary, another up to the next, and so on.

    Parameters
    ----------
    boundaries : sequence of float
        The last step of each piece but the last, in ascending order.
    values : sequence of float
        The rates, one more than there are boundaries.

    Raises
    ------
    TypeError, ValueError
        For what are not lists of numbers from 0 on, boundaries out of order, or another number of values.

    References
    ----------
    ``keras.optimizers.schedules.PiecewiseConstantDecay``.

    Examples
    --------
    >>> from fastcnn.optimizers.schedules import PiecewiseConstantDecay
    >>> schedule = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    >>> [schedule(step) for step in (10, 11, 21)]
    [1.0, 0.5, 0.1]
    """

    boundaries: Rates = Setting(_rates)
    values: Rates = Setting(_rates)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(f"values must be one more than boundaries, got {len(self.values)} and {len(self.boundaries)}")
        if self.boundaries != sorted(self.boundaries):
            raise ValueError(f"boundaries must be in ascending order, got {self.boundaries}")

    def __call__(self, step: float) -> float:
        """Return the learning rate after `step` batches."""
        return self.values[bisect.bisect_left(self.boundaries, step)]


_CLASSES = _registry.table(ExponentialDecay, CosineDecay, PiecewiseConstantDecay)


def rate(value: Any, name: str) -> float:
    """Return `value` as a ``float`` that is not negative."""
    return _validate.real(value, name, 0, math.inf)


def rate_or_schedule(value: Any, name: str) -> float | LearningRateSchedule:
    """Return the learning rate that `value` stands for: a number, a schedule, or what `_registry.serialize` made of one."""
    if isinstance(value, LearningRateSchedule | Mapping):
        return _registry.resolve(value, _CLASSES, name, LearningRateSchedule)
    return rate(value, name)
