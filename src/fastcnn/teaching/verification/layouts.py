"""Functions that are right in another layout than fastcnn's: they are found out by handing them the cases in theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .binding import Binding
from .cases import value_of
from .causes import Bug, Cause
from .operations import Form
from .running import Outcome, run

#: Orders of axes that others use, for every array and result that has these axes.
_LAYOUTS: tuple[tuple[Mapping[str, str], str], ...] = (
    (
        {"NHWC": "NCHW", "NHWF": "NFHW", "KLCF": "FCKL"},
        "images (N, C, H, W), channels first, and weights (F, C, KH, KW), as PyTorch has them",
    ),
    ({"NHWC": "NCHW", "NHWF": "NFHW"}, "images (N, C, H, W), channels first"),
    ({"KLCF": "FCKL"}, "weights (F, C, KH, KW)"),
    ({"KLCF": "FKLC"}, "weights (F, KH, KW, C)"),
)


def find_layout(binding: Binding, form: Form, outcomes: Sequence[Outcome]) -> Cause | None:
    """Return the layout in which the function gets every case right; None if there is none."""
    operation = binding.operation
    for layout, words in _LAYOUTS:
        if layout.keys() & {*operation.takes.values(), *operation.gives.values()} and all(
            _passes(binding, form, outcome, layout) for outcome in outcomes
        ):
            sentence = f"the layout is another: all is right with {words}; fastcnn has images (N, H, W, C), weights (KH, KW, C, F)"
            return Cause((Bug("layout", sentence, lambda run: run),))
    return None


def _passes(binding: Binding, form: Form, outcome: Outcome, layout: Mapping[str, str]) -> bool:
    """Say whether the function gets a case right in which the axes lie as `layout` has them."""
    operation, texts = binding.operation, dict(outcome.case.texts)
    for name, axes in operation.takes.items():
        if name in texts and axes in layout:
            texts[name] = f"np.ascontiguousarray(({texts[name]}).transpose({_order(form, axes, layout)}))"
    if "input_shape" in texts and "NHWC" in layout:
        shape = value_of(texts["input_shape"])
        texts["input_shape"] = repr(tuple(shape[i] for i in _order(form, "NHWC", layout)))
    expected = tuple(
        result.transpose(_order(form, axes, layout)) if axes in layout else result
        for result, axes in zip(outcome.expected, operation.gives.values(), strict=True)
    )
    return run(binding, replace(outcome.case, texts=texts), expected).passed


def _order(form: Form, axes: str, layout: Mapping[str, str]) -> tuple[int, ...]:
    kept = [letter for letter in axes if letter not in form.without]
    return tuple(kept.index(letter) for letter in layout[axes] if letter in kept)
