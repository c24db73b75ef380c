"""How well the network of `fastcnn train` learns, beside Keras's twin on the same data.

    python benchmarks/accuracy.py --json benchmarks/results/accuracy.json > benchmarks/results/accuracy.md

Fashion-MNIST in full, 5 epochs in steps of 32 images, the learning rate falling from 0.002 along a cosine; and the sample of MNIST's digits
inside the package, 15 epochs in steps of 128, as it is and with augmentation: digits turned by up to 14 degrees and moved by up to a tenth
of the plane. Several seeds of each; every run begins with weights of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from versus import machine

import fastcnn
from fastcnn import _peers, networks
from fastcnn.datasets import fashion_mnist, mnist_sample


class Task(NamedTuple):
    """What is learnt, and how: data as `load_data` gives them, how often they are gone through, and in steps of how many images."""

    data: Any
    epochs: int
    batch_size: int
    seeds: int
    falling_rate: bool = False
    augmented: bool = False


def network(of: Any, task: Task) -> Any:
    """Return the network, of Keras's layers or of ours, ready for a task."""
    layers = of.layers
    front = [layers.RandomRotation(0.04), layers.RandomTranslation(0.1, 0.1)] if task.augmented else []
    body = [getattr(layers, type(layer).__name__).from_config(layer.get_config()) for layer in networks.mnist_network().layers]
    model = of.Sequential([of.Input(shape=(28, 28, 1)), *front, *body])
    steps = task.epochs * -(-len(task.data[0][0]) // task.batch_size)
    rate = of.optimizers.schedules.CosineDecay(0.002, steps) if task.falling_rate else 0.001
    model.compile(optimizer=of.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracies(of: Any, set_seed: Any, task: Task) -> list[float]:
    """Train once for each seed, and return the accuracies on the test set."""
    (x, y), (x_test, y_test) = task.data
    found = []
    for seed in range(1, task.seeds + 1):
        set_seed(seed)
        model = network(of, task)
        model.fit(_scaled(x), y, batch_size=task.batch_size, epochs=task.epochs, verbose=0)
        found.append(float(model.evaluate(_scaled(x_test), y_test, batch_size=128, verbose=0)[1]))
    return found


def _scaled(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / np.float32(255))[..., None]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    arguments = parser.parse_args()
    fastcnn.set_num_threads(arguments.threads)
    _peers.tensorflow(arguments.threads)
    keras = importlib.import_module("keras")
    libraries = {"fastcnn": (fastcnn, fastcnn.random.set_seed), "Keras": (keras, keras.utils.set_random_seed)}
    tasks = {
        "Fashion-MNIST, 5 epochs": Task(fashion_mnist.load_data(), 5, 32, 3, falling_rate=True),
        "sample of MNIST, 15 epochs": Task(mnist_sample.load_data(), 15, 128, 5),
        "the same, augmented": Task(mnist_sample.load_data(), 15, 128, 5, augmented=True),
    }
    rows = {title: {name: accuracies(of, set_seed, task) for name, (of, set_seed) in libraries.items()} for title, task in tasks.items()}
    about = machine(arguments.threads, ["keras", "tensorflow"])
    print(f"# Accuracy\n\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.\n")
    print("Test accuracies of the network of `fastcnn train`: means, and the lowest and the highest of several seeds.\n")
    print("| data | seeds | fastcnn | Keras |\n| --- | --: | --: | --: |")
    for title, found in rows.items():
        cells = [f"{np.mean(values):.2%} ({min(values):.2%} to {max(values):.2%})" for values in found.values()]
        print(f"| {title} | {len(found['fastcnn'])} | {' | '.join(cells)} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": about, "accuracies": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
