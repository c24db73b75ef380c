"""Tables, as Markdown, of what benchmarks/results holds: no number of these pages is typed by hand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fastcnn.bench import duration

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
_OPERATIONS = ("forward", "input gradient", "weight gradient")
_SHAPE = re.compile(r"\d+x(?P<plane>\d+)x\d+x(?P<channels>\d+), \d+ of (?P<taps>\d+)x\d+, stride (?P<stride>\d+)")


def load(name: str) -> Any:
    """Return what benchmarks/results/`name`.json holds."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def kind(record: dict[str, Any]) -> str:
    """Return what kind of layer was measured."""
    model, layer = record["layer"].split("/")
    shape = {name: int(number) for name, number in _SHAPE.match(record["shape"]).groupdict().items()}
    if "_dw_" in layer:
        return "depthwise"
    if model == "resnext50":
        return "grouped, 32 groups"
    if shape["plane"] == 1:
        return "dense"
    if shape["channels"] <= 3:
        return "first layers, 1 or 3 channels"
    if shape["taps"] == 1:
        return "1x1"
    return f"{shape['taps']}x{shape['taps']}, stride {shape['stride']}"


def network(name: str = "network") -> str:
    """The network of `fastcnn train`: times, and how many times ours the others took."""
    records = load(name)["records"]
    by = list(dict.fromkeys(record["by"] for record in records))
    cells = {(record["work"], record["by"]): duration(record["seconds"]) + _times(record) for record in records}
    works = dict.fromkeys(record["work"] for record in records)
    return _machine(name) + _table(["work", *by], ([work, *(cells.get((work, library), "-") for library in by)] for work in works))


def network_malloc() -> str:
    """The same, with a C library that keeps freed memory."""
    return network("network-malloc")


def kernels() -> str:
    """For each kind of layer, how many times our time PyTorch took on two threads."""
    records = load("kernels")["records"]
    order = ("3x3, stride 1", "3x3, stride 2", "1x1", "first layers, 1 or 3 channels", "depthwise", "grouped, 32 groups", "dense")
    rows = []
    for name in order:
        ratios = {op: [_ratio(record) for record in records if (kind(record), record["op"]) == (name, op)] for op in _OPERATIONS}
        rows.append([name, str(len(ratios["forward"])), *(_mean_and_range(ratios[op]) for op in _OPERATIONS)])
    return _machine("kernels") + _table(["layers", "how many", *_OPERATIONS], rows)


def lost() -> str:
    """Every layer and operation in which PyTorch on two threads took less than 95% of our time, the worst first."""
    records = sorted((record for record in load("kernels")["records"] if _ratio(record) < 0.95), key=_ratio)
    rows = ([r["layer"], r["shape"], kind(r), r["op"], f"{_ratio(r):.2f}", duration(r["seconds"]["fastcnn, 2"])] for r in records)
    return _table(["layer", "N x H x W x C, filters", "kind", "operation", "its time ÷ ours", "our time"], rows)


def count_lost() -> str:
    """How many of the measured operations those are."""
    ratios = [_ratio(record) for record in load("kernels")["records"]]
    slower, close = sum(ratio < 0.95 for ratio in ratios), sum(0.95 <= ratio <= 1.05 for ratio in ratios)
    return f"Of {len(ratios)} operations of all layers, PyTorch was faster in {slower}, equally fast (within 5%) in {close}."


def residual() -> str:
    """A training step of ResNet-20."""
    found = load("resnet20")
    rows = ([name, duration(seconds), f"{found['ratios'][name]:.2f}"] for name, seconds in found["seconds"].items())
    return _machine("resnet20") + _table(["library", "a step", "its time ÷ ours"], rows)


def footprint() -> str:
    """What an import and a convolution take."""
    found = load("footprint")
    imports = _table(
        ["import of", "beyond NumPy's"], ([f"`{name}`", duration(seconds)] for name, seconds in found["import_seconds"].items())
    )
    memory = _table(
        ["images", "by", "arrays", "beyond the arrays"],
        ([str(r["images"]), r["by"], _mebibytes(r["arrays_bytes"]), _mebibytes(r["extra_bytes"])] for r in found["memory"]),
    )
    return f"{imports}\n{memory}"


def _machine(name: str) -> str:
    """On what, and with which versions, the file was made."""
    return f"*{'; '.join(f'{what}: {value}' for what, value in load(name)['machine'].items())}.*\n\n"


def _times(record: dict[str, Any]) -> str:
    """How many times our time, in brackets; nothing for ourselves."""
    return "" if record["by"] == "fastcnn" else f" ({record['ratio']:.{0 if record['ratio'] >= 100 else 2}f}\N{MULTIPLICATION SIGN})"


def _ratio(record: dict[str, Any]) -> float:
    return record["ratio"]["PyTorch, 2"]


def _mean_and_range(ratios: Sequence[float]) -> str:
    """The geometric mean, the least and the most."""
    return f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:.1f} MiB"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of a Markdown table."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))
