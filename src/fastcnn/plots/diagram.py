"""The drawing of a network: layers in rows by their distance from the inputs, and arrows from row to row.

References
----------
K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system structures. IEEE Transactions on Systems, Man, and
Cybernetics 11 (1981): rows by the longest way, and a place in every row that an arrow passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from fastcnn.graph import Graph, Node
from fastcnn.layers.base import Layer
from fastcnn.models import Model
from fastcnn.plots import style

#: Of boxes, of the space between rows, of what an arrow takes that passes a row, and of a title, in inches.
_NARROWEST, _HEIGHT, _GAP, _LANE, _TITLE = 2.0, 0.5, 0.3, 0.3, 0.35
_TEXT = 8.5
#: By how much text on a screen is wider than on paper.
_HINTING = 1.08


class _Box(NamedTuple):
    """What a box says, and how it looks: tinted for a layer with parameters, with a strong frame for an output."""

    name: str
    facts: str
    tinted: bool
    strong: bool

    @property
    def width(self) -> float:
        """The width in inches, for the text to fit."""
        texts = ((self.name, "bold"), (self.facts, "normal"))
        fonts = ((text, FontProperties(family=style.FONT, weight=weight, size=_TEXT)) for text, weight in texts)
        return max(_NARROWEST, 0.2 + max(_HINTING / 72 * TextPath((0, 0), text, prop=font).get_extents().width for text, font in fonts))


class _Place:
    """A box in a row or, without one, an arrow that passes it; with what arrows come from, in the rows above."""

    def __init__(self, row: int, box: _Box | None, sources: Sequence[_Place]) -> None:
        self.row, self.box, self.sources = row, box, list(sources)
        self.width = _LANE if box is None else box.width
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
    rows = _rows([tensor.node for tensor in graph.inputs], graph.nodes, _boxes(model, graph))
    for row in rows:
        _arrange(row)
    places = [place for row in rows for place in row]
    left, right = min(place.x - place.width / 2 for place in places), max(place.x + place.width / 2 for place in places)
    bottom = places[-1].top - _HEIGHT
    width, height = max(right - left + 0.2, 0.12 * len(title)), 0.2 - bottom
    figure = style.Picture(figsize=(width, height + _TITLE))
    figure.suptitle(title, y=1 - 0.1 / (height + _TITLE), va="top")
    ax = figure.add_axes((0, 0, 1, height / (height + _TITLE)))  # whose units are inches
    middle = (left + right) / 2
    ax.set(xlim=(middle - width / 2, middle + width / 2), ylim=(bottom - 0.1, 0.1))
    ax.set_axis_off()
    for place in places:
        if place.box is not None:
            _draw(ax, place, place.box)
            for source in place.sources:
                _arrow(ax, place, source)
    return figure


def _boxes(model: Model, graph: Graph) -> dict[Node, _Box]:
    """Return the boxes of all nodes."""
    names = {layer: key for key, layer in model._keyed.items()}
    ends = {tensor.node for tensor in graph.outputs}
    boxes: dict[Node, _Box] = {}
    counted: set[Layer] = set()
    for node in (*(tensor.node for tensor in graph.inputs), *graph.nodes):
        if node in boxes:
            continue
        layer, count = node.layer, node.layer.count_params()
        shapes = ", ".join(style.size_of([size or 0 for size in tensor.shape[1:]]) for tensor in node.outputs)
        told = "parameters of above" if layer in counted else f"{count:,} parameter{'s' * (count > 1)}"
        name = f"{names.get(layer, 'input')} ({type(layer).__name__})"
        boxes[node] = _Box(name, f"{shapes} · {told}" if count else shapes, count > 0, node in ends)
        counted.add(layer)
    return boxes


def _rows(inputs: Sequence[Node], nodes: Sequence[Node], boxes: Mapping[Node, _Box]) -> list[list[_Place]]:
    """Return the places of all boxes and of the arrows that pass, row by row."""
    rows: list[list[_Place]] = []
    placed: dict[Node, _Place] = {}

    def add(row: int, box: _Box | None, sources: Sequence[_Place]) -> _Place:
        rows.extend([] for _ in range(len(rows), row + 1))
        rows[row].append(_Place(row, box, sources))
        return rows[row][-1]

    for node in dict.fromkeys([*inputs, *nodes]):
        sources = [] if node in inputs else [placed[tensor.node] for tensor in node.inputs]
        row = 1 + max((source.row for source in sources), default=-1)
        for index, source in enumerate(sources):
            for passed in range(source.row + 1, row):
                sources[index] = add(passed, None, [sources[index]])
        placed[node] = add(row, boxes[node], sources)
    return rows


def _arrange(row: list[_Place]) -> None:
    """Put what is in a row side by side: each box, as far as it goes, below what it takes; passing arrows on the right of boxes."""
    row.sort(key=lambda place: (place.above(), place.box is None))
    for before, place in zip([None, *row], row, strict=False):
        least = -np.inf if before is None else before.x + (before.width + place.width) / 2 + _LANE / 2
        place.x = max(place.above(), least)
    held = [place for place in row if place.box is not None] or row
    shift = float(np.mean([place.x - place.above() for place in held]))
    for place in row:
        place.x -= shift


def _draw(ax: Axes, place: _Place, box: _Box) -> None:
    """Draw a box."""
    corner = (place.x - place.width / 2, place.top - _HEIGHT)
    shape = FancyBboxPatch(corner, place.width, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.06", edgecolor=style.INK)
    shape.set(facecolor=style.PALE if box.tinted else "white", linewidth=2 if box.strong else 0.8)
    ax.add_patch(shape)
    for text, y, weight in ((box.name, 0.3, "bold"), (box.facts, 0.7, "normal")):
        ax.text(place.x, place.top - y * _HEIGHT, text, ha="center", va="center", size=_TEXT, weight=weight)


def _arrow(ax: Axes, place: _Place, source: _Place) -> None:
    """Draw an arrow to a box, from a box, past the rows between; it leaves and arrives straight."""
    way = [(place.x, place.top), (place.x, place.top + _GAP / 2)]
    while source.box is None:
        way += [(source.x, source.top - _HEIGHT), (source.x, source.top)]
        source = source.sources[0]
    way.append((source.x, source.top - _HEIGHT))
    patch = FancyArrowPatch(path=Path(way[::-1]), arrowstyle="-|>", mutation_scale=9, color=style.INK, linewidth=1)
    ax.add_patch(patch)
