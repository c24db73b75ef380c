"""`verify`: all of it in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastcnn import reference

from .binding import Binding, bind
from .cases import Case, cases_of
from .causes import find_cause
from .operations import Form, Operation, operation_of
from .patterns import hints
from .report import Verification
from .running import Outcome, run
from .speed import compare_speed
from .tables import BUGS

#: After so many calls without an answer, no more are made.
PATIENCE = 3


def verify(function: Callable[..., Any], like: str | Callable[..., Any] | None = None) -> Verification:
    """Run a function of one's own on chosen cases against `fastcnn.reference`, and tell in words what is right and what is wrong."""
    operation, asked = operation_of(function, like)
    binding = bind(function, operation)
    form = _form(binding, asked)
    cases, missing = cases_of(operation, form, binding.offered)
    outcomes, refused = _run(binding, form, cases)
    remarks = [f"Not tested: the option {name!r}, which nobody here knows." for name in binding.unknown]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    cause = find_cause(operation, form, outcomes, BUGS.get(operation.name, ())) if failed else None
    seen = hints(outcomes) if failed and cause is None else []
    return Verification(binding, form, outcomes, cause, seen, [*missing, *refused], remarks, compare_speed(binding, form))


def _right(operation: Operation, form: Form, case: Case) -> tuple[Any, ...]:
    return operation.call(operation.runner(reference), form, case.arrays(operation), case.options)


def _form(binding: Binding, asked: Form | None) -> Form:
    """Return the form of the operation that the function takes: the first in which it gets a case right, or else gives an answer."""
    forms = [asked] if asked is not None else list(binding.operation.forms)
    answered: list[Form] = []
    for form in forms:
        cases, _ = cases_of(binding.operation, form, binding.offered)
        outcomes = [run(binding, case, _right(binding.operation, form, case)) for case in cases[:3]]
        if any(outcome.passed for outcome in outcomes):
            return form
        if any(outcome.got is not None for outcome in outcomes):
            answered.append(form)
    return (answered or forms)[0]


def _run(binding: Binding, form: Form, cases: Sequence[Case]) -> tuple[list[Outcome], list[str]]:
    """Return what came of the cases, and which the function refuses though it offers the option."""
    outcomes: list[Outcome] = []
    refused = []
    for case in cases:
        outcome = run(binding, case, _right(binding.operation, form, case))
        if case.optional and outcome.error and not outcome.timed_out:
            refused.append(case.title)
        else:
            outcomes.append(outcome)
        if sum(outcome.timed_out for outcome in outcomes) >= PATIENCE:
            break
    return outcomes, refused
