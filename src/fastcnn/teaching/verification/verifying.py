"""`verify`: all of it in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastcnn import reference

from .binding import Binding, bind
from .cases import Case, cases_of
from .causes import Bug, Cause, find_cause
from .gradients import of_forward
from .layouts import find_layout
from .operations import OPERATIONS, Form, Operation, Results, operation_of
from .patterns import hints
from .report import Verification
from .running import Outcome, run
from .speed import compare_speed
from .tables import BUGS

#: After so many calls without an answer, no more are made.
PATIENCE = 3
#: How many cases say which form of an operation a function takes.
TRIALS = 4

_OTHER_FORWARD = Bug(
    "of another forward",
    "the gradient is right for fastcnn's forward operation, but not for the one given as forward, which computes something else",
    lambda run: run,
)


def verify(
    function: Callable[..., Any],
    like: str | Callable[..., Any] | None = None,
    *,
    forward: Callable[..., Any] | None = None,
    nan: bool = True,
) -> Verification:
    """Run a function of one's own on chosen cases against `fastcnn.reference`, and tell in words what is right and what is wrong.

    Parameters
    ----------
    function : callable
        A convolution, a pooling, a ReLU, a softmax, a gradient: anything with the signature of a kernel of fastcnn, or of the tutorial,
        or less of it: without stride, padding or bias, of one image (H, W, C) or plane (H, W) in place of a batch. Parameters may have
        other names that people give them, and then be in another order.
    like : str or callable, optional
        The operation that it should be; by default the one that its name means.
    forward : callable, optional
        For a gradient, the function that it should be the gradient of. What is right are then central differences of that.
    nan : bool
        Whether NaN is tried as well. It must come out as NaN, which comparisons in loops rarely see to.

    Returns
    -------
    Verification
        True if all is right. Printed, it says how many cases passed, the first that did not and how to repeat it, the cause, if the results
        of all cases bear one out, what was not tested, and how fast the function is.

    Raises
    ------
    ValueError
        If neither `like` nor the function's name is that of an operation.
    TypeError
        If the function has a parameter that must be given and that is neither an array nor an option of the operation.

    Notes
    -----
    A call that takes longer than a second is interrupted; but in threads other than the main one, and on Windows, it is waited for.

    Examples
    --------
    >>> import numpy as np
    >>> def relu(x):
    ...     return np.abs(x)
    >>> verification = verify(relu)
    >>> bool(verification), verification.passed, verification.count
    (False, 0, 8)
    >>> print(verification.cause)
    negative numbers lose their sign: they must become 0.
    """
    operation, asked = operation_of(function, like)
    binding = bind(function, operation)
    form = _form(binding, asked)
    right = _right(operation, form) if forward is None else _right_for(operation, form, forward)
    cases, missing = cases_of(operation, form, binding.offered, binding.required)
    if not nan:
        cases, missing = [case for case in cases if case.numbers != "nan"], [*missing, "NaN"]
    outcomes, refused = _run(binding, right, cases)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    cause = _cause(binding, form, outcomes, forward is not None) if failed else None
    seen = hints(outcomes) if failed and cause is None else []
    remarks = list(_remarks(binding, form, outcomes))
    return Verification(
        binding, form, outcomes, cause, seen, [*missing, *refused], remarks, compare_speed(binding, form), forward is not None
    )


def _right(operation: Operation, form: Form) -> Callable[[Case], Results]:
    run_right = operation.runner(reference)
    return lambda case: operation.call(run_right, form, case.arrays(operation), case.options)


def _right_for(operation: Operation, form: Form, forward: Callable[..., Any]) -> Callable[[Case], Results]:
    if operation.forward is None:
        raise ValueError(f"forward is for gradients, and {operation.name} is none")
    bound, right = bind(forward, OPERATIONS[operation.forward]), _right(operation, form)

    def gradient(case: Case) -> Results:
        try:
            return of_forward(operation, bound, case, right(case))
        except Exception:  # a forward that does not take the case says nothing about its gradient
            return right(case)

    return gradient


def _form(binding: Binding, asked: Form | None) -> Form:
    """Return the form of the operation that the function takes: that in which it gives most results of the right shape."""
    forms = [asked] if asked is not None else list(binding.operation.forms)

    def fitness(form: Form) -> tuple[int, int]:
        outcomes, _ = _run_in(binding, form, TRIALS)
        answers = [(outcome.got[0], outcome.expected[0]) for outcome in outcomes if outcome.got is not None]
        return sum(got.shape == right.shape for got, right in answers), sum(got.ndim == right.ndim for got, right in answers)

    return max(forms, key=fitness)


def _run_in(binding: Binding, form: Form, count: int | None = None) -> tuple[list[Outcome], list[str]]:
    """Return what comes of the cases of a form, or of so many of them."""
    cases, _ = cases_of(binding.operation, form, binding.offered, binding.required)
    return _run(binding, _right(binding.operation, form), cases[:count])


def _run(binding: Binding, right: Callable[[Case], Results], cases: Sequence[Case]) -> tuple[list[Outcome], list[str]]:
    """Return what came of the cases, and which the function refuses though it offers the option."""
    outcomes: list[Outcome] = []
    refused = []
    for case in cases:
        outcome = run(binding, case, right(case))
        if outcome.got is None and case.optional and not outcome.timed_out:
            refused.append(case.title)
        else:
            outcomes.append(outcome)
        if sum(outcome.timed_out for outcome in outcomes) >= PATIENCE:
            break
    return outcomes, refused


def _cause(binding: Binding, form: Form, outcomes: Sequence[Outcome], own_forward: bool) -> Cause | None:
    bugs = BUGS[binding.operation.name]
    if own_forward:
        bugs = (_OTHER_FORWARD, *bugs)
    operation = binding.operation
    return (
        find_cause(operation, form, outcomes, bugs)
        or find_layout(binding, form, outcomes)
        or find_cause(operation, form, outcomes, bugs, together=2)
    )


def _remarks(binding: Binding, form: Form, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Say what is no fault but worth knowing."""
    if binding.unknown:
        yield f"Left as they are: the options {', '.join(binding.unknown)}."
    results = [outcome.got for outcome in outcomes if outcome.got is not None]
    names = list(binding.operation.gives)
    if results and len(results[0]) < len(names):
        yield f"Not tested, for it is not returned: {', '.join(names[len(results[0]) :])}."
    if any(got.dtype in (np.float16, np.float32) for outcome in outcomes if outcome.case.numbers == "plain" for got in outcome.got or ()):
        yield "float64 is given, but the results are of fewer digits."
    if not all(outcome.passed for outcome in outcomes):
        others = [other for other in binding.operation.forms if other.without != form.without]
        yield from (f"On {other.name}, all is right." for other in others if all(outcome.passed for outcome in _run_in(binding, other)[0]))
