"""The kernels of each library, on the layers of ``shapes/*.txt``; pooling; and the plain loops that all this takes the place of."""

from __future__ import annotations

import numpy as np
import pytest
import workloads

from fastcnn import bench

LAYERS = [layer for path in sorted(workloads.SHAPES.glob("*.txt")) for layer in workloads.read_layers(path)]
POOLED = (128, 26, 26, 32)
LOOPS = bench.loop_works()


@pytest.mark.parametrize("op", workloads.OPS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layer(peer, layer, op, measure):
    task = peer.layer(layer, workloads.arrays(layer)).get(op)
    if task is None:
        pytest.skip(f"{peer.name} has no {op}")
    bench.check(task.result(), workloads.expected(layer, op), bench.rounding(layer.terms(op)), f"{op} of {layer.name} by {peer.name}")
    measure(task.run, kind=op, work=layer.name, by=peer.name, shape=layer, flops=layer.flops)


def test_max_pooling(peer, measure):
    x = np.random.default_rng(1).standard_normal(POOLED, np.float32)
    n, h, w, c = POOLED
    task = peer.max_pool2d(x)
    bench.check(task.result(), x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4)), 0, f"pooling by {peer.name}")
    measure(task.run, kind="pooling", work="max_pool2d, 128x26x26x32 by 2x2", by=peer.name, shape=POOLED)


@pytest.mark.parametrize(("work", "by"), [(work, by) for work, runs in LOOPS.items() for by in runs])
def test_loops(work, by, measure):
    measure(LOOPS[work][by], kind="plain loops", work=work, by=by, shape=work)
