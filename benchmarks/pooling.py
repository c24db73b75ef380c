"""How close max pooling comes to the speed of copying: 2 x 2 of the plane behind the first convolution of `fastcnn train`.

    python benchmarks/pooling.py --threads 2 > benchmarks/results/pooling.md

The yardstick is a copy of the images with as many threads, in turns with the pooling in each library. Bandwidths count the bytes that must
be read and written: for the pooling images and maxima, for the copy the images twice. All of it begins on cache lines, as the results of
convolutions do, and fits into a third-level cache.
"""

from __future__ import annotations

import argparse
import functools

import numpy as np
from peers import PEERS, aligned
from versus import machine

import fastcnn
from fastcnn import _core, bench

SHAPE = 128, 26, 26, 32


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="for all libraries (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (%(default)s)")
    arguments = parser.parse_args()
    x = aligned(np.random.default_rng(1).standard_normal(SHAPE, np.float32))
    n, h, w, c = SHAPE
    expected, lines = x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4)), n * h
    fastcnn.set_num_threads(arguments.threads)
    copy = functools.partial(_core.gather_rows, lines, lines, x.nbytes // lines, x, np.arange(lines), aligned(x))
    contenders, moved = {"copy": bench.Contender(copy)}, {"copy": 2 * x.nbytes}
    peers = [kind(arguments.threads) for kind in PEERS if kind.available()]
    for peer in peers:
        task = peer.max_pool2d(x)
        bench.check(task.result(), expected, 0, f"pooling by {peer.name}")
        contenders[peer.name] = bench.Contender(task.run)
        moved[peer.name] = x.nbytes + expected.nbytes
    times = bench.interleave(contenders, arguments.rounds, bench.SECONDS, bench.REST)
    about = machine(arguments.threads, sorted({package for peer in peers for package in peer.packages}))
    print(f"# Max pooling, {'x'.join(map(str, SHAPE))} by 2x2\n\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.\n")
    print("| by | median | GB/s | share of the copy's | its time ÷ ours |\n| --- | --: | --: | --: | --: |")
    for name, taken in times.items():
        share = np.median(times["copy"] / taken) * moved[name] / moved["copy"]
        ratio = np.median(taken / times["fastcnn"])
        cells = bench.duration(float(np.median(taken))), f"{moved[name] / np.median(taken) / 1e9:.1f}", f"{share:.0%}", f"{ratio:.2f}"
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
