"""Cut the package's sample of digits out of MNIST.

    python tools/make_mnist_sample.py mnist.npz [sample.npz]

From the training set 500 of each digit are chosen at random, with a fixed seed, and from the test set 100 of each; they stay in their
order. The same input gives the same file, byte for byte, under one version of liblzma: its arrays are compressed with LZMA, as a zip
file's may be, which takes 840 KB where the usual deflation takes 990, and `numpy.load` reads them all the same.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np

SEED = 2025
PER_DIGIT = {"train": 500, "test": 100}
SAMPLE = Path(__file__).resolve().parents[1] / "src/fastcnn/datasets/mnist_sample.npz"


def choose(labels: np.ndarray, per_digit: int, rng: np.random.Generator) -> np.ndarray:
    """Return the sorted indices of `per_digit` labels of each digit."""
    return np.sort(np.concatenate([rng.choice(np.flatnonzero(labels == digit), per_digit, replace=False) for digit in range(10)]))


def main() -> None:
    """Read the arguments and write the sample."""
    parser = argparse.ArgumentParser(description="Cut the package's sample of digits out of MNIST.")
    parser.add_argument("source", help="MNIST as Keras stores it")
    parser.add_argument("output", nargs="?", default=SAMPLE, help="by default the file in the package")
    arguments = parser.parse_args()
    rng = np.random.default_rng(SEED)
    sample = {}
    with np.load(arguments.source, allow_pickle=False) as mnist:
        for part, per_digit in PER_DIGIT.items():
            chosen = choose(mnist[f"y_{part}"], per_digit, rng)
            sample |= {f"{name}_{part}": mnist[f"{name}_{part}"][chosen] for name in "xy"}
    with zipfile.ZipFile(arguments.output, "w") as file:
        for name, array in sample.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the time
            entry.compress_type = zipfile.ZIP_LZMA
            with file.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


if __name__ == "__main__":
    main()
