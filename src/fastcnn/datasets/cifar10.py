"""CIFAR-10: 60,000 small pictures in colour of ten classes of things, by A. Krizhevsky."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fastcnn.datasets import _files, _pairs

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

#: The file that Keras loads, and what it holds.
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"

#: The author's name, and those of Keras 3 and Keras 2.
_NAMES = ("cifar-10-python.tar.gz", "cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz")

_TRAIN = [f"data_batch_{number}" for number in range(1, 6)]
_TEST = "test_batch"


def load_data() -> _pairs.Pairs:
    """Return CIFAR-10's pictures, downloaded (170 MB) if no folder has them.

    The file ``cifar-10-python.tar.gz``, by this name or those that Keras gives it, is looked for in the folder ``$FASTCNN_DATA_DIR``,
    then in Keras's cache, then in ``/usr/share/datasets``. A download goes to Keras's cache. It holds pickles, so it is opened only if
    it is, to the bit, the file that is known, and no more than arrays is made of it then.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images, uint8 (50000, 32, 32, 3) and (10000, 32, 32, 3), red, green and blue; their classes, uint8 (50000, 1) and (10000, 1), as
        Keras has them, which `CLASS_NAMES` names.

    Raises
    ------
    OSError
        If the file is nowhere and cannot be had.
    ValueError
        If the file that was found is another.

    References
    ----------
    A. Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto, 2009.
    The layout is that of ``keras.datasets.cifar10``.

    Examples
    --------
    >>> from fastcnn.datasets import cifar10
    >>> cifar10.CLASS_NAMES[3]
    'cat'
    """
    return _read(_files.fetch("CIFAR-10", URL, SHA256, *_NAMES))


def _read(path: Path) -> _pairs.Pairs:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != SHA256:
            raise ValueError(f"{str(path)!r} is not the file of CIFAR-10 that is known: its SHA-256 is {digest}, not {SHA256}")
        file.seek(0)
        parts = {}
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in (*_TRAIN, _TEST):
                    parts[name] = _read_batch(archive.extractfile(member))
    images, labels = zip(*(parts[name] for name in _TRAIN), strict=True)
    return (np.concatenate(images), np.concatenate(labels)), parts[_TEST]


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays of NumPy and what pickles know by themselves: numbers, text, lists, dictionaries. No function of anyone's is called."""

    _KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a pickle of arrays") from None


def _read_batch(file: Any) -> tuple[np.ndarray, np.ndarray]:
    batch = _ArrayUnpickler(file, encoding="bytes").load()  # of Python 2, where text was bytes
    images = np.ascontiguousarray(batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    labels = np.array(batch[b"labels"], np.uint8)
    _pairs.check(images, labels, (32, 32, 3))
    return images, labels[:, None]
