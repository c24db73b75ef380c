"""Reading a file of digits in Keras's layout, and refusing one that is not."""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np

#: ``(x_train, y_train), (x_test, y_test)``.
Digits: TypeAlias = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def read(path: str | os.PathLike[str]) -> Digits:
    """Return the digits in the ``.npz`` file at `path`.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it does not hold, in whole, x_train, y_train, x_test and y_test, uint8, images (N, 28, 28) and their labels (N,) from 0 to 9.
    """
    with open(path, "rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            return _pair(archive, "train"), _pair(archive, "test")
        except Exception as error:  # zipfile, zlib and numpy raise many kinds for a broken file
            raise ValueError(f"{os.fspath(path)!r} does not hold MNIST's digits as Keras stores them: {error}") from error


def _pair(archive: np.lib.npyio.NpzFile, part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = archive[f"x_{part}"], archive[f"y_{part}"]
    if images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise ValueError(f"x_{part} and y_{part} must be uint8, got {images.dtype} and {labels.dtype}")
    if not len(images) or images.shape != (len(images), 28, 28) or labels.shape != (len(images),):
        raise ValueError(f"x_{part} must have shape (N, 28, 28) and y_{part} (N,), got {images.shape} and {labels.shape}")
    if labels.max() > 9:
        raise ValueError(f"y_{part} must be from 0 to 9, got {labels.max()}")
    return images, labels
