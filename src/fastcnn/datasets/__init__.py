"""Data sets of handwritten digits: `mnist` in full, and `mnist_sample`, which is part of the package."""

from fastcnn.datasets import mnist, mnist_sample

__all__ = ["mnist", "mnist_sample"]
