"""Images and their labels, to train and to test with, in Keras's layout; what is not of that layout is refused."""

from __future__ import annotations

import os
import zipfile
from typing import TypeAlias

import numpy as np

from fastcnn.io.regular import open_regular

#: ``(x_train, y_train), (x_test, y_test)``.
Pairs: TypeAlias = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_CLASSES = 10
#: What a file may unpack to, a million digits: a packed file of a megabyte could be one of a gigabyte.
MAX_BYTES = 2**30


def read_digits(path: str | os.PathLike[str]) -> Pairs:
    """Return MNIST's digits in the ``.npz`` file at `path`.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it does not hold, in whole, x_train, y_train, x_test and y_test, uint8, images (N, 28, 28) and their labels (N,) from 0 to 9.
    """
    with open_regular(path) as file:
        try:
            check_size(sum(entry.file_size for entry in zipfile.ZipFile(file).infolist()))  # no more than these can be read
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            train, test = ((archive[f"x_{part}"], archive[f"y_{part}"]) for part in ("train", "test"))
            check(*train, (28, 28))
            check(*test, (28, 28))
            return train, test
        except Exception as error:  # zipfile, zlib and numpy raise many kinds for a broken file
            raise ValueError(f"{os.fspath(path)!r} does not hold MNIST's digits as Keras stores them: {error}") from error


def check_size(size: int) -> None:
    """Refuse a file that says that it unpacks to too many bytes, before they are unpacked."""
    if size > MAX_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, more than the {MAX_BYTES} that are allowed")


def check(images: np.ndarray, labels: np.ndarray, image_shape: tuple[int, ...]) -> None:
    """Check that the images are uint8 (N, *image_shape) and the labels uint8 (N,) from 0 to 9."""
    if images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise ValueError(f"images and labels must be uint8, got {images.dtype} and {labels.dtype}")
    if not len(images) or images.shape != (len(images), *image_shape) or labels.shape != (len(images),):
        axes = ", ".join(map(str, image_shape))
        raise ValueError(f"images must have shape (N, {axes}) and labels (N,), got {images.shape} and {labels.shape}")
    if labels.max() >= _CLASSES:
        raise ValueError(f"labels must be from 0 to {_CLASSES - 1}, got {labels.max()}")
