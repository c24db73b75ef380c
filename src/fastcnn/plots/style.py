"""How all pictures look: figures without pyplot, colours that survive printing in grey, numbers in cells.

Figures belong to their caller alone: `pyplot` neither shows nor keeps them, and whatever was set in ``matplotlib.rcParams`` is neither
used nor changed. Notebooks show a figure that is the last value of a cell, or that is given to ``display``.
"""

from __future__ import annotations

import functools
import io
import math
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, ParamSpec

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

P = ParamSpec("P")

#: What marks something, and what it is told apart from; in grey too, the first is lighter.
ACCENT, BASE = "#d55e00", "#00457c"
INK, PALE = "#1a1a1a", "#dbe9f4"
#: Brighter means more: pixels, and what is computed of them.
PIXELS, VALUES = "gray", "cividis"
#: For weights: dark at both ends, so that the sign must be written, too.
SIGNED = "PuOr_r"
FONT = "DejaVu Sans"  # comes with matplotlib
#: The side of a picture's panel, and of those in a grid of many, in inches.
PANEL, TILE = 2.3, 1.35
#: In points: text that is smaller is left out.
_SMALLEST, _LARGEST = 6.0, 12.0
#: The width, in inches, in which a title is read at ease.
_NARROWEST = 3.2

_STYLE: dict[str, Any] = {
    "axes.edgecolor": "#666666",
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "font.family": FONT,
    "font.size": 9,
    "savefig.dpi": "figure",
    "text.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def _styled() -> AbstractContextManager[None]:
    return matplotlib.style.context(["default", _STYLE])


class Picture(Figure):
    """A figure in our style alone, also when it is drawn later, which notebooks can show whatever backend is in use."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw all of it."""
        with _styled():
            super().draw(renderer)

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write it to a file."""
        with _styled():
            super().savefig(fname, **kwargs)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw in our style alone."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _styled():
            return draw(*args, **kwargs)

    return styled


class Pads(NamedTuple):
    """The room around a panel for its title, its labels and a sign, in inches.

    It is given and not measured: so pictures do not depend on how wide a version of matplotlib writes.
    """

    left: float = 0.15
    right: float = 0.25
    top: float = 0.32
    bottom: float = 0.15


def panels(
    count: int, *, columns: int | None = None, side: float = PANEL, pads: Pads | None = None, title: str = "", scaled: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` square panels of `side` inches, in rows of `columns`, and the panels; `scaled` leaves room for a scale."""
    pads = pads or Pads()
    columns = min(columns or count, count)
    rows = -(-count // columns)
    step_x, step_y = pads.left + side + pads.right, pads.top + side + pads.bottom
    width = math.ceil(10 * (max(columns * step_x, _NARROWEST) + 1.0 * scaled)) / 10  # whole pixels at any usual resolution
    lines = textwrap.wrap(title, int(width / 0.11))
    height = math.ceil(10 * (rows * step_y + (0.2 * len(lines) + 0.1 if lines else 0))) / 10
    figure = Picture(figsize=(width, height))
    if lines:
        figure.suptitle("\n".join(lines), y=1 - 0.1 / height, va="top")
    start = (width - 1.0 * scaled - columns * step_x) / 2 + pads.left
    corners = ((start + column * step_x, (rows - 1 - row) * step_y + pads.bottom) for row, column in np.ndindex(rows, columns))
    return figure, [
        figure.add_axes((x / width, y / height, side / width, side / height)) for (x, y), _ in zip(corners, range(count), strict=False)
    ]


# --- Numbers ---------------------------------------------------------------------------------------------------------------


def number_format(values: ArrayLike) -> str:
    """Return how to write values that belong together: as integers if they are, else with three digits of the largest."""
    array = np.asarray(values, np.float64)
    finite = array[np.isfinite(array)]
    largest = float(np.abs(finite).max(initial=0))
    magnitude = math.floor(math.log10(largest)) if largest else 0
    if magnitude < 5 and np.array_equal(finite, finite.round()):
        return ".0f"
    if -3 <= magnitude < 5:
        return f".{max(0, 2 - magnitude) if magnitude >= 0 else 1 - magnitude}f"
    return ".1e"


def numbers(values: ArrayLike, form: str | None = None) -> list[str]:
    """Return values as text, all in one format, with real minus signs."""
    form = form or number_format(values)
    return [_signed(f"{value:{form}}") for value in np.asarray(values, np.float64).flat]


def _signed(text: str) -> str:
    """Return a number with a real minus sign; none before a zero."""
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", "−").replace("inf", "∞")


def number(value: float) -> str:
    """Return one value as text."""
    return numbers([value])[0]


def size_of(shape: Sequence[int]) -> str:
    """Return a shape as text."""
    return "×".join(map(str, shape))


def luminance(color: Any) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_color(background: Any) -> str:
    """Return black or white, whatever is easier to read; the contrast is 4.58 at least."""
    return max("black", "white", key=lambda color: contrast(color, background))


# --- Planes ----------------------------------------------------------------------------------------------------------------


def limits(values: np.ndarray, signed: bool = False) -> Normalize:
    """Return the range of colours for values; around 0 if `signed`."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    return Normalize(low, high if high > low else low + 1)


def pixel_limits(images: np.ndarray) -> Normalize:
    """Return the range of colours for pixels: up to 1 or to 255 where that is the pixels' range."""
    norm = limits(images)
    for top in (1, 255):
        if norm.vmin is not None and norm.vmax is not None and norm.vmin >= 0 and norm.vmax <= top:
            return Normalize(0, top)
    return norm


def cells(
    ax: Axes,
    values: np.ndarray,
    title: str = "",
    *,
    cmap: str = VALUES,
    norm: Normalize | None = None,
    side: float = PANEL,
    form: str | None = None,
    texts: Sequence[str] | None = None,
    corners: Sequence[str] | None = None,
) -> None:
    """Draw a plane (H, W) in a panel of `side` inches.

    Where there is room for them, the values are written (in the format `form`), or else the minus signs of `SIGNED` ones; `texts` are
    written instead of the values, `corners` small and on the left.
    """
    colors = matplotlib.colormaps[cmap]
    norm = norm or limits(values, signed=cmap == SIGNED)
    ax.imshow(values, cmap=colors, norm=norm, interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    height, width = values.shape
    cell = 72 * side / max(height, width)
    if cell < _SMALLEST:
        return
    texts = numbers(values, form) if texts is None else texts
    size = min(_LARGEST, 0.6 * cell, 0.85 * cell / (0.62 * max(1, *map(len, texts))))
    if size < _SMALLEST:
        if cmap != SIGNED:
            return
        texts, size = ["−" if value < 0 else "" for value in values.flat], min(_LARGEST, cell)
    _separate(ax, height, width)
    inks = [text_color(colors(norm(value)) if np.isfinite(value) else "white") for value in values.flat]
    for (row, column), text, ink in zip(np.ndindex(height, width), texts, inks, strict=True):
        ax.text(column, row, text, ha="center", va="center", size=size, color=ink)
    if corners is not None and cell > 4 * _SMALLEST:
        for (row, column), text, ink in zip(np.ndindex(height, width), corners, inks, strict=True):
            ax.text(column - 0.34, row - 0.36, text, ha="left", va="top", size=7, style="italic", color=ink)


def tiles(planes: np.ndarray, titles: Sequence[str], headline: str, *, columns: int, cmap: str, label: str) -> Figure:
    """Return a figure of many planes (P, H, W), in the same colours and with numbers of the same format; `label` is what the scale says."""
    pads = Pads(0.06, 0.06, 0.28, 0.06)
    figure, axes = panels(len(planes), columns=columns, side=TILE, pads=pads, title=headline, scaled=True)
    norm = limits(planes, signed=cmap == SIGNED)
    form = number_format(planes)
    for ax, values, title in zip(axes, planes, titles, strict=True):
        cells(ax, values, title, cmap=cmap, norm=norm, side=TILE, form=form)
    scale(figure, axes, norm, cmap, label)
    return figure


def _separate(ax: Axes, height: int, width: int) -> None:
    """Draw lines between cells."""
    ax.set_xticks(np.arange(-0.5, width), minor=True)
    ax.set_yticks(np.arange(-0.5, height), minor=True)
    ax.grid(which="minor", color="#808080", linewidth=0.6)
    ax.tick_params(which="minor", length=0)


def picture(ax: Axes, image: np.ndarray, title: str = "", norm: Normalize | None = None) -> None:
    """Draw an image (H, W, C) of one channel or three."""
    norm = norm or pixel_limits(image)
    if image.shape[-1] == 1:
        ax.imshow(image[..., 0], cmap=PIXELS, norm=norm, interpolation="nearest")
    else:
        ax.imshow(np.nan_to_num(np.asarray(norm(image))).clip(0, 1), interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)


def scale(figure: Figure, axes: Sequence[Axes], norm: Normalize, cmap: str, label: str) -> None:
    """Draw the scale of colours on the right of all `axes`."""
    boxes = [ax.get_position(original=True) for ax in axes]
    right, bottom, top = max(box.x1 for box in boxes), min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    place = figure.add_axes((right + 0.15 / figure.get_figwidth(), bottom, 0.12 / figure.get_figwidth(), top - bottom))
    figure.colorbar(ScalarMappable(norm, cmap), cax=place, label=label)


def scale_below(figure: Figure, ax: Axes, norm: Normalize, cmap: str, label: str) -> None:
    """Draw the scale of colours below a panel."""
    box = ax.get_position(original=True)
    place = figure.add_axes((box.x0, box.y0 - 0.17 / figure.get_figheight(), box.width, 0.1 / figure.get_figheight()))
    figure.colorbar(ScalarMappable(norm, cmap), cax=place, orientation="horizontal", label=label).locator = MaxNLocator(4)


def outline(
    ax: Axes, row: float, column: float, height: float = 1, width: float = 1, *, color: str = ACCENT, line: float = 2.5
) -> Rectangle:
    """Draw a frame around cells that is seen on any ground."""
    frame = Rectangle((column - 0.5, row - 0.5), width, height, fill=False, edgecolor=color, linewidth=line, zorder=2.5, clip_on=False)
    frame.set_path_effects([patheffects.Stroke(linewidth=line + 2, foreground="white"), patheffects.Normal()])
    ax.add_patch(frame)
    return frame


def between(ax: Axes, sign: str) -> None:
    """Write a sign between a panel and the next."""
    ax.annotate(sign, (1.0, 0.5), xycoords="axes fraction", xytext=(4, 0), textcoords="offset points", ha="left", va="center", size=15)


def contour(ax: Axes, values: np.ndarray, level: float) -> None:
    """Draw a line around what is above `level`, closed at the edges, and seen on any ground."""
    around = np.pad(values, 1, constant_values=level - abs(level))
    places = np.arange(-1, max(around.shape) - 1)
    lines = ax.contour(places[: around.shape[1]], places[: around.shape[0]], around, levels=[level], colors=[ACCENT], linewidths=2)
    lines.set(path_effects=[patheffects.Stroke(linewidth=4, foreground="white"), patheffects.Normal()], clip_on=False)
    ax.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))


def bars(ax: Axes, values: np.ndarray, title: str) -> None:
    """Draw a vector as bars from the top down, with the values where there is room for them."""
    places = np.arange(len(values))
    ax.barh(places, values, color=BASE, height=0.8)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(title=title, xlabel="value at each place")
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    if len(values) > 16:
        return
    ax.set_yticks(places)
    for place, value, text in zip(places, values, numbers(values), strict=True):
        ax.annotate(text, (max(value, 0.0) if np.isfinite(value) else 0.0, place), xytext=(4, 0), textcoords="offset points", va="center")
    ax.margins(x=0.25)
