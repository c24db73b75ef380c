"""The drawing of a network: layers in rows by their distance from the inputs, and arrows from row to row.

References
----------
K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system structures. IEEE Transactions on Systems, Man, and
Cybernetics 11 (1981): rows by the longest way, and a place in every row that an arrow passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from fastcnn.graph import Node
from fastcnn.models import Model
from fastcnn.plots import style

#: Of boxes, of the space between rows, and of what an arrow takes that passes a row, in inches.
_WIDTH, _HEIGHT, _GAP, _LANE = 2.6, 0.5, 0.28, 0.3


class _Place:
    """A box in a row or, without a node, an arrow that passes it; with what arrows come from, in the rows above."""

    def __init__(self, row: int, node: Node | None, sources: Sequence[_Place]) -> None:
        self.row, self.node, self.sources = row, node, list(sources)
        self.width = _LANE if node is None else _WIDTH
        self.x = 0.0

    @property
    def top(self) -> float:
        """The height of the upper edge; the first row's is 0."""
        return -self.row * (_HEIGHT + _GAP)

    def above(self) -> float:
        """Return the middle of what arrows come from."""
        return float(np.mean([source.x for source in self.sources])) if self.sources else 0.0


def diagram(model: Model, title: str) -> Figure:
    """Draw a built model."""
    graph = model._built_graph()
    rows = _rows([tensor.node for tensor in graph.inputs], graph.nodes)
    for row in rows:
        _arrange(row)
    places = [place for row in rows for place in row]
    left, right = min(place.x - place.width / 2 for place in places), max(place.x + place.width / 2 for place in places)
    bottom = min(place.top for place in places) - _HEIGHT
    figure = style.Picture(figsize=(max(right - left, 1.5 * _WIDTH) + 0.4, 0.6 - bottom))
    ax = figure.add_subplot()
    ax.set(xlim=(left - 0.1, right + 0.1), ylim=(bottom - 0.1, 0.1), aspect="equal", title=title)
    ax.set_axis_off()
    names = {layer: key for key, layer in model._keyed_layers().items()}
    ends = {tensor.node for tensor in graph.outputs}
    counted: set[object] = set()
    for place in places:
        if place.node is None:
            continue
        layer = place.node.layer
        again = layer in counted
        counted.add(layer)
        count = "shared with above" if again else f"{layer.count_params():,} parameters" if layer.count_params() else ""
        shape = ", ".join(style.size_of([size or 0 for size in tensor.shape[1:]]) for tensor in place.node.outputs)
        _box(ax, place, f"{names.get(layer, 'input')} ({type(layer).__name__})", f"{shape}   {count}".rstrip(), place.node in ends)
        for source in place.sources:
            _arrow(ax, place, source)
    return figure


def _rows(inputs: Sequence[Node], nodes: Sequence[Node]) -> list[list[_Place]]:
    """Return the places of all boxes and of the arrows that pass, row by row."""
    rows: list[list[_Place]] = []
    boxes: dict[Node, _Place] = {}

    def add(row: int, node: Node | None, sources: Sequence[_Place]) -> _Place:
        rows.extend([] for _ in range(len(rows), row + 1))
        rows[row].append(_Place(row, node, sources))
        return rows[row][-1]

    for node in dict.fromkeys([*inputs, *nodes]):
        sources = [] if node in inputs else [boxes[tensor.node] for tensor in node.inputs]
        row = 1 + max((source.row for source in sources), default=-1)
        for index, source in enumerate(sources):
            for passed in range(source.row + 1, row):
                sources[index] = add(passed, None, [sources[index]])
        boxes[node] = add(row, node, sources)
    return rows


def _arrange(row: list[_Place]) -> None:
    """Put what is in a row side by side: each box, as far as it goes, below what it takes; passing arrows on the right of boxes."""
    row.sort(key=lambda place: (place.above(), place.node is None))
    for before, place in zip([None, *row], row, strict=False):
        least = -np.inf if before is None else before.x + (before.width + place.width) / 2 + _LANE / 2
        place.x = max(place.above(), least)
    held = [place for place in row if place.node is not None] or row
    shift = float(np.mean([place.x - place.above() for place in held]))
    for place in row:
        place.x -= shift


def _box(ax: Axes, place: _Place, name: str, facts: str, is_output: bool) -> None:
    """Draw a layer: those with parameters are tinted, outputs have a strong frame."""
    color = style.PALE if "parameters" in facts else "white"
    ax.add_patch(
        FancyBboxPatch(
            (place.x - _WIDTH / 2, place.top - _HEIGHT), _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.06", facecolor=color,
            edgecolor=style.INK, linewidth=2 if is_output else 0.8,
        )
    )  # fmt: skip
    for text, y, weight in ((name, 0.3, "bold"), (facts, 0.7, "normal")):
        size = min(8.5, 0.92 * 72 * _WIDTH / (0.68 * max(len(text), 1)))
        ax.text(place.x, place.top - y * _HEIGHT, text, ha="center", va="center", size=size, weight=weight)


def _arrow(ax: Axes, place: _Place, source: _Place) -> None:
    """Draw an arrow to a box, from a box, past the rows between."""
    way = [(place.x, place.top)]
    while source.node is None:
        way += [(source.x, source.top - _HEIGHT), (source.x, source.top)]
        source = source.sources[0]
    way.append((source.x, source.top - _HEIGHT))
    ax.add_patch(
        FancyArrowPatch(path=Path(way[::-1]), arrowstyle="-|>", mutation_scale=9, color=style.INK, linewidth=1, shrinkA=0, shrinkB=0)
    )
