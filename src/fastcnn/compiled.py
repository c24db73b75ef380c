"""What `compile` was told, fitted to a model's outputs: a loss and metrics for each, and data in the form that they take."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fastcnn import _validate, losses
from fastcnn import metrics as _metrics
from fastcnn.graph import Graph, entry_sizes
from fastcnn.objective import Objective, Result

#: Those of each output.
Metrics: TypeAlias = list[list[_metrics.Metric]]

#: Batches that metrics gather together: what Python needs for the first one is then in the caches for the others, where a step between them
#: would have driven it out. Outputs of more bytes do not wait.
_TOGETHER, _WAITING_BYTES = 16, 1 << 16


class Compiled:
    """Losses and metrics for the outputs of a graph.

    Parameters
    ----------
    graph : Graph
    loss, loss_weights, metrics, weighted_metrics
        As `compile` takes them.
    """

    def __init__(self, graph: Graph, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        self.names = [tensor.name for tensor in graph.outputs]
        self.input_shapes, self.shapes = [tensor.shape for tensor in graph.inputs], [tensor.shape for tensor in graph.outputs]
        several = len(self.names) > 1
        by_output = several and isinstance(loss, list | tuple | Mapping)
        chosen = _validate.by_name(loss, self.names, "loss") if by_output else [loss] * len(self.names)
        self.losses = [None if each is None else losses.get(each) for each in chosen]
        shares = _validate.by_name(loss_weights, self.names, "loss_weights") if loss_weights is not None else [1.0] * len(self.names)
        self.objective = Objective(
            graph, self.losses, [1.0 if share is None else _validate.real(share, "loss_weights", -np.inf, np.inf) for share in shares]
        )
        self._identifiers = [self._by_output(metrics, "metrics"), self._by_output(weighted_metrics, "weighted_metrics")]
        self._loss = _metrics.Mean("loss")
        self._losses = [_metrics.Mean(f"{name}_loss") for name in self.names] if several else []
        #: For each output, those that count all samples alike, and those that count them by their weights; made with the first targets.
        self._metrics: tuple[Metrics, Metrics] | None = None
        self._has_metrics = False
        #: Batches that metrics have yet to gather: results, targets and weights.
        self._waiting: deque[tuple[Result, Sequence[np.ndarray | None], np.ndarray | None]] = deque()

    def _by_output(self, metrics: Any, what: str) -> list[Any]:
        """Return what says of metrics for each output."""
        if metrics and len(self.names) > 1:
            return _validate.by_name(metrics, self.names, what)
        return [metrics or []] * len(self.names)

    def check_targets(self, y: Any) -> tuple[np.ndarray | None, ...]:
        """Return the targets `y` in the form that the losses take, and make the metrics that fit them."""
        several = len(self.names) > 1
        ys = _validate.by_name(y, self.names, "y") if several else [next(iter(y.values())) if isinstance(y, Mapping) else y]
        if any(loss is not None and target is None for loss, target in zip(self.losses, ys, strict=True)):
            raise ValueError(f"y must have targets for the outputs {self.names}")
        targets = tuple(
            None if loss is None else loss.check_targets(target, shape)
            for loss, target, shape in zip(self.losses, ys, self.shapes, strict=True)
        )
        if self._metrics is None:
            alike, weighted = (self._make_metrics(identifiers, targets) for identifiers in self._identifiers)
            self._metrics = alike, weighted
            self._has_metrics = any(itertools.chain(alike, weighted))
            self._try_metrics(targets)
        return targets

    def _make_metrics(self, identifiers: Sequence[Any], targets: Sequence[np.ndarray | None]) -> Metrics:
        return [
            [_metrics.get(name, (0,) if target is None else target.shape, shape) for name in as_list(each)]
            for each, target, shape in zip(identifiers, targets, self.shapes, strict=True)
        ]

    def _try_metrics(self, targets: Sequence[np.ndarray | None]) -> None:
        """Refuse metrics that do not fit, before anything is trained."""
        first = [None if target is None or not len(target) else target[:1] for target in targets]
        outputs = [np.zeros((1, *entry_sizes(shape)), np.float32) for shape in self.shapes]
        self._update_metrics(first, outputs, np.ones(1, np.float32))
        for metrics in itertools.chain(*(self._metrics or ())):
            for metric in metrics:
                metric.reset_state()

    def reset(self) -> None:
        """Begin new means."""
        self._waiting.clear()
        for metric in self.all_metrics().values():
            metric.reset_state()

    def update(self, result: Result, ys: Sequence[np.ndarray | None], weights: np.ndarray | None, count: int, penalty: float) -> None:
        """Take a batch of `count` samples, which may have weights, into the means."""
        self._loss.add((result.loss + penalty) * count, count)
        for mean, loss in zip(self._losses, result.losses, strict=False):
            mean.add(loss * count, count)
        if self._has_metrics:
            self._waiting.append((result, ys, weights))
            if len(self._waiting) == _TOGETHER or sum([output.nbytes for output in result.outputs]) > _WAITING_BYTES:
                self._gather()

    def _gather(self) -> None:
        """Let the metrics take what waits."""
        while self._waiting:
            result, ys, weights = self._waiting.popleft()
            self._update_metrics(ys, self.objective.predictions(result), weights)

    def _update_metrics(self, ys: Sequence[np.ndarray | None], outputs: Sequence[np.ndarray], weights: np.ndarray | None) -> None:
        for by_output, options in zip(self._metrics or (), ({}, {} if weights is None else {"sample_weight": weights}), strict=False):
            for metrics, y, output in zip(by_output, ys, outputs, strict=True):
                if y is not None:
                    for metric in metrics:
                        metric.update_state(y, output, **options)

    def all_metrics(self) -> dict[str, Any]:
        """Return the means and metrics by their names in a history."""
        self._gather()
        prefixes = [f"{name}_" for name in self.names] if len(self.names) > 1 else [""]
        found: dict[str, Any] = {mean.name: mean for mean in (self._loss, *self._losses)}
        for by_output, mark in zip(self._metrics or (), ("", "weighted_"), strict=False):
            for prefix, metrics in zip(prefixes, by_output, strict=True):
                for metric in metrics:
                    name = prefix + metric.name
                    if mark and name in found:  # as in Keras, no name says more than is needed to tell it apart
                        name = f"{prefix}{mark}{metric.name}"
                    numbered = (f"{name}_{number}" for number in itertools.count(1))
                    found[next(each for each in itertools.chain([name], numbered) if each not in found)] = metric
        return found

    def means(self) -> dict[str, float]:
        """Return the losses and the metrics so far."""
        return {name: metric.result() for name, metric in self.all_metrics().items()}


def as_list(metrics: Any) -> list[Any]:
    """Return the metrics of one output, of which there may be one or none, as a list."""
    return list(metrics) if isinstance(metrics, list | tuple) else [] if metrics is None else [metrics]
