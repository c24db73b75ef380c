"""Where a network's time goes, layer by layer: what `model.profile` returns and ``fastcnn bench --layers`` prints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcnn import _core
from fastcnn.flat_weights import FlatWeights
from fastcnn.graph import Graph, entry_sizes
from fastcnn.layers.base import Layer
from fastcnn.layers.conv import Conv2DTranspose
from fastcnn.network import Network, Step, WatchedOperation
from fastcnn.random import Draws

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


class _Watched(WatchedOperation):
    """The operation of a step, the shapes that passed through it last, and what that took, pass by pass."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.operation)
        self.layers = step.layers
        self.forward_times: list[float] = []
        self.training_times: list[float] = []

    def infer(self, x: Any) -> np.ndarray:
        y: np.ndarray
        y, seconds = _timed(lambda: self._operation.infer(x))
        self.forward_times.append(seconds)
        self.x_shapes = [each.shape for each in (x if self.takes_many else (x,))]
        self.y_shape = y.shape
        self.forward_moves = self.takes_many or not np.may_share_memory(x, y)
        return y

    def forward(self, x: Any, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        result: tuple[np.ndarray, Any]
        result, seconds = _timed(lambda: self._operation.forward(x, training))
        self.training_times.append(seconds)
        self.training_moves = self.takes_many or not np.may_share_memory(x, result[0])
        self.learns = self.input_grad = False
        return result

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool, out: Any) -> Any:
        result, seconds = _timed(lambda: self._operation.backward(dy, cache, input_grad, out))
        self.training_times[-1] += seconds
        self.learns, self.input_grad = True, input_grad
        return result

    def profile(self) -> LayerProfile:
        """Return what was found."""
        weights = self.layers[0].weights
        transposed = isinstance(self.layers[0], Conv2DTranspose)
        x_shape = self.x_shapes[0]
        positions = math.prod((x_shape if transposed else _before_pooling(self.layers, x_shape))[:-1]) if "kernel" in weights else 0
        flops = 2 * weights["kernel"].size * positions if positions else 0
        x, y, w = sum(map(math.prod, self.x_shapes)), math.prod(self.y_shape), sum(weight.size for weight in weights.values())
        backward = y + (x + w + w if w else 0) + (x if self.input_grad else 0)  # dy; x, w and dw; dx
        gradients = (1 + self.input_grad) * self.learns
        moved = x + w + y + self.learns * backward
        return LayerProfile(
            " + ".join(layer.name for layer in self.layers),
            self.algorithm(x_shape),
            self.y_shape,
            Cost(float(np.median(self.forward_times)), flops, 4 * (x + w + y) * self.forward_moves),
            Cost(float(np.median(self.training_times)), (1 + gradients) * flops, 4 * moved * self.training_moves),
        )


def _before_pooling(layers: Sequence[Layer], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the first layer's output, whole, whatever the layers after it need of it."""
    return (shape[0], *entry_sizes(layers[0].compute_output_shape((None, *shape[1:]))))


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def profile(graph: Graph, xs: Sequence[np.ndarray], seconds: float) -> Profile:
    """Pass `xs`, contiguous float32, through a network for about `seconds`, in inference and in training by turns."""
    watched: list[_Watched] = []

    def watch(step: Step) -> _Watched:
        watched.append(_Watched(step))
        return watched[-1]

    network, rng = Network.of(graph).fused().watched(watch), np.random.default_rng(1)
    draws, views = Draws(1, 0, np.arange(len(xs[0]))), FlatWeights.of(network.layers).gradient_views
    threads = _core.get_num_threads()
    block, order = np.ones((_COPIED_ROWS, _COPIED_BYTES), np.uint8), np.arange(_COPIED_ROWS)
    copy = block.copy()
    peaks, bandwidths = [], []
    start = time.perf_counter()
    for turn in range(1 << 30):
        if turn > _PASSES and time.perf_counter() - start > seconds:
            break
        network.infer(xs)
        ys, caches = network.forward(xs, draws)
        network.backward([rng.standard_normal(y.shape, np.float32) for y in ys], caches, views)
        flops, took = _timed(lambda: _core.fma_rounds(_FMA_ROUNDS, False))
        peaks.append(flops / took)
        _, took = _timed(lambda: _core.gather_rows(_COPIED_ROWS, _COPIED_ROWS, _COPIED_BYTES, block, order, copy))
        bandwidths.append(2 * block.nbytes / took)
        if turn == 0:  # all that happens once has happened
            for each in watched:
                each.forward_times.clear()
                each.training_times.clear()
    rows = [each.profile() for each in watched]
    return Profile(rows, len(xs[0]), threads, threads * float(np.median(peaks)), float(np.median(bandwidths)))
