"""How arrays come in and go out: any layout to float64 images (N, H, W, C), and back, rounded once.

Examples
--------
>>> as_images([[1, 2], [3, 4]], "channels_last").shape
(1, 2, 2, 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

#: A decorator for functions to which Inf and NaN are numbers like others: no warning about what IEEE 754 defines.
ieee = np.errstate(all="ignore")


def as_float64(x: ArrayLike) -> np.ndarray:
    """Return `x` as an array of float64.

    Examples
    --------
    >>> as_float64([1, 2])
    array([1., 2.])
    """
    return np.asarray(x, np.float64)


def working_dtype(*arrays: ArrayLike) -> np.dtype[Any]:
    """Return the dtype of a result: what NumPy promotes the arrays and float32 to.

    Examples
    --------
    >>> working_dtype(np.zeros(3, np.uint8)), working_dtype(np.zeros(3, np.float32), np.zeros(3, np.int64))
    (dtype('float32'), dtype('float64'))
    """
    return np.result_type(*(np.asarray(array).dtype for array in arrays), np.float32)


def as_images(x: ArrayLike, data_format: str) -> np.ndarray:
    """Return `x` as float64 images (N, H, W, C): a single image is a batch of one, a plane (H, W) has one channel.

    Examples
    --------
    >>> as_images(np.zeros((3, 28, 20)), "channels_first").shape
    (1, 28, 20, 3)
    """
    images = as_float64(x)
    if images.ndim == 2:
        return images[np.newaxis, :, :, np.newaxis]
    if data_format == "channels_first":
        images = np.moveaxis(images, -3, -1)
    return np.ascontiguousarray(images if images.ndim == 4 else images[np.newaxis])


def as_given(images: np.ndarray, ndim: int, data_format: str, dtype: Any) -> np.ndarray:
    """Return `images` (N, H, W, C) as an array with `ndim` axes in `data_format`, rounded to `dtype`: `as_images` undone.

    Examples
    --------
    >>> as_given(np.zeros((1, 28, 20, 3)), 3, "channels_first", np.float32).shape
    (3, 28, 20)
    """
    if ndim == 2:
        images = images[0, :, :, 0]
    else:
        images = images if ndim == 4 else images[0]
        if data_format == "channels_first":
            images = np.moveaxis(images, -1, -3)
    return np.ascontiguousarray(images, dtype)


def images_shape(shape: Sequence[int], data_format: str) -> tuple[int, int, int, int]:
    """Return the shape (N, H, W, C) of the images that an array of shape `shape` holds.

    Examples
    --------
    >>> images_shape((8, 3, 28, 20), "channels_first")
    (8, 28, 20, 3)
    """
    if len(shape) == 2:
        return 1, shape[0], shape[1], 1
    batch = shape[0] if len(shape) == 4 else 1
    if data_format == "channels_first":
        channels, height, width = shape[-3:]
    else:
        height, width, channels = shape[-3:]
    return batch, height, width, channels
