"""MNIST: 70,000 handwritten digits, by Y. LeCun and C. Cortes (CC BY-SA 3.0)."""

from __future__ import annotations

import os
from pathlib import Path

from fastcnn.datasets import _files, _pairs

__all__ = ["find", "load_data"]

#: The file that Keras loads, and what it holds.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> _pairs.Pairs:
    """Return MNIST's digits, downloaded if no folder has them.

    The file is looked for in the folder ``$FASTCNN_DATA_DIR``, then in Keras's cache: ``datasets`` in ``$KERAS_HOME`` or, without
    that, in ``~/.keras``; then in ``/usr/share/datasets``. A download goes to Keras's cache.

    Parameters
    ----------
    path : path-like, default "mnist.npz"
        The file's name in those folders, or an absolute path.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images, uint8 (60000, 28, 28) and (10000, 28, 28), 0 for paper and 255 for ink; their digits, uint8 (60000,) and (10000,).

    Raises
    ------
    OSError
        If there is no file and none can be had.
    ValueError
        If the file that was found is broken or holds something else.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. Proc. IEEE 86, 1998.
    The layout and the order are those of ``keras.datasets.mnist``.

    Examples
    --------
    >>> from fastcnn.datasets import mnist, mnist_sample
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data(mnist_sample.PATH)  # a file of one's own
    >>> x_train.shape, y_train[:3]
    ((5000, 28, 28), array([6, 1, 7], dtype=uint8))
    """
    found = _files.fetch("MNIST", URL, SHA256, path, or_else=", or use fastcnn.datasets.mnist_sample, which needs no network")
    return _pairs.read_digits(found)


def find(path: str | os.PathLike[str] = "mnist.npz") -> Path | None:
    """Return where `load_data` would find the file without a network, or None.

    Parameters
    ----------
    path : path-like, default "mnist.npz"
        As for `load_data`.

    References
    ----------
    The folders are those of ``keras.utils.get_file``, and more.

    Examples
    --------
    >>> from fastcnn.datasets import mnist
    >>> mnist.find("no such file.npz") is None
    True
    """
    return _files.find(path)
