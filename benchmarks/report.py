"""Turn what ``pytest benchmarks --benchmark-only --benchmark-json=results.json`` measured into a table and a picture.

    python benchmarks/report.py results.json --output benchmarks/results/

writes ``results.md`` and ``results.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcnn.bench import duration

US = "fastcnn"
#: Shapes that differ without their colours, and colours that differ for the colour-blind (M. Okabe, K. Ito, 2008).
_MARKERS = {
    "PyTorch": ("o", "#D55E00"),
    "TensorFlow": ("s", "#0072B2"),
    "ONNX Runtime": ("^", "#009E73"),
    "Keras": ("D", "#56B4E9"),
    "Keras, tf.function": ("v", "#CC79A7"),
    "loops": ("X", "#000000"),
}


class Row(NamedTuple):
    """One library's measurement."""

    kind: str
    work: str
    by: str
    seconds: float  # the median
    flops: int | None
    peak: float  # FMA peak in the same run on the same number of threads, the median over all of it, in FLOP/s
    ratio: float | None  # to our time; None where we have not been measured

    @property
    def gflops(self) -> float | None:
        """Direct multiplications and additions a second, in billions."""
        return None if self.flops is None else self.flops / self.seconds / 1e9

    @property
    def share(self) -> float | None:
        """The same as a share of the peak."""
        return None if self.flops is None else self.flops / self.seconds / self.peak


def read_rows(results: dict[str, Any]) -> list[Row]:
    """Return the measurements in pytest-benchmark's `results`, with the libraries that did the same work next to each other."""
    measured = [(entry["extra_info"], entry["stats"]["median"]) for entry in results["benchmarks"]]
    ours = {(info["kind"], info["work"]): seconds for info, seconds in measured if info["by"] == US}
    peak = float(np.median([info["fma_peak"] for info, _ in measured]))
    rows = []
    for info, seconds in measured:
        base = ours.get((info["kind"], info["work"]))
        ratio = None if base is None else seconds / base
        rows.append(Row(info["kind"], info["work"], info["by"], seconds, info["flops"], peak, ratio))
    works = list(dict.fromkeys((row.kind, row.work) for row in rows))
    return sorted(rows, key=lambda row: works.index((row.kind, row.work)))


# --- Table ---------------------------------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """Return the measurements as a page of Markdown, a table for every kind of work."""
    rows, info = read_rows(results), results["benchmarks"][0]["extra_info"]
    machine, peak = results["machine_info"], rows[0].peak / 1e9
    lines = [
        "# Measurements",
        "",
        f"{machine.get('cpu', {}).get('brand_raw', machine['machine'])}, {results['datetime'][:10]}. "
        f"Threads: {info['threads']} for every library; {info['dtype']}; FMA peak of as many threads: {peak:.0f} GFLOP/s (median).",
        "",
        "Medians. GFLOP/s and the share of the peak count the multiplications and additions of the direct method; one that needs",
        "fewer can exceed the peak. The last column is the time divided by fastcnn's.",
    ]
    for kind in dict.fromkeys(row.kind for row in rows):
        lines += ["", f"## {kind.capitalize()}", ""]
        lines += ["| work | by | median | GFLOP/s | share of peak | time ÷ fastcnn's |", "|---|---|--:|--:|--:|--:|"]
        lines += [_line(row) for row in rows if row.kind == kind]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    rate = ("", "") if row.gflops is None or row.share is None else (f"{row.gflops:.3g}", f"{row.share:.0%}")
    cells = row.work, row.by, duration(row.seconds), *rate, "" if row.ratio is None else f"{row.ratio:.3g}"
    return f"| {' | '.join(cells)} |"


# --- Picture -------------------------------------------------------------------------------------------------------------

_LINE_INCHES = 0.22  # of a work
_LEVEL_POINTS = 11  # of a library's name
_Panel = dict[str, list[Row]]  # by work


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw everybody's time relative to ours, a panel for every kind of work and a line for every work, and write it to `path`.

    Kinds of the same works stand side by side, the others below them.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels: dict[str, _Panel] = {}
    for row in rows:
        if row.by != US and row.ratio is not None:
            panels.setdefault(row.kind, {}).setdefault(row.work, []).append(row)
    bands: dict[tuple[str, ...], list[str]] = {}
    for kind, panel in panels.items():
        bands.setdefault(tuple(panel), []).append(kind)
    heights = [_LINE_INCHES * len(works) + 1.5 for works in bands]
    figure = pyplot.figure(figsize=(11, sum(heights)), layout="constrained")
    grid = figure.subfigures(len(bands), 1, height_ratios=heights, squeeze=False)[:, 0]
    for band, kinds in zip(grid, bands.values(), strict=True):
        axes = band.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
        for axis, kind in zip(axes, kinds, strict=True):
            _draw_panel(axis, kind, panels[kind])
        _scale(axes[0], [row.ratio or 1 for kind in kinds for work in panels[kind].values() for row in work])
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_panel(axis: Any, kind: str, panel: _Panel) -> None:
    """Draw a mark for every library at its ratio, a line for every work, and a name for every library on its first mark."""
    from matplotlib.transforms import offset_copy

    axis.axvline(1, color="black", linewidth=1)
    marked: dict[str, tuple[float, float]] = {US: (1, -0.5)}
    for line, row in ((line, row) for line, work in enumerate(panel.values()) for row in work):
        marker, color = _MARKERS[row.by]
        axis.plot(row.ratio, line, marker, color=color, markeredgecolor="black", markersize=7, alpha=0.85)
        marked.setdefault(row.by, (row.ratio or 1, line))
    for level, (name, place) in enumerate(sorted(marked.items(), key=lambda item: -item[1][0])):  # so that no leader crosses a name
        above = offset_copy(axis.get_xaxis_transform(), axis.figure.get_figure(root=True), y=_LEVEL_POINTS * (level + 1), units="points")
        leader = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3, "relpos": (0, 0)}
        axis.annotate(name, place, (place[0], 1), textcoords=above, arrowprops=leader, fontsize=8)
    axis.set(xlabel="time ÷ fastcnn's (on the right: slower)", ylim=(len(panel) - 0.4, -0.6))
    axis.set_yticks(range(len(panel)), panel)
    axis.set_title(kind, loc="left", fontweight="bold", pad=_LEVEL_POINTS * (len(marked) + 1))
    axis.grid(axis="y", color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def _scale(axis: Any, ratios: Sequence[float]) -> None:
    """Give `axis`, and those that share it, a logarithmic scale that has all of `ratios` in it."""
    from matplotlib import ticker

    low, high = min(0.5, *ratios) / 1.25, max(2, *ratios) * 1.25
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    axis.xaxis.set_major_locator(ticker.LogLocator(2 if high / low < 200 else 10))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(ticker.NullLocator())


def main(args: Sequence[str] | None = None) -> None:
    """Write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the JSON that pytest-benchmark wrote")
    parser.add_argument("--output", type=Path, help="the folder to write to (that of the JSON)")
    arguments = parser.parse_args(args)
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    folder = arguments.output or arguments.results.parent
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / arguments.results.stem
    path.with_suffix(".md").write_text(table(results), encoding="utf-8")
    draw(read_rows(results), path.with_suffix(".png"))
    print(f"{path.with_suffix('.md')}\n{path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
