"""The cases that a function is run on: small, each there for one thing that goes wrong.

The arrays of a case are Python text, which is evaluated to run it and printed to repeat it. Numbers are signed, of no symmetry, and short
in binary, so that sums are exact; what pooling reads has no two equal pixels unless a case is about that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import CodeType
from typing import Any

import numpy as np

import fastcnn
from fastcnn import reference

from .operations import OPERATIONS, Arrays, Form, Operation
from .specs import Shape, Spec, specs_of

#: What is different about the numbers of each array, so that no two are alike.
_STEPS = {"x": 7, "w": 5, "b": 8, "dy": 11, "y": 7, "logits": 3, "cols": 5}


@dataclass(frozen=True)
class Case:
    """A call: what it is about, the arrays as Python text, the options, and whether a function may refuse it."""

    title: str
    texts: Mapping[str, str]
    options: Mapping[str, Any]
    numbers: str
    optional: bool
    size: int

    def arrays(self, operation: Operation) -> Arrays:
        """Return the arrays that the operation takes, new at each call."""
        return {name: np.asarray(value_of(self.texts[name])) for name in operation.takes if name in self.texts}

    @property
    def smooth(self) -> bool:
        """Whether central differences are the gradient here: no equal pixels, all finite."""
        return self.numbers not in ("ties", "equal", "nan")


def value_of(text: str) -> Any:
    """Return what the text of a case makes, anew at each call."""
    return eval(_compiled(text), {"np": np, "fastcnn": fastcnn})


@functools.cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<case>", "eval")


def numbers(shape: Shape, kind: str, step: int) -> str:
    """Return text for an array of `shape` of numbers of some kind; another `step` makes other numbers.

    Examples
    --------
    >>> numbers((2, 3), "plain", 7), numbers((), "plain", 7)
    ('(np.arange(6) * 7 % 19 - 9.0).reshape(2, 3)', '-9.0')
    """
    count = f"np.arange({prod(shape)})"
    distinct = f"{count} * 37 % 127 - 63.0"
    text = {
        "distinct": distinct,
        "nan": f"np.where({count} == {prod(shape) // 2}, np.nan, {distinct})",
        "negative": f"-1.0 - {count} * 37 % 127",
        "ties": f"{count} // 2 % 3 + 0.0",
        "equal": f"{count} * 0.0 + 5",
        "integers": f"{count} * {step} % 19 - 9",
        "bytes": f"({count} * 37 % 127 + 128).astype(np.uint8)",
        "float32": f"({count} * {step} % 19 - 9).astype(np.float32)",
        "positive": f"np.maximum({count} * {step} % 19 - 9.0, 0)",
        "large": f"{count} * {step} % 13 * 400 - 2400.0",
        "logits": f"{count} * {step} % 7 / 2 - 1.5",
        "fractions": f"{count} * {step} % 19 - 8.5",
        "labels": f"{count} * 2 % 3",
    }.get(kind, f"{count} * {step} % 19 - 9.0")
    if len(shape) == 1:
        return text
    if shape == ():
        return repr(value_of(text).item())
    return f"{text}.reshape{shape}" if text.endswith(")") else f"({text}).reshape{shape}"


def cases_of(
    operation: Operation, form: Form, offered: set[str], required: set[str], specs: Iterable[Spec] | None = None
) -> tuple[list[Case], list[str]]:
    """Return the cases of an operation in a form, for a function that offers some arrays and options, and what it lacks for others.

    A bias is in cases about it; in all cases if it is among what the function requires.
    """
    cases: dict[tuple[str, ...], Case] = {}
    missing: dict[str, None] = {}
    for spec in specs_of(operation) if specs is None else specs:
        options = dict(spec.options)
        if "stride" not in offered and options.get("stride") == options.get("pool_size"):
            options.pop("stride", None)
        if "padding by name" in offered and not isinstance(options.get("padding", ""), str):
            missing["padding in pixels"] = None
            continue
        lacks = (spec.needs | {name for name, value in options.items() if value != operation.options.get(name)}) - offered
        missing |= dict.fromkeys(sorted(lacks & (operation.options.keys() | {"b"})))
        if not lacks:
            case = _case(operation, form, replace(spec, options=options), offered, required)
            cases.setdefault((*case.texts.values(), repr(case.options)), case)
    return sorted(cases.values(), key=lambda case: case.optional), list(missing)


def _case(operation: Operation, form: Form, spec: Spec, offered: set[str], required: set[str]) -> Case:
    shapes = {name: shape for name, shape in spec.shapes.items() if name in operation.takes and (name != "b" or "b" in offered)}
    if operation.forward:
        shapes |= {name: _forward_shape(operation.forward, spec) for name in ("dy", "cols") if name in operation.takes}
    shapes = {name: form.shape(shapes[name], axes) for name, axes in operation.takes.items() if name in shapes}
    texts = {name: numbers(shape, _kind(name, spec.numbers), _STEPS.get(name, 1)) for name, shape in shapes.items()}
    if "b" in required - texts.keys():
        count = prod(form.shape(_forward_shape(operation.name, spec)[-1:], operation.takes["b"]))
        texts["b"] = f"np.zeros({count})" if form.shape((count,), operation.takes["b"]) else "0.0"
    for name, derive in operation.derived.items():
        texts[name] = derive(texts, spec.options, shapes["x"])
    return Case(spec.title, texts, spec.options, spec.numbers, spec.optional, sum(map(prod, shapes.values())))


def _kind(name: str, kind: str) -> str:
    """Return of what kind the numbers of an array are in a case about numbers of `kind`, which is that of its image."""
    if name == "labels":
        return "labels"
    if name == "b":
        return "fractions"
    if name in ("x", "y", "logits"):
        return kind
    return kind if kind in ("integers", "float32") else "plain"


def _forward_shape(name: str, spec: Spec) -> Shape:
    """Return the shape of what the forward operation makes in the case."""
    forward = OPERATIONS[name]
    arrays = {array: np.zeros(spec.shapes[array]) for array in forward.takes if array != "b"}
    return forward.runner(reference)(**arrays, **forward.settle(arrays, spec.options))[0].shape
