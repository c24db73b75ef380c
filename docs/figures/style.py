"""How the figures look: what `diagrams.py` and `measurements.py` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.patches import FancyArrowPatch, Rectangle

HERE = Path(__file__).parent
#: Colours that differ in grey and for the colour-blind (M. Okabe, K. Ito, 2008), and paler ones to write on.
BLUE, ORANGE, GREEN, RED, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "0.2"
PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_RED, PALE = "#CFE5F2", "#FBE6BC", "#C9E9DF", "#F8D9C5", "0.93"

pyplot.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",  # letters stay letters, to be searched and read aloud; most fonts are narrower than the one measured with
        "svg.hashsalt": "fastcnn",  # and the same file from every run
    }
)


def sheet(width: float, height: float) -> Any:
    """Return axes to draw a diagram on, in which a unit is half an inch."""
    figure, axes = pyplot.subplots(figsize=(width / 2, height / 2))
    figure.subplots_adjust(0, 0, 1, 1)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    return axes


def box(axes: Any, x: float, y: float, width: float = 1, height: float = 1, color: str = "white", text: str = "", **font: Any) -> None:
    """Draw a rectangle from its upper left corner, with a text in it."""
    axes.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor=INK, linewidth=0.8))
    if text:
        say(axes, x + width / 2, y + height / 2, text, **{"ha": "center", **font})


def grid(axes: Any, x: float, y: float, rows: int, cols: int, size: float = 1, color: Callable[[int, int], str] | str = "white") -> None:
    """Draw a grid of squares, of one colour or as `color` says of row and column."""
    for row in range(rows):
        for col in range(cols):
            box(axes, x + col * size, y + row * size, size, size, color if isinstance(color, str) else color(row, col))


def say(axes: Any, x: float, y: float, text: str, **font: Any) -> None:
    """Write."""
    axes.text(x, y, text, **{"va": "center", "ha": "left", "linespacing": 1.35, **font})


def arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], bend: float = 0) -> None:
    """Draw an arrow."""
    style = f"arc3,rad={bend}"
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=INK, linewidth=1.1, connectionstyle=style))


def save(name: str) -> None:
    """Write the figure that is drawn to name.svg beside this file."""
    pyplot.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    pyplot.close()
