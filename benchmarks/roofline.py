"""Draw a roofline: how fast layers run, by how many operations they have for each byte that they must move.

    python benchmarks/roofline.py --threads 2 --output benchmarks/results/roofline.png

No layer can be faster than the processor multiplies and adds, nor than memory brings what it needs: the roof, of which both sides are
measured here and now. Layers are those of a profile in JSON (``fastcnn bench --layers --json``), or else those of the network of
``fastcnn train``, profiled now.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastcnn
from fastcnn import _peers, bench, networks

#: Marks that differ without their colours; colours that differ in grey and for the colour-blind (M. Okabe, K. Ito, 2008).
_KINDS = {"forward": ("o", "#0072B2", "forward"), "training": ("s", "#E69F00", "forward and backward")}
_INK = "0.25"


def draw(profile: dict[str, Any], path: Path) -> None:
    """Draw `profile`, the dictionary of a `fastcnn.profiling.Profile`, to the file at `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    peak, bandwidth = profile["fma_peak"] / 1e9, profile["copy_bandwidth"] / 1e9
    layers = [layer for layer in profile["layers"] if layer["forward"]["flops"]]
    points = {
        kind: [(cost["flops"] / cost["bytes"], cost["flops"] / cost["seconds"] / 1e9) for cost in (layer[kind] for layer in layers)]
        for kind in _KINDS
    }
    intensities, speeds = np.array([point for kind in points.values() for point in kind]).T
    low, high = min(intensities.min(), peak / bandwidth) / 3, max(intensities.max(), peak / bandwidth) * 4
    figure, axis = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    roof = np.array([low, peak / bandwidth, high])
    axis.plot(roof, np.minimum(roof * bandwidth, peak), color="black", linewidth=2, solid_joinstyle="miter", zorder=1)
    axis.fill_between(roof, np.minimum(roof * bandwidth, peak), peak * 10, color="0.93", zorder=0)
    axis.annotate(f"FMA peak, {peak:.0f} GFLOP/s", (peak / bandwidth, peak), (10, 6), textcoords="offset points", color=_INK)
    axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(min(speeds.min(), low * bandwidth) / 1.5, max(speeds.max(), peak) * 1.6))
    for kind, (marker, color, label) in _KINDS.items():
        axis.scatter(*np.transpose(points[kind]), s=70, marker=marker, color=color, edgecolor="black", label=label, zorder=3)
    for layer, forward, training in zip(layers, points["forward"], points["training"], strict=True):
        axis.plot(*np.transpose([forward, training]), color="0.6", linewidth=1, zorder=2)
        below = min(forward, training, key=lambda point: point[1])
        axis.annotate(
            layer["name"].replace(" + ", " +\n"),
            below,
            (0, -11),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8.5,
            color=_INK,
        )
    middle = np.sqrt(low * peak / bandwidth)
    figure.canvas.draw()
    (x0, y0), (x1, y1) = axis.transData.transform([(low, low * bandwidth), (peak / bandwidth, peak)])
    angle = np.degrees(np.arctan2(y1 - y0, x1 - x0))
    axis.annotate(
        f"copying, {bandwidth:.0f} GB/s",
        (middle, middle * bandwidth),
        (-7, 7),
        textcoords="offset points",
        rotation=angle,
        rotation_mode="anchor",
        ha="center",
        color=_INK,
    )
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set(xlabel="operations for each byte that must be moved", ylabel="GFLOP/s (of the direct method)")
    axis.set_title(f"{profile['images']} images, {profile['threads']} threads, float32", loc="left", fontweight="bold")
    axis.legend(loc="lower right", frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", nargs="?", type=Path, help="a profile in JSON (profiles the network of `fastcnn train`)")
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="to profile with (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("roofline.png"), help="the picture (%(default)s)")
    arguments = parser.parse_args()
    if arguments.profile is not None:
        profile = json.loads(arguments.profile.read_text(encoding="utf-8"))
    else:
        with fastcnn.num_threads(arguments.threads):
            profile = networks.mnist_network().profile(bench.digits()[0][: _peers.BATCH], seconds=3).to_dict()
    draw(profile, arguments.output)


if __name__ == "__main__":
    main()
