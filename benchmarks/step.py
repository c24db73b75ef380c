"""Where the time of a training step goes: into kernels, and into Python between them.

    python benchmarks/step.py --threads 2 --json benchmarks/results/step.json > benchmarks/results/step.md

A step is one of `fit`, with everything that belongs to it: shuffling and gathering the batch, the layers, the loss, the metrics, the
optimizer. What is not spent inside of the kernels counts as Python: NumPy's functions, too, to look at the clock twice for each of some
twenty kernels, and whatever makes Python slower between kernels than alone. What Python does is also timed by itself, in steps
whose kernels do nothing.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from versus import machine

import fastcnn
from fastcnn import _core, _peers, bench, networks

_NOT_KERNELS = {"compiler", "fma_rounds", "get_num_threads", "isas", "select_isa", "selected_isa", "set_least_share", "set_num_threads"}
KERNELS = sorted(
    name for name in vars(_core) if name.islower() and name[0] != "_" and callable(getattr(_core, name)) and name not in _NOT_KERNELS
)


@contextlib.contextmanager
def replaced_kernels(replace: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Put what `replace` makes of each kernel in its place meanwhile."""
    kernels = {name: getattr(_core, name) for name in KERNELS}
    try:
        for name, kernel in kernels.items():
            setattr(_core, name, replace(name, kernel))
        yield
    finally:
        for name, kernel in kernels.items():
            setattr(_core, name, kernel)


@contextlib.contextmanager
def watched_kernels() -> Iterator[dict[str, float]]:
    """Time every call of a kernel meanwhile; yield the seconds by the kernels' names."""
    seconds: dict[str, float] = collections.defaultdict(float)

    def timed(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(kernel)
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return kernel(*arguments)
            finally:
                seconds[name] += time.perf_counter() - start

        return call

    with replaced_kernels(timed):
        yield seconds


def measure(threads: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the medians of the seconds of a step, of its kernels by name, and of what is left."""
    model, (x, y) = networks.mnist_network(), bench.digits()
    steps = len(x) // batch
    x, y = x[: steps * batch], y[: steps * batch]

    def epoch() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
        return (time.perf_counter() - start) / steps

    with fastcnn.num_threads(threads):
        epoch()
        wholes, parts = [], []
        for _ in range(rounds):
            with watched_kernels() as seconds:
                wholes.append(epoch())
            parts.append({name: spent / steps for name, spent in seconds.items()})
        with replaced_kernels(lambda name, kernel: lambda *arguments: None), np.errstate(all="ignore"):  # results are whatever was there
            alone = [epoch() for _ in range(rounds)]
    kernels = {name: float(np.median([spent[name] for spent in parts])) for name in parts[0]}
    python = np.array(wholes) - [sum(spent.values()) for spent in parts]
    return {
        "machine": machine(threads, []),
        "batch": batch,
        "rounds": rounds,
        "step": float(np.median(wholes)),
        "python": float(np.median(python)),
        "python_alone": float(np.median(alone)),
        "share": float(np.median(python / wholes)),
        "kernels": dict(sorted(kernels.items(), key=lambda item: -item[1])),
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=_peers.BATCH, help="images a step (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="epochs of each kind (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    arguments = parser.parse_args()
    result = measure(arguments.threads, arguments.batch, arguments.rounds)
    print(f"# A training step\n\n{'; '.join(f'{key}: {value}' for key, value in result['machine'].items())}.\n")
    print(f"The network of `fastcnn train`, {result['batch']} images a step, in `fit`. Medians of {result['rounds']} epochs.\n")
    print("| what | a step | share |\n| --- | --: | --: |")
    rows = {"step": result["step"], **result["kernels"], "Python, between the kernels": result["python"]}
    rows["Python, if kernels did nothing"] = result["python_alone"]
    for name, seconds in rows.items():
        print(f"| {name} | {bench.duration(seconds)} | {seconds / result['step']:.1%} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
