"""Compare fastcnn with other libraries in one process, in turns: the numbers that the README quotes.

    python benchmarks/versus.py kernels benchmarks/shapes/*.txt    every layer and operation, against PyTorch, on 1 and on all threads
    python benchmarks/versus.py network --data mnist               training and predicting, against what is installed
    python benchmarks/versus.py footprint                          the time of an import, the memory of a convolution

Each prints Markdown; ``--json FILE`` keeps the numbers. A speed is that of the median turn; a ratio is the median of the turns' ratios,
so that what slows a machine down for a while slows both sides of it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import footprint
import numpy as np
import workloads
from peers import FastCNN, Peer, PyTorch

import fastcnn
from fastcnn import _core, _peers, bench

Record = dict[str, Any]
#: As many multiply-adds as take about a tenth of a millisecond: the yardstick that has its turns with the contenders.
_FMA_ROUNDS = 10_000
#: A layer's turns are spread over so many passes through all layers: what slows the machine down for seconds spoils one pass of a few.
PASSES = 3
#: The images of a data set to predict.
MANY = 10_000
#: What the environment, as it was given to us, tells the libraries that may change their speed.
_LISTENERS = "FASTCNN_ISA", "FASTCNN_WINOGRAD", "GOMP_", "KMP_", "MALLOC_", "OMP_", "ONEDNN_", "OPENBLAS_", "TF_ENABLE_", "TF_NUM_"
_TUNING = {name: value for name, value in os.environ.items() if name.startswith(_LISTENERS)}


def machine(threads: int, packages: Sequence[str]) -> Record:
    """Return what the numbers depend on: the machine, the threads, the versions of fastcnn and of `packages`, the environment."""
    config = fastcnn.show_config(mode="dicts") or {}
    versions = {name: importlib.import_module(name).__version__ for name in ("numpy", *packages)}
    return {
        "cpu": _cpu(),
        "isa": config["isa"],
        "threads": threads,
        "dtype": "float32",
        "fastcnn": fastcnn.__version__,
        **versions,
        **_TUNING,
    }


def _cpu() -> str:
    """Return the processor's name, as Linux tells it, or its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


# --- Kernels -------------------------------------------------------------------------------------------------------------


def layer_times(peers: Sequence[Peer], layer: workloads.Layer, op: str, threads: int, rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of an operation of a layer by all `peers`, on one thread and on `threads`, in each turn, and of the yardstick.

    They are keyed by name and number of threads, "fastcnn, 1"; the yardstick is the "peak".
    """
    contenders = {"peak": bench.Contender(functools.partial(_core.fma_rounds, _FMA_ROUNDS, False))}
    for peer in peers:
        task = peer.layer(layer, workloads.arrays(layer))[op]
        for count in sorted({1, threads}):
            use = functools.partial(peer.set_threads, count)
            use()
            what = f"{op} of {layer.name} by {peer.name} on {count} threads"
            bench.check(task.result(), workloads.expected(layer, op), bench.rounding(layer.terms(op)), what)
            contenders[f"{peer.name}, {count}"] = bench.Contender(task.run, use)
    return bench.interleave(contenders, rounds, bench.SECONDS)


def compare_layer(layer: workloads.Layer, op: str, threads: int, times: dict[str, np.ndarray]) -> Record:
    """Return what the `times` of all turns come to."""
    peak = _core.fma_rounds(_FMA_ROUNDS, False) / times.pop("peak")
    ours = times[f"{FastCNN.name}, 1"]
    record: Record = {"layer": layer.name, "shape": str(layer), "op": op, "flops": layer.flops, "fma_peak": float(np.median(peak))}
    record["share_of_peak"] = float(np.median(layer.flops / ours / peak))
    record["speedup"] = float(np.median(ours / times[f"{FastCNN.name}, {threads}"]))
    record["seconds"] = {name: float(np.median(taken)) for name, taken in times.items()}
    record["ratio"] = {
        name: float(np.median(taken / times[f"{FastCNN.name}, {name.rpartition(', ')[2]}"])) for name, taken in times.items()
    }
    return record


def kernels(arguments: argparse.Namespace) -> Record:
    """Compare the layers in the files given."""
    threads, peers = arguments.threads, [kind(arguments.threads) for kind in (FastCNN, PyTorch) if kind.available()]
    layers = [layer for path in arguments.shapes for layer in workloads.read_layers(path)]
    layers = [layer if arguments.batch is None else layer._replace(n=arguments.batch) for layer in layers]
    turns: dict[tuple[workloads.Layer, str], list[dict[str, np.ndarray]]] = {(layer, op): [] for layer in layers for op in workloads.OPS}
    for rounds in (len(part) for part in np.array_split(np.arange(arguments.rounds), min(PASSES, arguments.rounds))):
        for (layer, op), passes in turns.items():
            passes.append(layer_times(peers, layer, op, threads, rounds))
    columns = ["layer", "operation", "GFLOP/s", "of peak"]
    columns += [f"speed-up on {threads} threads"] * (threads > 1)
    for peer in peers[1:]:
        columns += [f"{peer.name} GFLOP/s", "its time ÷ ours"] + [f"the same, {threads} threads"] * (threads > 1)
    about = machine(threads, [package for peer in peers for package in peer.packages])
    note = "On one thread, but where it says otherwise. GFLOP/s count the direct method's operations; one with fewer can exceed the peak."
    _begin("Kernels", about, note, columns)
    records = []
    for (layer, op), passes in turns.items():
        times = {name: np.concatenate([each[name] for each in passes]) for name in passes[0]}
        records.append(compare_layer(layer, op, threads, times))
        _print_row(_kernel_cells(records[-1], [peer.name for peer in peers[1:]], threads))
    print()
    for op in workloads.OPS:
        print(_summary(op, [record for record in records if record["op"] == op]))
    return {"machine": about, "rounds": arguments.rounds, "records": records}


def _kernel_cells(record: Record, others: Sequence[str], threads: int) -> list[str]:
    def rate(name: str) -> str:
        return f"{record['flops'] / record['seconds'][name] / 1e9:.1f}"

    cells = [record["layer"], record["op"], rate(f"{FastCNN.name}, 1"), f"{record['share_of_peak']:.0%}"]
    cells += [f"{record['speedup']:.2f}"] * (threads > 1)
    for name in others:
        cells += [rate(f"{name}, 1"), *(f"{record['ratio'][f'{name}, {count}']:.2f}" for count in sorted({1, threads}))]
    return cells


def _summary(op: str, records: Sequence[Record]) -> str:
    """Say in a line how the layers came off in one operation."""
    shares = [record["share_of_peak"] for record in records]
    speedups = [record["speedup"] for record in records]
    parts = [f"share of the peak {min(shares):.0%} to {max(shares):.0%}, median {np.median(shares):.0%}"]
    parts.append(f"speed-up by threads {min(speedups):.2f} to {max(speedups):.2f}, median {np.median(speedups):.2f}")
    for name in records[0]["ratio"]:
        if not name.startswith(FastCNN.name):
            ratios = [record["ratio"][name] for record in records]
            mean = np.exp(np.mean(np.log(ratios)))
            parts.append(f"time of {name.replace(', ', ' on ')} ÷ ours {min(ratios):.2f} to {max(ratios):.2f}, geometric mean {mean:.2f}")
    return f"- {op}: {'; '.join(parts)}"


# --- Network -------------------------------------------------------------------------------------------------------------


def network(arguments: argparse.Namespace) -> Record:
    """Compare the network of ``fastcnn train`` in all libraries that are installed."""
    kinds = [kind for kind in _peers.NETWORKS if kind.available()]
    networks = [bench.open_network(kind, arguments.threads) for kind in kinds]
    about = machine(arguments.threads, sorted({package for kind in kinds for package in kind.packages}))
    x, y = bench.digits(arguments.data)
    works = [(name, work, arguments.rounds) for name, work in bench.network_works(networks).items()]
    many = np.resize(x, (MANY, *x.shape[1:]))
    predictions: bench.Work = {net.name: functools.partial(net.predict_many, many) for net in networks}
    works.append((f"prediction, {MANY} images", predictions, arguments.epochs))
    epoch: bench.Work = {net.name: functools.partial(net.fit, x, y) for net in networks if net.trains}
    works.append((f"epoch, {len(x)} images ({arguments.data})", epoch, arguments.epochs))
    note = f"FMA peak of one thread: {bench.fma_peak() / 1e9:.0f} GFLOP/s. Absent: {_absent() or 'nobody'}."
    _begin("Network", about, note, ["work", "by", "median", "its time ÷ ours"])
    records = []
    for name, work, rounds in works:
        times = bench.interleave({by: bench.Contender(run) for by, run in work.items()}, rounds, bench.SECONDS, bench.REST)
        for by, taken in times.items():
            record = {"work": name, "by": by, "rounds": rounds, "seconds": float(np.median(taken))}
            record["ratio"] = float(np.median(taken / times[FastCNN.name]))
            records.append(record)
            _print_row([name, by, bench.duration(record["seconds"]), f"{record['ratio']:.2f}"])
    return {"machine": about, "records": records}


def _absent() -> str:
    return ", ".join(kind.name for kind in _peers.NETWORKS if not kind.available())


# --- The command ---------------------------------------------------------------------------------------------------------


def _begin(title: str, about: Record, note: str, columns: Sequence[str]) -> None:
    """Print all that comes before a table's rows."""
    print(f"# {title}\n\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.\n\n{note}\n", flush=True)
    _print_row(columns)
    _print_row(["---"] * len(columns))


def _print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True, metavar="MODE")
    for run in (kernels, network, footprint.footprint):
        mode = modes.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0])
        mode.set_defaults(run=run)
        mode.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
        mode.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="for all libraries (%(default)s)")
        mode.add_argument("--rounds", type=int, default=15, help="turns of each contender (%(default)s)")
        if run is kernels:
            mode.add_argument("shapes", nargs="*", type=Path, default=sorted(workloads.SHAPES.glob("*.txt")), help="files of shapes (all)")
            mode.add_argument("--batch", type=int, help="images, in place of those that the files say")
        if run is network:
            mode.add_argument("--data", choices=("sample", "mnist"), default="sample", help="what an epoch goes through")
            mode.add_argument("--epochs", type=int, default=5, help="turns for an epoch and for many predictions (%(default)s)")
    arguments = parser.parse_args(args)
    result = arguments.run(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
