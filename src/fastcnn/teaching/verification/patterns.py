"""What the error looks like, for bugs that nobody has a name for: where it is, and which cases have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .cases import Case
from .running import Outcome, differences


def _more_than(name: str, usual: object) -> Callable[[Case], bool]:
    return lambda case: case.options.get(name, usual) not in (usual, None)


_KINDS: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("with a stride other than 1", _more_than("stride", 1)),
    ("with padding", _more_than("padding", 0)),
    ("with a dilation", _more_than("dilation", 1)),
    ("with groups", _more_than("groups", 1)),
    ("with a bias", lambda case: "b" in case.texts),
    ("with negative numbers alone", lambda case: case.numbers == "negative"),
    ("with equal pixels", lambda case: case.numbers in ("ties", "equal")),
    ("with NaN", lambda case: case.numbers == "nan"),
    ("with large numbers", lambda case: case.numbers == "large"),
    ("with integers", lambda case: case.numbers in ("integers", "bytes")),
    ("of float32", lambda case: case.numbers == "float32"),
)


def hints(outcomes: Sequence[Outcome]) -> list[str]:
    """Return sentences, each true, about which cases fail and how."""
    return [*_about_cases(outcomes), *_about_numbers(outcomes)]


def _about_cases(outcomes: Sequence[Outcome]) -> Iterator[str]:
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if len(failed) == len(outcomes):
        return
    for words, is_so in _KINDS:
        if {id(outcome) for outcome in outcomes if is_so(outcome.case)} == {id(outcome) for outcome in failed}:
            yield f"the cases {words} fail, all of them and no others"


def _about_numbers(outcomes: Sequence[Outcome]) -> Iterator[str]:
    pairs = []
    for outcome in outcomes:
        if outcome.wrong is not None and outcome.got is not None:
            got, expected = outcome.got[outcome.wrong], outcome.expected[outcome.wrong]
            if got.shape != expected.shape:
                return
            if np.isfinite(got).all() and np.isfinite(expected).all():
                pairs.append((got.astype(np.float64), expected, differences(got, expected, outcome.tolerance)))
    if not pairs:
        return
    offsets = np.concatenate([(got - expected).ravel() for got, expected, _ in pairs])
    right = np.concatenate([expected.ravel() for _, expected, _ in pairs])
    if len(offsets) > 1 and offsets[0] and np.allclose(offsets, offsets[0]):
        yield f"all numbers of the wrong results are off by the same: {offsets[0]:.6g}"
    factor = (offsets + right) @ right / (right @ right or 1)
    if len(right) > 1 and np.allclose(offsets + right, factor * right):
        yield f"the wrong results are the right ones times {factor:.6g}"
    if all((expected[wrong] < 0).all() for _, expected, wrong in pairs) and any((expected > 0).any() for _, expected, _ in pairs):
        yield "only results that should be negative are wrong"
    insides = [wrong[_inside(wrong.ndim)] for _, _, wrong in pairs if wrong.ndim > 1]
    if any(inside.size for inside in insides) and not any(inside.any() for inside in insides):
        yield "only the border of the result is wrong"


def _inside(ndim: int) -> tuple[slice, ...]:
    """Return what is neither in the first nor in the last row or column of a plane (H, W), or of images (..., H, W, F)."""
    return (slice(None),) * (ndim - 3 if ndim > 2 else 0) + (slice(1, -1), slice(1, -1))
