"""What all benchmarks share: the libraries, opened once, and a measurement with what is to be known about it.

All libraries use as many threads as fastcnn does by default; ``FASTCNN_NUM_THREADS`` says otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from peers import PEERS, Peer

import fastcnn
from fastcnn import _peers, bench

THREADS = fastcnn.get_num_threads()
#: The fixture measures the peak so many times before each benchmark, and keeps the median.
_PEAKS = 3


def _installed(kind: Any) -> Any:
    """Return `kind`, or skip the benchmark and say for whom."""
    if not kind.available():
        pytest.skip(f"{kind.name} is not installed")
    return kind


@functools.cache
def _open_peer(kind: type[Peer]) -> Peer:
    return kind(THREADS)


@functools.cache
def _open_network(kind: type[_peers.Network]) -> _peers.Network:
    return bench.open_network(kind, THREADS)


@pytest.fixture(params=PEERS, ids=lambda kind: kind.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each library's functions."""
    return _open_peer(_installed(request.param))


@pytest.fixture(params=_peers.NETWORKS, ids=lambda kind: kind.name)
def network(request: pytest.FixtureRequest) -> _peers.Network:
    """Each library's network, which has been checked against ours."""
    return _open_network(_installed(request.param))


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., None]:
    """Return a function that times `run` and notes what was done, by whom, how, and what the machine could do at that time."""

    def measure(run: Callable[[], object], *, kind: str, work: str, by: str, shape: object, flops: int | None = None) -> None:
        benchmark.group = f"{kind}: {work}"
        benchmark.extra_info.update(
            kind=kind,
            work=work,
            by=by,
            shape=str(shape),
            flops=flops,
            threads=THREADS,
            dtype="float32",
            fma_peak=float(np.median([bench.fma_peak(THREADS) for _ in range(_PEAKS)])),
        )
        benchmark(run)

    return measure
