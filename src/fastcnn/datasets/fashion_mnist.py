"""Fashion-MNIST: 70,000 pictures of clothes in ten classes, by H. Xiao, K. Rasul and R. Vollgraf, Zalando SE (MIT licence)."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np

from fastcnn.datasets import _files, _pairs

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

#: Where Keras has the files that Zalando published.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

_FOLDER = "fashion-mnist"


def load_data() -> _pairs.Pairs:
    """Return Fashion-MNIST's pictures, downloaded if no folder has them.

    The files, as Zalando named them, are looked for in the folder ``fashion-mnist`` of ``$FASTCNN_DATA_DIR``, of Keras's cache, and of
    ``/usr/share/datasets``, where Debian's package ``dataset-fashion-mnist`` puts them. Downloads go to Keras's cache.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images, uint8 (60000, 28, 28) and (10000, 28, 28); their classes, uint8 (60000,) and (10000,), which `CLASS_NAMES` names.

    Raises
    ------
    OSError
        If a file is nowhere and cannot be had.
    ValueError
        If a file that was found is broken or holds something else.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms.
    arXiv:1708.07747, 2017. The layout is that of ``keras.datasets.fashion_mnist``.

    Examples
    --------
    >>> from fastcnn.datasets import fashion_mnist
    >>> fashion_mnist.CLASS_NAMES[9]
    'Ankle boot'
    """
    return _load("train"), _load("t10k")


def _load(part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _fetch(f"{part}-images-idx3-ubyte.gz"), _fetch(f"{part}-labels-idx1-ubyte.gz")
    try:
        pair = _read_idx(images, 3), _read_idx(labels, 1)
        _pairs.check(*pair, (28, 28))
    except Exception as error:  # gzip, zlib and numpy raise many kinds for a broken file
        raise ValueError(f"{str(images)!r} and {labels.name} do not hold Fashion-MNIST: {error}") from error
    return pair


def _fetch(name: str) -> Path:
    or_else = ", or install Debian's package dataset-fashion-mnist"
    return _files.fetch("Fashion-MNIST", URL + name, SHA256[name], f"{_FOLDER}/{name}", or_else=or_else)


def _read_idx(path: Path, axes: int) -> np.ndarray:
    """The array of bytes in a file of the kind idx: two zeros, 8 for bytes, the number of axes, their lengths (big-endian), the bytes."""
    with gzip.open(path, "rb") as file:
        if file.read(4) != bytes([0, 0, 8, axes]):
            raise ValueError(f"{path.name} is no idx file of bytes in {axes} axes")
        shape = np.frombuffer(file.read(4 * axes), ">u4").tolist()
        size = math.prod(shape)
        _pairs.check_size(size)
        content = file.read(size + 1)  # one more: it must end there, and gzip's checksum is looked at only at the end
    if len(content) != size:
        raise ValueError(f"{path.name} holds {len(content)} bytes or more, not {size}")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()
