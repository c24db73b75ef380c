"""How well the network of `fastcnn train` learns, beside Keras's twin on the same data.

    python benchmarks/accuracy.py --json benchmarks/results/accuracy.json > benchmarks/results/accuracy.md

Fashion-MNIST in full, 5 epochs, a seed each; and the sample of MNIST's digits inside the package, 15 epochs, several seeds, as it is and
with augmentation: digits turned by up to 14 degrees and moved by up to a tenth of the plane. Steps have 128 images. Every run begins with
weights of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from versus import machine

import fastcnn
from fastcnn import _peers
from fastcnn.datasets import fashion_mnist, mnist_sample

BATCH = 128


def network(of: Any, augmented: bool) -> Any:
    """Return the network, of Keras's layers or of ours."""
    layers = of.layers
    front = [layers.RandomRotation(0.04), layers.RandomTranslation(0.1, 0.1)] if augmented else []
    model = of.Sequential(
        [
            of.Input(shape=(28, 28, 1)),
            *front,
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def accuracies(of: Any, seed: Any, data: Any, epochs: int, seeds: Sequence[int], augmented: bool) -> list[float]:
    """Train once for each of `seeds`, and return the accuracies on the test set."""
    (x, y), (x_test, y_test) = data
    found = []
    for each in seeds:
        seed(each)
        model = network(of, augmented)
        model.fit(_scaled(x), y, batch_size=BATCH, epochs=epochs, verbose=0)
        found.append(float(model.evaluate(_scaled(x_test), y_test, batch_size=BATCH, verbose=0)[1]))
    return found


def _scaled(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / np.float32(255))[..., None]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=fastcnn.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings on the sample of each kind (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    arguments = parser.parse_args()
    fastcnn.set_num_threads(arguments.threads)
    _peers.tensorflow(arguments.threads)
    keras = importlib.import_module("keras")
    libraries = {"fastcnn": (fastcnn, fastcnn.random.set_seed), "Keras": (keras, keras.utils.set_random_seed)}
    seeds = range(1, arguments.seeds + 1)
    tasks = {
        "Fashion-MNIST, 5 epochs": (fashion_mnist.load_data(), 5, [1], False),
        "sample of MNIST, 15 epochs": (mnist_sample.load_data(), 15, seeds, False),
        "the same, augmented": (mnist_sample.load_data(), 15, seeds, True),
    }
    rows: dict[str, dict[str, list[float]]] = {}
    for title, (data, epochs, runs, augmented) in tasks.items():
        rows[title] = {name: accuracies(of, seed, data, epochs, runs, augmented) for name, (of, seed) in libraries.items()}
    about = machine(arguments.threads, ["keras", "tensorflow"])
    print(f"# Accuracy\n\n{'; '.join(f'{key}: {value}' for key, value in about.items())}.\n")
    print("Test accuracies of the network of `fastcnn train`: means, and the lowest and the highest of several seeds.\n")
    print("| data | seeds | fastcnn | Keras |\n| --- | --: | --: | --: |")
    for title, found in rows.items():
        cells = [
            f"{np.mean(values):.2%}" + (f" ({min(values):.2%} to {max(values):.2%})" if len(values) > 1 else "")
            for values in found.values()
        ]
        print(f"| {title} | {len(found['fastcnn'])} | {' | '.join(cells)} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": about, "accuracies": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
