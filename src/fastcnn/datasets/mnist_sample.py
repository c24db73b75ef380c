"""A sample of MNIST's digits that is part of the package: see ``mnist_sample.LICENSE.txt`` for its authors and licence."""

from __future__ import annotations

from pathlib import Path

from fastcnn.datasets import _pairs

__all__ = ["PATH", "load_data"]

#: The file, in Keras's layout.
PATH = Path(__file__).with_name("mnist_sample.npz")


def load_data() -> _pairs.Pairs:
    """Return 5,000 digits of MNIST to train with and 1,000 to test with, as many of each class; no network is needed.

    The first are a part of MNIST's own training set and the others of its test set, chosen at random and left in MNIST's order.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images, uint8 (5000, 28, 28) and (1000, 28, 28), 0 for paper and 255 for ink; their digits, uint8 (5000,) and (1000,).

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. Proc. IEEE 86, 1998. The layout is
    that of ``keras.datasets.mnist``.

    Examples
    --------
    >>> from fastcnn.datasets import mnist_sample
    >>> (x_train, y_train), (x_test, y_test) = mnist_sample.load_data()
    >>> x_train.shape, x_test.shape
    ((5000, 28, 28), (1000, 28, 28))
    """
    return _pairs.read_digits(PATH)
