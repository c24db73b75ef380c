"""Where a network's time goes, layer by layer: what `model.profile` returns and ``fastcnn bench --layers`` prints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcnn import _core
from fastcnn.layers.base import Layer
from fastcnn.layers.conv import Conv2DTranspose
from fastcnn.network import Chain

#: Passes through a network that are timed, at least.
_PASSES = 5
#: As many multiply-adds as take about a tenth of a millisecond, for the peak.
_FMA_ROUNDS = 10_000
_COPIED_ROWS, _COPIED_BYTES = 1024, 1 << 16


class Cost(NamedTuple):
    """What something takes: medians of seconds, operations of the direct method, and bytes that must be read or written at least."""

    seconds: float
    flops: int
    bytes: int

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.flops / self.seconds / 1e9

    @property
    def bandwidth(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds


class LayerProfile(NamedTuple):
    """A layer, or two that run as one, in a network."""

    name: str
    algorithm: str
    output_shape: tuple[int, ...]
    forward: Cost
    #: Forward and backward; the first layer with weights has no need of its input's gradient.
    training: Cost


class Profile(NamedTuple):
    """What `fastcnn.Sequential.profile` found out; printed, it is a table.

    Attributes
    ----------
    layers : list of LayerProfile
        In order.
    images, threads : int
        The batch, and the threads that worked on it.
    fma_peak : float
        Floating-point operations a second of as many threads that only multiply and add, measured between the passes.
    copy_bandwidth : float
        Bytes a second, read and written, of as many threads that only copy, measured between the passes.
    """

    layers: list[LayerProfile]
    images: int
    threads: int
    fma_peak: float
    copy_bandwidth: float

    def total(self, what: str) -> Cost:
        """Return the sum over the layers of "forward" or of "training"."""
        costs: list[Cost] = [getattr(layer, what) for layer in self.layers]
        return Cost(sum(cost.seconds for cost in costs), sum(cost.flops for cost in costs), sum(cost.bytes for cost in costs))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in plain values, fit for JSON."""
        layers = [{**layer._asdict(), "forward": layer.forward._asdict(), "training": layer.training._asdict()} for layer in self.layers]
        return {**self._asdict(), "layers": layers}

    def __str__(self) -> str:
        """Return a table for "forward" and one for "training"."""
        heads = ["layer", "algorithm", "output", "time", "of all", "GFLOP/s", "of peak", "MB", "GB/s"]
        tables = {what: [*(self._cells(layer, what) for layer in self.layers), self._sum(what)] for what in ("forward", "training")}
        widths = [max(map(len, column)) for column in zip(heads, *tables["forward"], *tables["training"], strict=True)]
        lines = [
            f"{self.images} images, {self.threads} thread{'s' * (self.threads > 1)}, float32. "
            f"Peak: {self.fma_peak / 1e9:.0f} GFLOP/s; copying: {self.copy_bandwidth / 1e9:.1f} GB/s."
        ]
        for title, rows in zip(("Forward", "Training: forward and backward"), tables.values(), strict=True):
            head, *body = [_aligned(cells, widths) for cells in (heads, *rows)]
            rule = "─" * len(head)
            lines += ["", title, head, rule, *body[:-1], rule, body[-1]]
        return "\n".join(lines)

    def _cells(self, layer: LayerProfile, what: str) -> list[str]:
        shape = " ".join(map(str, layer.output_shape[1:]))
        return [layer.name, layer.algorithm, shape, *self._numbers(getattr(layer, what), what)]

    def _sum(self, what: str) -> list[str]:
        return ["all", "", "", *self._numbers(self.total(what), what)]

    def _numbers(self, cost: Cost, what: str) -> list[str]:
        share = cost.seconds / self.total(what).seconds
        rate = [f"{cost.gflops:.1f}", f"{cost.flops / cost.seconds / self.fma_peak:.0%}"] if cost.flops else ["", ""]
        moved = [f"{cost.bytes / 1e6:.1f}", f"{cost.bandwidth / 1e9:.1f}"] if cost.bytes else ["", ""]
        return [f"{cost.seconds * 1e3:.3f} ms", f"{share:.0%}", *rate, *moved]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names on the left of their columns, numbers on the right."""
    padded = [cell.ljust(width) if place < 3 else cell.rjust(width) for place, (cell, width) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()


# --- Measuring -----------------------------------------------------------------------------------------------------------


class _Step:
    """A step of a network, what passed through it last, and what that took, pass by pass."""

    def __init__(self, step: Any, layers: Sequence[Layer]) -> None:
        self.step, self.layers = step, layers
        self.forward: list[float] = []
        self.training: list[float] = []

    def infer(self, x: np.ndarray) -> np.ndarray:
        y: np.ndarray
        y, seconds = _timed(lambda: self.step.infer(x))
        self.forward.append(seconds)
        self.x_shape, self.y_shape = x.shape, y.shape
        self.forward_moves = not np.may_share_memory(x, y)
        return y

    def learn_forward(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        y: np.ndarray
        (y, self.cache), seconds = _timed(lambda: self.step.forward(x, rng))
        self.training.append(seconds)
        self.training_moves = not np.may_share_memory(x, y)
        return y

    def learn_backward(self, dy: np.ndarray, input_grad: bool) -> np.ndarray | None:
        dx: np.ndarray | None
        (dx, _), seconds = _timed(lambda: self.step.backward(dy, self.cache, input_grad))
        self.training[-1] += seconds
        self.cache = None
        return dx

    def profile(self, input_grad: bool, learns: bool) -> LayerProfile:
        """Return what was found; `learns` says whether `learn_backward` was called."""
        weights = self.layers[0].weights
        transposed = isinstance(self.layers[0], Conv2DTranspose)
        positions = math.prod((self.x_shape if transposed else _before_pooling(self.layers, self.x_shape))[:-1])
        flops = 2 * weights["kernel"].size * positions if "kernel" in weights else 0
        x, y, w = math.prod(self.x_shape), math.prod(self.y_shape), sum(weight.size for weight in weights.values())
        backward = y + (x + w + w if w else 0) + (x if input_grad else 0)  # dy; x, w and dw; dx
        gradients = (1 + input_grad) * learns
        return LayerProfile(
            " + ".join(layer.name for layer in self.layers),
            self.step.algorithm(self.x_shape),
            self.y_shape,
            Cost(float(np.median(self.forward)), flops, 4 * (x + w + y) * self.forward_moves),
            Cost(float(np.median(self.training)), (1 + gradients) * flops, 4 * (x + w + y + learns * backward) * self.training_moves),
        )


def _before_pooling(layers: Sequence[Layer], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the first layer's output, whole, whatever the layers after it need of it."""
    return (shape[0], *(size or 0 for size in layers[0].compute_output_shape((None, *shape[1:]))[1:]))


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def profile(layers: Sequence[Layer], x: np.ndarray, seconds: float) -> Profile:
    """Pass `x`, contiguous float32, through the layers for about `seconds`, in inference and in training by turns."""
    chain, rng = Chain(layers), np.random.default_rng(1)
    bounds = [*(index for _, index in chain.steps), len(layers)]
    steps = [_Step(step, layers[index:end]) for (step, index), end in zip(chain.steps, bounds[1:], strict=True)]
    first = next((number for number, step in enumerate(steps) if step.layers[0].weights and step.layers[0].trainable), len(steps))
    threads = _core.get_num_threads()
    block, order = np.ones((_COPIED_ROWS, _COPIED_BYTES), np.uint8), np.arange(_COPIED_ROWS)
    copy = block.copy()
    peaks, bandwidths = [], []
    start = time.perf_counter()
    for turn in range(1 << 30):
        if turn > _PASSES and time.perf_counter() - start > seconds:
            break
        y = x
        for step in steps:
            y = step.infer(y)
        y = x
        for step in steps:
            y = step.learn_forward(y, rng)
        dy: np.ndarray | None = rng.standard_normal(y.shape, np.float32)
        for number in reversed(range(first, len(steps))):
            assert dy is not None
            dy = steps[number].learn_backward(dy, number > first)
        flops, took = _timed(lambda: _core.fma_rounds(_FMA_ROUNDS, False))
        peaks.append(flops / took)
        _, took = _timed(lambda: _core.gather_rows(_COPIED_ROWS, _COPIED_ROWS, _COPIED_BYTES, block, order, copy))
        bandwidths.append(2 * block.nbytes / took)
        if turn == 0:  # all that happens once has happened
            for step in steps:
                step.forward.clear()
                step.training.clear()
    rows = [step.profile(number > first, number >= first) for number, step in enumerate(steps)]
    return Profile(rows, len(x), threads, threads * float(np.median(peaks)), float(np.median(bandwidths)))
