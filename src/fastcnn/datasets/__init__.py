"""Data sets with Keras's names: `mnist`, `fashion_mnist`, `cifar10`; `mnist_sample`, a part of this package; and one's own pictures."""

from fastcnn.datasets import cifar10, fashion_mnist, mnist, mnist_sample
from fastcnn.datasets._image_folder import ImageFolder, image_folder

__all__ = ["ImageFolder", "cifar10", "fashion_mnist", "image_folder", "mnist", "mnist_sample"]
