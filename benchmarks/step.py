"""Where the time of a training step goes: into kernels, and into Python between them.

    CFLAGS="-include $PWD/benchmarks/kernel_clock.h" python setup.py build_ext --inplace --force
    python benchmarks/step.py --threads 2 --json benchmarks/results/step.json > benchmarks/results/step.md

A step is one of `fit`, with everything that belongs to it: shuffling and gathering the batch, the layers, the loss, the metrics, the
optimizer. A build of its own takes the time of the kernels, in C, from where the GIL is let go to where it is taken up again. The rest of
the wall time counts as Python: NumPy's functions, what hands arrays over to C, and whatever makes Python slower between kernels than
alone. What Python does is also timed by itself, in steps whose kernels do nothing. The two differ by several times: while kernels run, what
Python needs is driven out of the caches, by them and by whoever shares the processor, and it comes back line by line.

In `fit`, kernels that follow on each other run in one call into C, forward, and in another one back. The times of single kernels are from
epochs of their own, in which layers run one by one, and Python looks at the clock around each kernel.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from versus import machine

import fastcnn
from fastcnn import _core, _peers, bench, networks, objective

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


class _Nothing:
    """Kernels in a row that do nothing."""

    def __init__(self, *arguments: Any) -> None:
        del arguments

    def forward(self, *arguments: Any) -> None:
        del arguments

    backward = forward

    def cross_entropy(self, *arguments: Any) -> float:
        del arguments
        return 0.0


def kernel_clock() -> ctypes.c_double:
    """Return the seconds that were spent in kernels, of a build that has `kernel_clock.h`."""
    try:
        return ctypes.c_double.in_dll(ctypes.CDLL(_core.__file__), "fastcnn_kernel_seconds")
    except ValueError:
        raise SystemExit(f"the kernels were built without a clock; build them with one:\n{(__doc__ or '').splitlines()[2]}") from None


def measure(threads: int, batch: int, rounds: int, clock: ctypes.c_double, repeats: int = 1) -> dict[str, Any]:
    """Return the medians of the seconds of a step, of its kernels by name, and of what `clock` says is not theirs.

    An epoch goes through the sample of digits `repeats` times, so that it has about as many steps as one of MNIST.
    """
    x, y = (np.concatenate([part] * repeats) for part in bench.digits())
    steps = len(x) // batch
    x, y = x[: steps * batch], y[: steps * batch]
    in_passes, layer_by_layer, without_kernels = (networks.mnist_network() for _ in range(3))

    def epoch(model: Any) -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
        return (time.perf_counter() - start) / steps

    with fastcnn.num_threads(threads):
        epoch(in_passes)
        with mock.patch.object(objective, "in_passes", lambda network, *_: network):
            epoch(layer_by_layer)
        wholes, pythons, parts = [], [], []
        for _ in range(rounds):
            clock.value = 0
            wholes.append(epoch(in_passes))
            pythons.append(wholes[-1] - clock.value / steps)
            with watched_kernels() as seconds:
                epoch(layer_by_layer)
            parts.append({name: spent / steps for name, spent in seconds.items()})
        nothing = replaced_kernels(lambda name, kernel: lambda *arguments: True)
        with nothing, mock.patch.object(_core, "Training", _Nothing), np.errstate(all="ignore"):  # results are whatever was there
            alone = [epoch(without_kernels) for _ in range(rounds)]
    kernels = {name: float(np.median([spent[name] for spent in parts])) for name in parts[0]}
    return {
        "machine": machine(threads, []),
        "batch": batch,
        "rounds": rounds,
        "step": float(np.median(wholes)),
        "python": float(np.median(pythons)),
        "python_alone": float(np.median(alone)),
        "share": float(np.median(np.divide(pythons, wholes))),
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
    result = measure(arguments.threads, arguments.batch, arguments.rounds, kernel_clock(), repeats=10)
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
