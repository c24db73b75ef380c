"""Data sets with Keras's names: `mnist`, `fashion_mnist`, `cifar10`; and `mnist_sample`, which is part of the package."""

from fastcnn.datasets import cifar10, fashion_mnist, mnist, mnist_sample

__all__ = ["cifar10", "fashion_mnist", "mnist", "mnist_sample"]
