"""How long Ctrl-C takes to come through: from the signal until the call has raised KeyboardInterrupt, for calls that take long.

    python benchmarks/interrupts.py --threads 2 --json benchmarks/results/interrupts.json > benchmarks/results/interrupts.md

Each call is run whole once, for how long it takes, and then begun again and again, with a SIGINT at a random moment of its first second.
To give back what the call had taken, up to gigabytes of results, is part of the time. Some calls have one huge image, row or window.
"""

from __future__ import annotations

import argparse
import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from versus import machine

import fastcnn
from fastcnn import networks
from fastcnn.bench import duration
from fastcnn.ops import normalize, updates

Call = Callable[[], Any]
#: What is promised.
MOST = 0.2


def zeros(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Return zeros: kernels take as long for them as for other numbers, and they take no memory while nobody writes them."""
    return np.zeros(shape, dtype)


def conv2d(x: np.ndarray, w: np.ndarray, **options: Any) -> Call:
    return functools.partial(fastcnn.conv2d, x, w, padding="same", **options)


def conv2d_backward(x: np.ndarray, w: np.ndarray, first: float = 0, **options: Any) -> Call:
    dy = zeros(*x.shape[:3], w.shape[3], dtype=x.dtype)
    dy[0, 0, 0, 0] = first
    return functools.partial(fastcnn.conv2d_backward, dy, x, w, padding="same", **options)


def unpool(x: np.ndarray) -> Call:
    n, h, w, c = x.shape
    indices = np.zeros((n, h // 2, w // 2, c), np.int64)
    return functools.partial(fastcnn.max_pool2d_backward, zeros(*indices.shape), indices, x.shape)


def train(batch: int) -> Call:
    model = networks.mnist_network()
    model.compile("adam", "sparse_categorical_crossentropy")
    return functools.partial(model.train_on_batch, zeros(batch, 28, 28, 1), np.zeros(batch, np.int64))


def adam(n: int) -> Call:
    weights, gradients, mean, square = (zeros(n) for _ in range(4))
    return lambda: updates.step("adam", weights, gradients, [0.001, 0.1, 0.001, 1e-7], [mean, square])


CALLS: Mapping[str, Callable[[], Call]] = {
    "conv2d, 5x5, 64 images": lambda: conv2d(zeros(64, 112, 112, 64), zeros(5, 5, 64, 64)),
    "conv2d_backward, the same": lambda: conv2d_backward(zeros(32, 112, 112, 64), zeros(5, 5, 64, 64)),
    "conv2d, 5x5, one image": lambda: conv2d(zeros(1, 1000, 1000, 64), zeros(5, 5, 64, 64)),
    "conv2d_backward, the same image": lambda: conv2d_backward(zeros(1, 700, 700, 64), zeros(5, 5, 64, 64)),
    "conv2d, 3x3, 128 images": lambda: conv2d(zeros(128, 112, 112, 64), zeros(3, 3, 64, 64)),
    "conv2d_backward, 3x3, the same": lambda: conv2d_backward(zeros(64, 112, 112, 64), zeros(3, 3, 64, 64)),
    "conv2d, 3x3, one image": lambda: conv2d(zeros(1, 1501, 1501, 64), zeros(3, 3, 64, 64)),
    "conv2d_backward, 3x3, one image": lambda: conv2d_backward(zeros(1, 1001, 1001, 64), zeros(3, 3, 64, 64)),
    "conv2d_backward, 3x3, one image with a NaN": lambda: conv2d_backward(zeros(1, 501, 501, 64), zeros(3, 3, 64, 64), np.nan),
    "conv2d, 1x1": lambda: conv2d(zeros(64, 112, 112, 256), zeros(1, 1, 256, 256)),
    "conv2d_backward, 1x1": lambda: conv2d_backward(zeros(32, 112, 112, 256), zeros(1, 1, 256, 256)),
    "conv2d, 3x3, float64": lambda: conv2d(zeros(16, 112, 112, 64, dtype=float), zeros(3, 3, 64, 64, dtype=float)),
    "conv2d_backward, 3x3, float64": lambda: conv2d_backward(zeros(8, 112, 112, 64, dtype=float), zeros(3, 3, 64, 64, dtype=float)),
    "conv2d, depthwise": lambda: conv2d(zeros(128, 112, 112, 128), zeros(5, 5, 1, 128), groups=128),
    "conv2d_backward, depthwise": lambda: conv2d_backward(zeros(64, 112, 112, 128), zeros(5, 5, 1, 128), groups=128),
    "conv2d, groups of four": lambda: conv2d(zeros(128, 112, 112, 128), zeros(5, 5, 4, 128), groups=32),
    "conv2d_backward, groups of four": lambda: conv2d_backward(zeros(64, 112, 112, 128), zeros(5, 5, 4, 128), groups=32),
    "conv2d_backward, of images": lambda: conv2d_backward(zeros(128, 224, 224, 3), zeros(7, 7, 3, 64)),
    "conv2d_backward, of one image": lambda: conv2d_backward(zeros(1, 3000, 3000, 3), zeros(7, 7, 3, 64)),
    "conv2d_transpose": lambda: functools.partial(
        fastcnn.conv2d_transpose, zeros(64, 56, 56, 128), zeros(5, 5, 64, 128), stride=2, padding=2
    ),
    "dense, one row": lambda: functools.partial(fastcnn.dense, zeros(1, 40_000), zeros(40_000, 20_000)),
    "dense, many rows": lambda: functools.partial(fastcnn.dense, zeros(8_000, 4_000), zeros(4_000, 4_000)),
    "dense_backward": lambda: functools.partial(fastcnn.dense_backward, zeros(4_000, 4_000), zeros(4_000, 4_000), zeros(4_000, 4_000)),
    "max_pool2d": lambda: functools.partial(fastcnn.max_pool2d, zeros(128, 224, 224, 64), 3, stride=1),
    "max_pool2d, of all of an image": lambda: functools.partial(fastcnn.max_pool2d, zeros(1, 2900, 2900, 32), 2900),
    "max_pool2d with indices": lambda: functools.partial(fastcnn.max_pool2d, zeros(64, 224, 224, 64), 2, return_indices=True),
    "max_pool2d_backward": lambda: unpool(zeros(64, 224, 224, 64)),
    "max_pool2d_backward, one image": lambda: unpool(zeros(1, 3000, 3000, 32)),
    "avg_pool2d": lambda: functools.partial(fastcnn.avg_pool2d, zeros(128, 224, 224, 64), 3, stride=1),
    "avg_pool2d, of all of an image": lambda: functools.partial(fastcnn.avg_pool2d, zeros(1, 2900, 2900, 32), 2900),
    "avg_pool2d_backward": lambda: functools.partial(fastcnn.avg_pool2d_backward, zeros(64, 112, 112, 64), (64, 224, 224, 64), 2),
    "im2col": lambda: functools.partial(fastcnn.im2col, zeros(16, 224, 224, 32), 3),
    "im2col, of large patches": lambda: functools.partial(fastcnn.im2col, zeros(1, 1007, 1007, 8), 1000),
    "col2im": lambda: functools.partial(fastcnn.col2im, zeros(32, 222, 222, 288), (32, 224, 224, 32), 3),
    "relu": lambda: functools.partial(fastcnn.relu, zeros(500_000_000)),
    "relu_backward": lambda: functools.partial(fastcnn.relu_backward, zeros(400_000_000), zeros(400_000_000)),
    "gelu": lambda: functools.partial(normalize.activation, "gelu", zeros(400_000_000)),
    "gelu backward": lambda: functools.partial(normalize.activation_backward, "gelu", zeros(300_000_000), zeros(300_000_000)),
    "softmax": lambda: functools.partial(fastcnn.softmax, zeros(400_000, 1000)),
    "softmax, one row": lambda: functools.partial(fastcnn.softmax, zeros(1, 50_000_000)),
    "softmax_cross_entropy": lambda: functools.partial(fastcnn.softmax_cross_entropy, zeros(400_000, 1000), np.zeros(400_000, np.int64)),
    "moments": lambda: functools.partial(normalize.moments, zeros(3_000_000, 256)),
    "products": lambda: functools.partial(normalize.products, zeros(3_000_000, 128), zeros(3_000_000, 128), zeros(128)),
    "scale": lambda: functools.partial(normalize.scale, zeros(3_000_000, 128), zeros(128), zeros(128), zeros(128)),
    "gather, long rows": lambda: functools.partial(updates.gather, zeros(16, 50_000_000), np.arange(8), zeros(8, 50_000_000)),
    "uniform, one sample": lambda: functools.partial(updates.uniform, 1, 0, 0, np.zeros(1, np.int64), zeros(1, 500_000_000)),
    "InferenceSession.run": lambda: functools.partial(fastcnn.InferenceSession(networks.mnist_network()).run, zeros(100_000, 28, 28, 1)),
    "train_on_batch": lambda: train(30_000),
    "adam, done whole": lambda: adam(200_000_000),
}


#: A process of its own, which no call can hold up: sleeps for the seconds it reads, sends the signal, and prints when.
SENDER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    now = time.perf_counter()
    os.kill(os.getppid(), signal.SIGINT)
    print(now, flush=True)
"""


def delay(call: Call, seconds: float, sender: subprocess.Popen[str]) -> float | None:
    """Return how long after a signal, which comes after so many seconds, the call has raised; None if it was done before."""
    assert sender.stdin and sender.stdout
    done = False
    try:
        print(seconds, file=sender.stdin, flush=True)
        call()
        done = True
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        raised = time.perf_counter()
    sent = float(sender.stdout.readline())
    return None if done else raised - sent


def measure(name: str, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return how long a call takes, and how long its interruptions took."""
    call = CALLS[name]()
    start = time.perf_counter()
    call()
    whole = time.perf_counter() - start
    delays: list[float] = []
    with subprocess.Popen([sys.executable, "-c", SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
        while len(delays) < repeats:
            found = delay(call, rng.uniform(0, 0.7) * min(whole, 1), sender)
            delays += [] if found is None else [found]
    return {"call": name, "seconds": whole, "delays": delays}


def row(record: dict[str, Any]) -> str:
    """Return a row of the table."""
    delays: Sequence[float] = record["delays"]
    late = sum(each > MOST for each in delays)
    times = (record["seconds"], float(np.median(delays)), max(delays))
    return f"| {record['call']} | {' | '.join(map(duration, times))} | {late} of {len(delays)} |"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", nargs="*", metavar="CALL", help="the beginnings of the calls' names (all)")
    parser.add_argument("--repeats", type=int, default=100, help="interruptions of each call (%(default)s)")
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    arguments = parser.parse_args()
    fastcnn.set_num_threads(arguments.threads)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else what a shell runs in its background ignores it
    about = machine(arguments.threads, [])
    print(f"# Ctrl-C\n\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.\n")
    print(f"From the signal until KeyboardInterrupt was raised.\n\n| call | whole | median | longest | over {duration(MOST)} |")
    print("| --- | --: | --: | --: | --: |")
    rng = np.random.default_rng(1)
    records = []
    for name in CALLS:
        if name.startswith(tuple(arguments.calls or [""])):
            records.append(measure(name, arguments.repeats, rng))
            print(row(records[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": about, "calls": records}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
