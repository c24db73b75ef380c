"""The network of ``fastcnn train`` in each library: a training step, an epoch, predictions.

The epoch is one of MNIST if ``FASTCNN_DATA_DIR`` has it, and one of the 5,000 digits in the package if not.
"""

from __future__ import annotations

import functools
import os

import pytest
import workloads

from fastcnn import _peers, bench

LAYERS = workloads.read_layers(workloads.SHAPES / "mnist.txt")


def forward_flops(images):
    return sum(layer.flops for layer in LAYERS) * images // LAYERS[0].n


def training_flops(images):
    """Three times as many: forward, and two gradients; but nobody needs the first layer's input gradient."""
    return 3 * forward_flops(images) - LAYERS[0].flops * images // LAYERS[0].n


@pytest.fixture
def trainable(network):
    if not network.trains:
        pytest.skip(f"{network.name} does not train")
    return network


def batch(images):
    return tuple(array[:images] for array in bench.digits())


def test_training_step(trainable, measure):
    x, y = batch(_peers.BATCH)
    step, work = functools.partial(trainable.train_step, x, y), f"training step, {len(x)} images"
    measure(step, kind="network", work=work, by=trainable.name, shape=x.shape, flops=training_flops(len(x)))


def test_epoch(trainable, measure):
    x, y = bench.digits("mnist" if os.environ.get("FASTCNN_DATA_DIR") else "sample")
    epoch, work = functools.partial(trainable.fit, x, y), f"epoch, {len(x)} images"
    measure(epoch, kind="network", work=work, by=trainable.name, shape=x.shape, flops=training_flops(len(x)))


@pytest.mark.parametrize("images", [1, _peers.BATCH])
def test_prediction(network, images, measure):
    x, _ = batch(images)
    predict, work = functools.partial(network.predict, x), f"prediction, {images} image{(images > 1) * 's'}"
    measure(predict, kind="network", work=work, by=network.name, shape=x.shape, flops=forward_flops(images))
