"""How fast a function is, beside fastcnn's."""

from __future__ import annotations

import statistics
import time

import fastcnn

from .binding import Binding
from .cases import cases_of
from .operations import Arrays, Form
from .running import run
from .specs import timing_spec

#: How often each is timed, and the seconds of a call after which no larger problem is tried.
RUNS = 3
ENOUGH = 0.03
EDGES = (8, 16, 32, 64, 128)


def compare_speed(binding: Binding, form: Form) -> str:
    """Time the function and fastcnn's on growing problems until a call takes a while; return a sentence about the last."""
    operation, sentence = binding.operation, ""
    for edge in EDGES:
        spec = timing_spec(operation, edge)
        cases, _ = cases_of(operation, form, binding.offered, binding.required, [spec])
        if not cases:
            return sentence
        arrays, fast = cases[0].arrays(operation), operation.runner(fastcnn)
        ours = []
        for _ in range(RUNS):
            start = time.perf_counter()
            expected = operation.call(fast, form, arrays, cases[0].options)
            ours.append(time.perf_counter() - start)
        outcomes = [run(binding, cases[0], expected) for _ in range(RUNS)]
        if any(outcome.got is None for outcome in outcomes):
            return sentence
        theirs = statistics.median(outcome.seconds for outcome in outcomes)
        sentence = f"Speed ({_shapes(arrays)}): {_time(theirs)}; fastcnn {_time(statistics.median(ours))}"
        sentence += f", {_ratio(theirs / statistics.median(ours))}."
        if theirs > ENOUGH:
            break
    return sentence


def _shapes(arrays: Arrays) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, array.shape)) or 'one number'}" for name, array in arrays.items())


def _time(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e6:.3g} µs"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2g} times as fast" if ratio < 100 else f"{ratio:.0f} times as fast"
