"""Why a function is wrong: hypotheses, each a wrong twin of the reference.

A bug is a table's row: a name, a sentence, and what the fault makes of the right operation: a function from a `Run` to another. What a
function with that bug would give is computed, on every case. The bug is the cause if that is what the function gave, in every case
in which it gave something, right ones too. Two bugs at once are the one applied to the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from fastcnn import reference

from .operations import Form, Operation, Results, Run
from .running import Outcome, agree


class Bug(NamedTuple):
    """A hypothesis: its name, the sentence for it, and the wrong twin that it makes of an operation."""

    name: str
    sentence: str
    twin: Callable[[Run], Run]


@dataclass(frozen=True)
class Cause:
    """The bugs, one or two, that make of the reference what the function is; and other bugs that the cases cannot tell from them."""

    bugs: tuple[Bug, ...]
    alternatives: tuple[Bug, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the bugs."""
        return tuple(bug.name for bug in self.bugs)

    def __str__(self) -> str:
        text = "; and ".join(bug.sentence for bug in self.bugs)
        return "; or ".join([text, *(bug.sentence for bug in self.alternatives)]) + "."


def before(change: Callable[..., dict[str, Any]]) -> Callable[[Run], Run]:
    """Return the twin of a bug that runs the operation on other arguments: `change` says which, and gets them all by name."""
    return lambda run: lambda **arguments: run(**{**arguments, **change(**arguments)})


def after(change: Callable[..., Any], index: int = 0) -> Callable[[Run], Run]:
    """Return the twin of a bug that spoils one of the results: `change` gets it, and the arguments by name."""

    def twin(run: Run) -> Run:
        def spoiled(**arguments: Any) -> Results:
            results = [*run(**arguments)]
            results[index] = np.asarray(change(results[index], **arguments))
            return tuple(results)

        return spoiled

    return twin


def instead(compute: Callable[..., Any]) -> Callable[[Run], Run]:
    """Return the twin of a bug that computes something else: `compute` gets the arguments by name."""
    return lambda run: lambda **arguments: (np.asarray(compute(**arguments)),)


def find_cause(operation: Operation, form: Form, outcomes: Sequence[Outcome], bugs: Sequence[Bug], together: int = 1) -> Cause | None:
    """Return the bug, or the bugs of which so many are at work together, that all results bear out; None if the table has none.

    The failing cases come first, the smallest at the head: most hypotheses are done with after one.
    """
    ran = [outcome for outcome in outcomes if outcome.got is not None]
    ran.sort(key=lambda outcome: (outcome.wrong is None, outcome.case.size))
    if not ran or ran[0].wrong is None:
        return None
    right = operation.runner(reference)

    def borne_out(tried: tuple[Bug, ...]) -> bool:
        run = functools.reduce(lambda inner, bug: bug.twin(inner), tried, right)
        return all(_gave(operation, form, run, outcome) for outcome in ran)

    found = filter(borne_out, permutations(bugs, together))
    if together > 1:
        return next(map(Cause, found), None)
    sentences = {bug.sentence: bug for (bug,) in found}
    alike = tuple(sentences.values())
    return Cause(alike[:1], alike[1:3]) if alike else None


def _gave(operation: Operation, form: Form, run: Run, outcome: Outcome) -> bool:
    """Say whether the function gave in a case what a wrong twin gives."""
    got = outcome.got or ()
    try:
        with np.errstate(all="ignore"):
            results = operation.call(run, form, outcome.case.arrays(operation), outcome.case.options)
    except Exception:  # with that bug, the case cannot be computed
        return False
    return all(agree(mine, theirs, outcome.tolerance) for mine, theirs in zip(got, results, strict=False))
