"""How long an import takes beyond NumPy's, and how much memory a convolution needs beyond its arrays: in fresh processes."""

from __future__ import annotations

import argparse
import importlib.util
import math
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import peers
import workloads

from fastcnn.bench import duration

#: What is imported; "fastcnn" has its kernels, and its models when they are first asked for.
MODULES = ("fastcnn", "fastcnn.models", "onnxruntime", "torch", "tensorflow")
LAYER = workloads.Layer("56_3x3_64_64", n=1, h=56, w=56, c=64, f=64, k=3, stride=1, padding=1, groups=1)
BATCHES = (1, 16, 64)
_IMPORTS = 10
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def footprint(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the time of an import and the memory of a convolution."""
    modules = [module for module in MODULES if importlib.util.find_spec(module.partition(".")[0])]
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(_IMPORTS + 1):
        for module in modules:
            seconds[module].append(_import_seconds(module))
    imports = {module: statistics.median(taken[1:]) for module, taken in seconds.items()}  # the first found the disk cold
    print(f"# Footprint\n\nImport, after NumPy's: median of {_IMPORTS} fresh processes.\n\n| module | time |\n| --- | --- |")
    for module, taken in imports.items():
        print(f"| {module} | {duration(taken)} |", flush=True)
    memory = _convolutions(arguments.threads) if _CLEAR.exists() else []
    return {"import_seconds": imports, "threads": arguments.threads, "memory": memory}


def _convolutions(threads: int) -> list[dict[str, Any]]:
    """Print and return the memory of a convolution, by the number of images and by library."""
    print(f"\nThe first convolution of a process, {LAYER}, with N images, {threads} threads: how far its peak memory rises")
    print("beyond its arrays, all that is set up once included.\n\n| N | by | input and result | more |\n| --- | --- | --- | --- |")
    records = []
    for batch in BATCHES:
        layer = LAYER._replace(n=batch)
        arrays = 4 * (math.prod(layer.y_shape) + batch * layer.h * layer.w * layer.c)
        for kind in (peers.FastCNN, peers.PyTorch):
            if kind.available():
                extra = int(_fresh(f"import footprint; print(footprint.extra_memory({kind.name!r}, {batch}, {threads}))"))
                records.append({"images": batch, "by": kind.name, "arrays_bytes": arrays, "extra_bytes": extra})
                print(f"| {batch} | {kind.name} | {arrays / 2**20:.1f} MiB | {extra / 2**20:.1f} MiB |", flush=True)
    return records


def _import_seconds(module: str) -> float:
    return float(_fresh(f"import time, numpy; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"))


def _fresh(code: str) -> str:
    """Return the last line that `code` prints in a new process that finds these modules."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def extra_memory(name: str, batch: int, threads: int) -> int:
    """Return by how many bytes the first convolution of this process by the library `name` raises its peak, without the result's.

    The peak of ``getrusage`` does not do: a process inherits that of its parent, and its own may be past. Linux resets its other one.
    """
    kind = next(kind for kind in peers.PEERS if kind.name == name)
    layer = LAYER._replace(n=batch)
    task = kind(threads).layer(layer, workloads.arrays(layer))["forward"]
    _CLEAR.write_text("5", encoding="ascii")
    before = _status_bytes("VmRSS")
    result = task.run()
    after = _status_bytes("VmHWM")
    del result
    return after - before - 4 * math.prod(layer.y_shape)


def _status_bytes(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
    if found is None:
        raise OSError(f"{_STATUS} does not tell {field}")
    return 1024 * int(found[1])
