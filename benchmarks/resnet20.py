"""Training a ResNet-20 for pictures of 32x32 pixels, against Keras and PyTorch, in one process and in turns.

    python benchmarks/resnet20.py --threads 2 --json benchmarks/results/resnet20.json > benchmarks/results/resnet20.md

The network of K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, CVPR 2016, section 4.2, with 1x1 convolutions
where a shortcut changes its shape: 274,042 parameters with those of the normalizations. Data are random: for times they will do. Each
library makes steps of Adam on the same batch; ours and Keras's begin with the same weights, and their first losses must agree.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from versus import machine

import fastcnn
from fastcnn import _core, _peers, bench

CLASSES = 10
STAGES = ((16, 1), (32, 2), (64, 2))
BLOCKS = 3


def residual_network(of: Any, model: Any) -> Any:
    """Return the network, of the layers and the model class of Keras or of fastcnn."""
    layers = of.layers

    def normalized(x: Any, filters: int, size: int, stride: int, relu: bool) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization()(x)
        return layers.Activation("relu")(x) if relu else x

    inputs = of.Input(shape=(32, 32, 3))
    x = normalized(inputs, 16, 3, 1, True)
    for filters, first_stride in STAGES:
        for block in range(BLOCKS):
            stride = first_stride if block == 0 else 1
            shortcut = x if stride == 1 else normalized(x, filters, 1, stride, False)
            x = normalized(normalized(x, filters, 3, stride, True), filters, 3, 1, False)
            x = layers.Activation("relu")(layers.Add()([x, shortcut]))
    outputs = layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    result = model(inputs, outputs)
    result.compile("adam", "sparse_categorical_crossentropy")
    return result


def torch_network(torch: Any) -> Any:
    """Return the network in PyTorch, with channels last."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, channels: int, filters: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(filters, 1e-3, 0.01) for _ in range(2)])
            self.shortcut = None
            if stride != 1:
                self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters, 1e-3, 0.01))

        def forward(self, x: Any) -> Any:
            y = self.norms[1](self.second(torch.relu_(self.norms[0](self.first(x)))))
            return torch.relu_(y + (x if self.shortcut is None else self.shortcut(x)))

    blocks, channels = [], 16
    for filters, first_stride in STAGES:
        for block in range(BLOCKS):
            blocks.append(Block(channels, filters, first_stride if block == 0 else 1))
            channels = filters
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16, 1e-3, 0.01), nn.ReLU(inplace=True))
    net = nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))
    return net.to(memory_format=torch.channels_last)


class FastCNN:
    """Our own."""

    name = "fastcnn"

    def __init__(self, threads: int) -> None:
        fastcnn.set_num_threads(threads)
        self.model = residual_network(fastcnn, fastcnn.Model)

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Make a step; return its loss."""
        return float(self.model.train_on_batch(x, y))


class Keras:
    """Keras on TensorFlow; its step is a ``tf.function``."""

    name = "Keras"

    def __init__(self, threads: int) -> None:
        _peers.tensorflow(threads)
        keras = importlib.import_module("keras")
        self.model = residual_network(keras, keras.Model)

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Make a step; return its loss, since the metrics were reset."""
        return float(np.asarray(self.model.train_on_batch(x, y)))


class PyTorch:
    """PyTorch, eager, channels last."""

    name = "PyTorch"

    def __init__(self, threads: int) -> None:
        self._torch = torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
        self._net = torch_network(torch)
        self._optimizer = torch.optim.Adam(self._net.parameters(), eps=1e-7, fused=True)
        self._loss = torch.nn.CrossEntropyLoss()

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Make a step; return its loss."""
        self._optimizer.zero_grad()
        loss = self._loss(self._net(self._torch.from_numpy(x).permute(0, 3, 1, 2)), self._torch.from_numpy(y))
        loss.backward()
        self._optimizer.step()
        return float(loss.item())


def measure(threads: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of a step of each library, in turns, and the peak of the machine measured between them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, 32, 32, 3)).astype(np.float32)
    y = rng.integers(0, CLASSES, batch)
    ours = FastCNN(threads)
    theirs = Keras(threads)
    theirs.model.set_weights(ours.model.get_weights())
    peers: list[Any] = [ours, theirs, PyTorch(threads)]
    first, second = ours.step(x, y), theirs.step(x, y)
    if abs(first - second) > 1e-4 * abs(second):
        raise AssertionError(f"the first losses must agree, got {first} and {second}")
    contenders = {peer.name: bench.Contender(functools.partial(peer.step, x, y)) for peer in peers}
    contenders["peak"] = bench.Contender(functools.partial(_core.fma_rounds, 10_000, False))
    times = bench.interleave(contenders, rounds, 0.05)
    peak = _core.fma_rounds(10_000, False) / times.pop("peak")
    return {
        "machine": machine(threads, ["keras", "tensorflow", "torch"]),
        "batch": batch,
        "rounds": rounds,
        "parameters": ours.model.count_params(),
        "peak": float(np.median(peak)),
        "seconds": {name: float(np.median(taken)) for name, taken in times.items()},
        "ratios": {name: float(np.median(taken / times["fastcnn"])) for name, taken in times.items()},
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each library (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    arguments = parser.parse_args()
    result = measure(arguments.threads, arguments.batch, arguments.rounds)
    print(f"# A training step of ResNet-20\n\n{'; '.join(f'{key}: {value}' for key, value in result['machine'].items())}.\n")
    print(f"{result['parameters']:,} parameters, {result['batch']} images of 32x32x3 a step, Adam, medians of {result['rounds']} turns.")
    print(f"The FMA peak of a core was {result['peak'] / 1e9:.0f} GFLOP/s meanwhile.\n")
    print("| library | a step | images a second | its time / ours |\n| --- | --: | --: | --: |")
    for name, seconds in result["seconds"].items():
        print(f"| {name} | {bench.duration(seconds)} | {result['batch'] / seconds:,.0f} | {result['ratios'][name]:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
