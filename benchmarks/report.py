"""Turn what ``pytest benchmarks --benchmark-only --benchmark-json=results.json`` measured into a table and a picture.

    python benchmarks/report.py results.json --output benchmarks/results/

writes ``results.md`` and ``results.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
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
    peak: float  # FMA peak of the same run and the same number of threads, in FLOP/s
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
    rows = []
    for info, seconds in measured:
        base = ours.get((info["kind"], info["work"]))
        ratio = None if base is None else seconds / base
        rows.append(Row(info["kind"], info["work"], info["by"], seconds, info["flops"], info["fma_peak"], ratio))
    works = list(dict.fromkeys((row.kind, row.work) for row in rows))
    return sorted(rows, key=lambda row: works.index((row.kind, row.work)))


# --- Table ---------------------------------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """Return the measurements as a page of Markdown, a table for every kind of work."""
    rows, info = read_rows(results), results["benchmarks"][0]["extra_info"]
    machine = results["machine_info"]
    peak = np.median([row.peak for row in rows]) / 1e9
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


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw everybody's time relative to ours, a panel for every kind of work and a line for every work, and write it to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    others = [row for row in rows if row.by != US and row.ratio is not None]
    kinds = list(dict.fromkeys(row.kind for row in others))
    panels = [[row for row in others if row.kind == kind] for kind in kinds]
    works = [list(dict.fromkeys(row.work for row in panel)) for panel in panels]
    height = max(map(len, works))
    figure, axes = pyplot.subplots(1, len(panels), figsize=(3.6 * len(panels) + 1, 0.24 * height + 2.2), squeeze=False, layout="constrained")
    for place, (axis, kind, panel, names) in enumerate(zip(axes[0], kinds, panels, works, strict=True)):
        _draw_panel(axis, panel, names, height)
        axis.set_xlabel("time ÷ fastcnn's")
        axis.set_title(kind, loc="left", fontweight="bold", pad=14 * len({row.by for row in panel}) + 6)
        if place and names == works[place - 1]:
            axis.set_yticklabels([])
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw_panel(axis: Any, panel: Sequence[Row], works: Sequence[str], height: int) -> None:
    """Draw a mark for every row of `panel`: at its ratio, in the line of its work."""
    axis.axvline(1, color="black", linewidth=1)
    axis.hlines(range(len(works)), *_limits(row.ratio for row in panel), color="0.9", linewidth=0.8, zorder=0)
    first = {}
    for row in panel:
        marker, color = _MARKERS[row.by]
        axis.plot(row.ratio, works.index(row.work), marker, color=color, markeredgecolor="black", markersize=7, alpha=0.85)
        first.setdefault(row.by, row)
    for level, row in enumerate(sorted(first.values(), key=lambda row: row.ratio, reverse=True)):
        axis.annotate(
            row.by,
            (row.ratio, works.index(row.work)),
            xytext=(row.ratio, 1.01 + 0.035 * level),
            textcoords=("data", "axes fraction"),
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.8},
            fontsize=8,
        )
    axis.set_xscale("log")
    axis.set_yticks(range(len(works)), works)
    axis.set_ylim(height - 0.5, -0.5)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def _limits(ratios: Iterable[float | None]) -> tuple[float, float]:
    """Return the smallest and the largest of `ratios` and 1."""
    values = [1.0, *(ratio for ratio in ratios if ratio is not None)]
    return min(values), max(values)


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
