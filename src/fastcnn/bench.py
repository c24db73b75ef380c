"""The command ``fastcnn bench``: plain loops and the network for digits, timed here and now, beside the libraries that are installed.

Machines are shared, and their clocks change. So what is to be compared runs in one process, in turns, and the medians count; a result
is checked before it is timed; and the machine's peak, what a core can multiply and add, is measured in the same run.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

import fastcnn
from fastcnn import _core, _peers, models, networks, reference
from fastcnn.datasets import mnist, mnist_sample
from fastcnn.profiling import Profile

#: How many turns a contender has, and how long one takes: at least a call.
ROUNDS = 9
SECONDS = 0.02
#: The seconds of nothing before a turn, where libraries with threads of their own take turns: theirs look out for work before they sleep.
REST = 0.1
#: How many turns' time the layers of a network are measured.
PROFILE_TURNS = 100
#: The images of a batch that loops can do in a bearable time.
LOOPED_IMAGES = 16
_FMA_ROUNDS = 10_000


# --- Measuring -----------------------------------------------------------------------------------------------------------


class Contender(NamedTuple):
    """Something to time, and what to do before each of its turns."""

    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


def interleave(contenders: Mapping[str, Contender], rounds: int, seconds: float, rest: float = 0) -> dict[str, np.ndarray]:
    """Time the contenders in turns: for each, the seconds that a call took in each of `rounds` turns.

    A turn repeats the call for about `seconds`, after some calls that are not timed, which bring the data back into the caches, and after
    `rest` seconds of nothing, in which the threads of whoever had the turn before fall asleep. A call of a second needs no calls before.
    """
    estimates = {name: _warmed_up(contender) for name, contender in contenders.items()}
    times = {name: np.empty(rounds) for name in contenders}
    for turn in range(rounds):
        for name, contender in contenders.items():
            calls = max(1, int(seconds / estimates[name]))
            time.sleep(rest)
            contender.prepare()
            if estimates[name] < 1:
                _time(contender.run, max(1, calls // 4))
            times[name][turn] = _time(contender.run, calls)
    return times


def _warmed_up(contender: Contender) -> float:
    """Call once for all that happens once; return the seconds that the next call took."""
    contender.prepare()
    contender.run()
    return _time(contender.run, 1)


def _time(run: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def fma_peak(threads: int = 1, double_precision: bool = False, seconds: float = SECONDS) -> float:
    """Measure how many floating-point operations `threads` threads do a second that only multiply and add, in registers."""
    rounds = _FMA_ROUNDS * max(1, int(seconds / _time(lambda: _core.fma_rounds(_FMA_ROUNDS, double_precision), 1)))
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        operations = sum(pool.map(lambda _: _core.fma_rounds(rounds, double_precision), range(threads)))
        return operations / (time.perf_counter() - start)


# --- Checking ------------------------------------------------------------------------------------------------------------


def rounding(terms: int) -> float:
    """Return by how much of its length a vector of sums of `terms` float32 products may be off.

    The roundings of a sum are at most ``eps / 2`` of a partial sum each, and as good as independent: together, about
    ``sqrt(terms) * eps / 2`` of its size. Four times that is allowed, and 2 eps for a bias and for the last rounding of both sides.
    """
    return float((2 * np.sqrt(terms) + 2) * np.finfo(np.float32).eps)


def check(actual: np.ndarray, expected: np.ndarray, allowed: float, what: str) -> None:
    """Raise a ValueError if `actual` has not the shape of `expected`, or is off by more than the share `allowed` of its length."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        raise ValueError(f"{what}: the result has shape {actual.shape}, not {expected.shape}; it is not timed")
    error = float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))
    if not error <= allowed:
        raise ValueError(f"{what}: the result is off by {error:.2g} of its size, and rounding explains {allowed:.2g}; it is not timed")


@functools.cache
def digits(data: str = "sample") -> tuple[np.ndarray, np.ndarray]:
    """Return the training digits of the sample, or of "mnist", as networks want them: float32 (N, 28, 28, 1) and int64 (N,)."""
    (x, y), _ = (mnist_sample if data == "sample" else mnist).load_data()
    return x[..., None] / np.float32(255), y.astype(np.int64)


def open_network(kind: type[_peers.Network], threads: int) -> _peers.Network:
    """Return a network of `kind`, once one without dropout has predicted as ours does, and learnt as much in a step.

    What it says of a digit went through five layers; what it learns, back through them too and over all pixels of a batch. A first
    step of Adam follows the signs of gradients, so rounding may turn some that are next to nothing, which the loss hardly feels.
    """
    x, y = (array[: _peers.BATCH] for array in digits())
    forward = sum(rounding(terms) for terms in (9, 9 * 32, 9 * 64, 576, 64))
    ours, theirs = _peers.FastCNN(threads, dropout=0), kind(threads, dropout=0)
    check(theirs.predict(x), ours.predict(x), forward, f"prediction by {kind.name}")
    if not kind.trains:
        return theirs
    losses = []
    for network in ours, theirs:
        network.train_step(x, y)
        losses.append(-np.log(network.predict(x)[range(len(y)), y]).mean())
    check(losses[1], losses[0], 4 * (2 * forward + rounding(_peers.BATCH * 26 * 26)), f"training step by {kind.name}")
    return kind(threads, dropout=0.5)


# --- What is measured ----------------------------------------------------------------------------------------------------

Work = dict[str, Callable[[], object]]


def _plain_max_pool2d(image: np.ndarray) -> np.ndarray:
    """Pool 2 x 2 by the loop that one would write: `reference.max_pool2d` knows padding and ties, and takes longer."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    pooled = np.zeros((height, width))
    for oh in range(height):
        for ow in range(width):
            pooled[oh, ow] = np.max(image[2 * oh : 2 * oh + 2, 2 * ow : 2 * ow + 2])
    return pooled


def loop_works() -> dict[str, Work]:
    """Return plain loops over one image and over a batch, and what takes their place, once checked."""
    images, kernel = digits()[0][:LOOPED_IMAGES], np.random.default_rng(1).standard_normal((3, 3), np.float32)
    image = images[0, :, :, 0]
    works: dict[str, Work] = {
        "convolve2d, 28x28 with 3x3": {
            "loops": lambda: reference.convolve2d(image, kernel),
            "fastcnn": lambda: fastcnn.convolve2d(image, kernel),
        },
        "max_pool2d, 28x28": {
            "loops": lambda: _plain_max_pool2d(image),
            "fastcnn": lambda: fastcnn.max_pool2d(image),
        },
        f"convolve2d, {len(images)} of 28x28": {
            "loops": lambda: [reference.convolve2d(plane, kernel) for plane in images[..., 0]],
            "fastcnn": lambda: fastcnn.conv2d(images, kernel[:, :, None, None])[..., 0],
        },
        f"max_pool2d, {len(images)} of 28x28": {
            "loops": lambda: [_plain_max_pool2d(plane) for plane in images[..., 0]],
            "fastcnn": lambda: fastcnn.max_pool2d(images)[..., 0],
        },
    }
    for name, work in works.items():
        check(np.array(work["fastcnn"]()), np.array(work["loops"]()), rounding(kernel.size), name)
    return works


def network_works(networks: Sequence[_peers.Network]) -> dict[str, Work]:
    """Return what the networks do: a step of training, and predictions."""
    x, y = (array[: _peers.BATCH] for array in digits())
    return {
        f"training step, {len(x)} images": {net.name: functools.partial(net.train_step, x, y) for net in networks if net.trains},
        "prediction, 1 image": {net.name: functools.partial(net.predict, x[:1]) for net in networks},
        f"prediction, {len(x)} images": {net.name: functools.partial(net.predict, x) for net in networks},
    }


# --- The command ---------------------------------------------------------------------------------------------------------


def main(args: Sequence[str]) -> int:
    """Run the command ``fastcnn bench`` with the arguments `args`, and return the exit status."""
    parser = argparse.ArgumentParser(prog="fastcnn bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="for all libraries (%(default)s)")
    parser.add_argument("--layers", action="store_true", help="profile the network's layers instead")
    parser.add_argument("--model", metavar="FILE", help="with --layers: another network, that `save` wrote")
    parser.add_argument("--batch", type=int, default=_peers.BATCH, help="with --layers: how many images (%(default)s)")
    arguments = parser.parse_args(args)
    for name in ("threads", "batch"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    with fastcnn.num_threads(arguments.threads):
        if arguments.layers:
            profile = _profile(arguments.model, arguments.batch)
            print(json.dumps(profile.to_dict()) if arguments.json else profile)
        else:
            report = _measure(arguments.threads)
            print(json.dumps(report) if arguments.json else _table(report))
    return 0


def _profile(path: str | None, batch: int) -> Profile:
    """Profile the model in the file at `path`, or the network of ``fastcnn train``, on noise."""
    model = networks.mnist_network() if path is None else models.load_model(path, compile=False)
    x = np.random.default_rng(1).standard_normal((batch, *(size or 1 for size in model.input_shape[1:])), np.float32)
    return model.profile(x, seconds=SECONDS * PROFILE_TURNS)


def _measure(threads: int) -> dict[str, Any]:
    networks = [open_network(kind, threads) for kind in _peers.NETWORKS if kind.available()]
    rows, peaks = [], []
    works = [(*item, 0.0) for item in loop_works().items()] + [(*item, REST) for item in network_works(networks).items()]
    for name, work, rest in works:
        times = interleave({peer: Contender(run) for peer, run in work.items()}, ROUNDS, SECONDS, rest)
        peaks.append(fma_peak())
        rows += [
            {"work": name, "by": peer, "seconds": float(np.median(taken)), "ratio": float(np.median(taken / times["fastcnn"]))}
            for peer, taken in times.items()
        ]
    config = fastcnn.show_config(mode="dicts") or {}
    return {
        **{key: config[key] for key in ("version", "isa", "threads")},
        "dtype": "float32",
        "fma_peak_gflops": float(np.median(peaks)) / 1e9,
        "results": rows,
        "absent": [kind.name for kind in _peers.NETWORKS if not kind.available()],
    }


def duration(seconds: float) -> str:
    """Return `seconds` with three digits and a unit.

    Examples
    --------
    >>> duration(0.00123), duration(4.5e-6), duration(12)
    ('1.23 ms', '4.5 µs', '12 s')
    """
    scale, unit = next((pair for pair in ((1, "s"), (1e-3, "ms")) if seconds >= pair[0]), (1e-6, "µs"))
    return f"{seconds / scale:.3g} {unit}"


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"fastcnn {report['version']}, {report['isa']}, {report['dtype']}, threads: {report['threads']}. "
        f"A core multiplies and adds at {report['fma_peak_gflops']:.0f} GFLOP/s.",
        "Medians; the last column is how many times as long as fastcnn it takes.",
    ]
    previous = None
    for row in report["results"]:
        if row["work"] != previous:
            previous = row["work"]
            lines += ["", previous]
        lines.append(f"  {row['by']:<20}{duration(row['seconds']):>10}{row['ratio']:>10.3g}")
    return "\n".join([*lines, "", *(f"{name}: not installed" for name in report["absent"])]).rstrip()
