"""Images with margins, and without."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

#: Rows of pixels above and below an image, and columns to the left and the right of it.
Margins: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


def cropped(x: np.ndarray, margins: Margins) -> np.ndarray:
    """Return images without their margins."""
    return np.ascontiguousarray(_inside(x, margins))


def padded(x: np.ndarray, margins: Margins) -> np.ndarray:
    """Return images with margins of zeros."""
    (top, bottom), (left, right) = margins
    y = np.zeros((len(x), top + x.shape[1] + bottom, left + x.shape[2] + right, x.shape[3]), x.dtype)
    _inside(y, margins)[...] = x
    return y


def _inside(x: np.ndarray, margins: Margins) -> np.ndarray:
    """Return what margins leave, as a view."""
    (top, bottom), (left, right) = margins
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
