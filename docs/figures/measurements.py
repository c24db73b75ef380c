"""Draw what was measured, as SVG beside this file: ``python docs/figures/measurements.py``. It needs matplotlib, and fastcnn.

Speeds are those kept in benchmarks/results; rounding errors are computed here and now, the same on every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import pyplot
from style import BLUE, GREEN, HERE, INK, ORANGE, RED, save

import fastcnn

RESULTS = HERE.parents[1] / "benchmarks" / "results"
_OPERATIONS = {"forward": BLUE, "input gradient": ORANGE, "weight gradient": GREEN}


def records(name: str) -> list[dict[str, Any]]:
    """Return the layers' measurements in benchmarks/results/`name`.json."""
    found: list[dict[str, Any]] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["records"]
    return found


def shares() -> None:
    """Each layer's share of the peak by the direct method, ours and PyTorch's."""
    measured = [record for record in records("kernels-direct") if not record["layer"].startswith(("mnist/dense", "mnist/output"))]
    layers = list(dict.fromkeys(record["layer"] for record in measured))
    _, columns = pyplot.subplots(1, 3, figsize=(9.5, 0.21 * len(layers) + 1), sharey=True, layout="constrained")
    for axes, (op, color) in zip(columns, _OPERATIONS.items(), strict=True):
        for record in (record for record in measured if record["op"] == op):
            y = layers.index(record["layer"])
            ours = 100 * record["share_of_peak"]
            theirs = ours * record["seconds"]["fastcnn, 1"] / record["seconds"]["PyTorch, 1"]
            axes.plot([ours, theirs], [y, y], color="0.75", linewidth=1, zorder=1)
            axes.scatter(theirs, y, s=26, facecolor="white", edgecolor=INK, zorder=2, label="PyTorch" if y == 0 else None)
            axes.scatter(ours, y, s=30, color=color, edgecolor=INK, zorder=3, label="fastcnn" if y == 0 else None)
        axes.set(title=op, xlim=(0, 115), xlabel="% of the FMA peak, one thread")
        axes.set_yticks(range(len(layers)), layers, fontsize=8.5)
        axes.grid(axis="x", color="0.9")
        axes.legend(loc="lower left", fontsize=9, framealpha=1)
    columns[0].set_ylim(len(layers) - 0.4, -0.6)
    save("shares")


def tile_shapes() -> None:
    """How many loads a multiply-add needs, for every tile that fits into 32 registers."""
    _, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    for nv, color, marker in ((1, RED, "v"), (2, ORANGE, "s"), (3, GREEN, "D"), (4, BLUE, "o")):
        rows = np.arange(1, (32 - 1 - nv) // nv + 1)
        axes.plot(rows, (rows + nv) / (rows * nv), marker=marker, color=color, label=f"{nv} vector{'s' if nv > 1 else ''} a row")
    for (rows, nv), place in {(6, 4): (-30, -16), (14, 2): (-10, 16)}.items():
        share = (rows + nv) / (rows * nv)
        axes.annotate(f"{rows} x {nv}: {share:.2f}", (rows, share), place, textcoords="offset points", weight="bold")
    axes.set(xlabel="rows of the tile", ylabel="loads for each vector multiply-add", ylim=(0.3, 1.25), xlim=(0, 30))
    axes.axhline(1, color="0.6", linewidth=1, linestyle="--")
    axes.annotate(
        "above the dashed line loads hold up\na core that starts as many of them as multiply-adds", (29.5, 0.88), ha="right", fontsize=10
    )
    axes.legend()
    save("tile_shapes")


def winograd_speed() -> None:
    """3x3 layers by either method, as shares of the peak of the direct method's operations."""
    direct = {(record["layer"], record["op"]): record for record in records("kernels-direct")}
    both = [record for record in records("kernels") if (record["layer"], record["op"]) in direct and _is_3x3(record)]
    layers = list(dict.fromkeys(record["layer"] for record in both))
    _, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    for number, (op, color) in enumerate(_OPERATIONS.items()):
        for record in (record for record in both if record["op"] == op):
            x = layers.index(record["layer"]) + (number - 1) * 0.26
            before, after = (100 * r["share_of_peak"] for r in (direct[record["layer"], op], record))
            axes.bar(x, after, 0.24, color=color, edgecolor=INK, linewidth=0.7, label=op if record["layer"] == layers[0] else None)
            axes.plot([x - 0.12, x + 0.12], [before, before], color="black", linewidth=3)
    axes.plot([], [], color="black", linewidth=3, label="the direct method")
    axes.axhline(100, color="0.4", linewidth=1, linestyle="--", zorder=0)
    axes.set(ylabel="% of the FMA peak, one thread\n(counting the direct method's operations)", ylim=(0, 330))
    axes.set_xticks(range(len(layers)), [layer.replace("/", "\n") for layer in layers], fontsize=8)
    axes.legend(ncols=2, loc="upper left")
    save("winograd_speed")


def _is_3x3(record: dict[str, Any]) -> bool:
    return "of 3x3, stride 1" in record["shape"] and record["layer"] != "mnist/conv1"


def winograd_errors() -> None:
    """Rounding errors of both methods on normal data, relative to the results, over the number of channels."""
    channels = 2 ** np.arange(4, 10)
    _, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    largest, means = zip(*(_errors(int(count)) for count in channels), strict=True)
    for number, (method, color, marker) in enumerate((("Winograd's method", BLUE, "o"), ("the direct method", ORANGE, "s"))):
        axes.plot(channels, [pair[number] for pair in means], color=color, marker=marker, label=f"{method}: root mean square")
        axes.plot(channels, [pair[number] for pair in largest], color=color, marker=marker, linestyle=":", label=f"{method}: largest")
    promised = [_PROMISED[_tile(int(count))] * 1e-7 * np.sqrt(count + 16) for count in channels]
    axes.plot(channels, promised, color=INK, linestyle="--", label="promised root mean square")
    axes.set(xscale="log", yscale="log", xlabel="channels C", ylabel="error / root mean square of the results", ylim=(1e-7, 6e-5))
    axes.set_xticks(channels, channels)
    axes.minorticks_off()
    axes.grid(color="0.9")
    axes.legend(fontsize=9, loc="upper left", ncols=2)
    save("winograd_errors")


#: By the size of tiles: what `explain_conv` says of 1e-7 sqrt(C + 16).
_PROMISED = {3: 0.6, 4: 1.0, 5: 1.9}


def _tile(channels: int) -> int:
    """Return the size of the tiles that Winograd's method takes."""
    return fastcnn.explain_conv((1, 26, 26, channels), (3, 3, channels, 32)).tile


def _errors(channels: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the largest errors of both methods, and their root mean squares, relative to the results' root mean square."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((1, 26, 26, channels), np.float32)
    w = rng.standard_normal((3, 3, channels, 32), np.float32)
    exact = fastcnn.conv2d(x.astype(np.float64), w.astype(np.float64))
    errors = [np.abs(y - exact) / np.sqrt(np.mean(exact**2)) for y in _by_both(x, w)]
    largest, means = [float(error.max()) for error in errors], [float(np.sqrt(np.mean(error**2))) for error in errors]
    return (largest[0], largest[1]), (means[0], means[1])


def _by_both(x: np.ndarray, w: np.ndarray) -> Iterator[np.ndarray]:
    """Give what Winograd's method makes of the arrays, and then the direct one."""
    for method in (True, False):
        fastcnn.set_winograd(method)
        if method and fastcnn.explain_conv(x.shape, w.shape).algorithm != "winograd":
            raise RuntimeError(f"Winograd's method is not used for {x.shape}")
        yield fastcnn.conv2d(x, w)
    fastcnn.set_winograd(True)


if __name__ == "__main__":
    for figure in (shares, tile_shapes, winograd_speed, winograd_errors):
        figure()
