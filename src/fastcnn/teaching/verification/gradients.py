"""Gradients by central differences, in float64: what a number of the input moves, and so what its gradient must be.

All forward operations here are linear in every single number, or piecewise, as a maximum is; so the differences are exact for a step that
leaves the same pixel the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastcnn import reference

from .binding import Binding
from .cases import Case
from .operations import OPERATIONS, Arrays, Form, Operation, Results
from .running import Outcome

#: Less than half of what lies between any two pixels, and a power of 2, for x + STEP to be exact.
STEP = 0.25

Forward = Callable[[Arrays], np.ndarray]


def slope(forward: Forward, arrays: Arrays, name: str, index: tuple[int, ...], dy: Any) -> float:
    """Return how much ``sum(dy * forward(arrays))`` grows per unit of one number of the array `name`."""
    ends = []
    for step in (STEP, -STEP):
        moved = {key: np.array(array, np.float64) for key, array in arrays.items()}
        moved[name][index] += step
        ends.append(float(np.sum(dy * forward(moved))))
    return (ends[0] - ends[1]) / (2 * STEP)


def of_forward(operation: Operation, forward: Binding, case: Case, right: Results) -> Results:
    """Return the gradient of a function of one's own, by central differences, where they are the gradient; else `right`."""
    if not case.smooth:
        return right
    arrays = {name: array for name, array in case.arrays(operation).items() if name in forward.operation.takes}
    if "b" in forward.offered:
        arrays["b"] = np.zeros(right[-1].shape)
    dy = case.arrays(operation)["dy"]
    results = []
    for name, result in zip(operation.gives, right, strict=True):
        moved = name.removeprefix("d")
        slopes = [slope(_called(forward, case), arrays, moved, i, dy) for i in np.ndindex(result.shape)] if moved in arrays else result
        results.append(np.reshape(slopes, result.shape))
    return tuple(results)


def _called(forward: Binding, case: Case) -> Forward:
    """Return the function as one of its arrays, the options being those of the case."""

    def call(arrays: Arrays) -> np.ndarray:
        places, names = forward.arguments(case)
        for i, (written, (name, _)) in enumerate(forward.parameters.items()):
            if name in arrays and i < len(places):
                places[i] = arrays[name]
            elif name in arrays:
                names[written] = arrays[name]
        result = forward.function(*places, **names)
        return np.asarray(result[0] if isinstance(result, tuple) else result)

    return call


def confirmed(operation: Operation, form: Form, outcome: Outcome, index: tuple[int, ...]) -> str:
    """Return a sentence on what central differences of the reference say about a number of the first wrong result, or none."""
    if operation.forward is None or outcome.wrong is None or not outcome.case.smooth:
        return ""
    name = list(operation.gives)[outcome.wrong].removeprefix("d")
    forward = OPERATIONS[operation.forward]
    arrays = {array: value for array, value in outcome.case.arrays(operation).items() if array in forward.takes}
    if name == "b":
        arrays["b"] = np.zeros(outcome.expected[outcome.wrong].shape)
    if name not in arrays:
        return ""
    options: Mapping[str, Any] = outcome.case.options
    dy = outcome.case.arrays(operation)[next(iter(operation.takes))]
    found = slope(lambda moved: forward.call(forward.runner(reference), form, moved, options)[0], arrays, name, index, dy)
    place = f"{name}{list(index)}" if index else name
    return f"Central differences: moving {place} by {STEP} up and down changes sum(dy * y) by {found:.7g} per unit."
