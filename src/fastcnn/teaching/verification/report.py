"""What is told about a function: a text to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .binding import Binding
from .causes import Cause
from .gradients import confirmed
from .operations import Form
from .running import Outcome, differences


@dataclass(frozen=True)
class Verification:
    """The result of `verify`: true if all is right; printed, what is wrong, in words.

    Attributes
    ----------
    passed, count : int
        How many cases gave the right result, of how many.
    failures : list of Outcome
        The cases that did not, the simplest first.
    cause : Cause or None
        What the function does instead, where a hypothesis is borne out by all cases.
    """

    binding: Binding
    form: Form
    outcomes: Sequence[Outcome]
    cause: Cause | None
    hints: Sequence[str]
    untested: Sequence[str]
    remarks: Sequence[str]
    speed: str
    #: Whether the gradient is expected to be that of a forward of one's own.
    own_forward: bool = False

    def __bool__(self) -> bool:
        return not self.failures

    @property
    def count(self) -> int:
        """How many cases there were."""
        return len(self.outcomes)

    @property
    def passed(self) -> int:
        """How many cases gave the right result."""
        return self.count - len(self.failures)

    @property
    def failures(self) -> list[Outcome]:
        """The cases that did not give the right result, the simplest first."""
        return sorted((outcome for outcome in self.outcomes if not outcome.passed), key=lambda outcome: outcome.case.optional)

    def __repr__(self) -> str:
        return "\n".join([*self._heading(), *self._first_failure(), *self._why(), *self._rest()])

    def _heading(self) -> list[str]:
        name = getattr(self.binding.function, "__name__", "the function")
        verdict = "all is right" if self else f"{len(self.failures)} failed"
        return [f"{name}, like {self.binding.operation.name} on {self.form.name}: {self.passed} of {self.count} cases passed, {verdict}."]

    def _first_failure(self) -> list[str]:
        if self:
            return []
        first = self.failures[0]
        lines = ["", f"The first case that failed: {first.case.title}.", f"    {self.binding.text(first.case)}"]
        lines += [f"    {line}" for line in self._fault(first)]
        others = [outcome.case.title for outcome in self.failures[1:]]
        return [*lines, f"Failed too: {_listed(others)}."] if others else lines

    def _why(self) -> list[str]:
        if self:
            return []
        lines = [""]
        if self.cause is not None:
            lines.append(f"The likely cause: {self.cause}")
            ran = sum(outcome.got is not None for outcome in self.outcomes)
            lines.append(f"A function with that fault gives what this one gives, in all {ran} cases that have a result.")
        elif not self.hints:
            lines.append("No known cause fits.")
        else:
            known = any(outcome.wrong is not None for outcome in self.outcomes)
            lines.append("No known cause fits. What can be seen:" if known else "What can be seen:")
        return lines + [f"  - {hint}" for hint in self.hints]

    def _rest(self) -> list[str]:
        lines = []
        if self.untested:
            lines.append(f"Not tested, for the function does not offer it: {', '.join(self.untested)}.")
        lines += self.remarks
        if self.speed:
            lines.append(self.speed)
        return ["", *lines] if lines else []

    def _fault(self, outcome: Outcome) -> list[str]:
        """Return what is wrong in a case."""
        lines = [f"It changes its input {' and '.join(outcome.changed)}."] if outcome.changed else []
        if outcome.got is None:
            return [*lines, outcome.error]
        if outcome.wrong is None:
            return lines
        names = list(self.binding.operation.gives)
        of = f" of {names[outcome.wrong]}" if len(names) > 1 else ""
        got, expected = outcome.got[outcome.wrong], outcome.expected[outcome.wrong]
        if got.shape != expected.shape:
            return [*lines, f"The shape{of} should be {expected.shape}, it is {got.shape}."]
        wrong = differences(got, expected, outcome.tolerance)
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        with np.errstate(invalid="ignore"):
            error = np.abs(got.astype(np.float64) - expected)[wrong]
        largest = f"; the largest error is {error.max():.4g}" if np.isfinite(error).all() else ""
        place = f"At {list(index)}{of}" if index else f"The result{of}"
        lines += [
            f"{place}: expected {expected[index].item():.7g}, got {got[index].item():.7g}.",
            f"{np.count_nonzero(wrong)} of {wrong.size} numbers are wrong{largest}.",
        ]
        told = "" if self.own_forward else confirmed(self.binding.operation, self.form, outcome, index)
        return [*lines, told] if told else lines


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words[:8]) + (f"; and {len(words) - 8} more" if len(words) > 8 else "")
