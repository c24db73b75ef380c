"""Changes to images (N, H, W, C), each by its own numbers: what `forward` returns of them, and `backward`, its adjoint, of its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastcnn.ops.resampling import Resampling


class Flip(NamedTuple):
    """Some images flipped: those that `which` (N,) says, along `axes`."""

    which: np.ndarray
    axes: tuple[int, ...]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the images."""
        return np.where(self.which[:, None, None, None], np.flip(x, self.axes), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradients, flipped back."""
        return self.forward(dy)


class Crop(NamedTuple):
    """Of each image, of `shape` together, a part of `size` that begins at the row and the column in `starts` (N, 2)."""

    shape: tuple[int, ...]
    starts: np.ndarray
    size: tuple[int, int]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the parts."""
        y = np.empty((len(x), *self.size, x.shape[3]), x.dtype)
        for image, part in zip(y, self._parts(x), strict=True):
            image[...] = part
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return `dy` where the parts are, else 0."""
        dx = np.zeros(self.shape, dy.dtype)
        for image, part in zip(dy, self._parts(dx), strict=True):
            part[...] = image
        return dx

    def _parts(self, images: np.ndarray) -> Iterator[np.ndarray]:
        for image, (top, left) in zip(images, self.starts.tolist(), strict=True):
            yield image[top : top + self.size[0], left : left + self.size[1]]


class Middle(NamedTuple):
    """The largest part in the middle of images that has the shape of `size`, resized to it bilinearly."""

    crop: Crop
    resampling: Resampling

    @classmethod
    def of(cls, shape: tuple[int, ...], size: tuple[int, int]) -> Middle:
        """Return that of images of `shape`."""
        (count, height, width, channels), (to_height, to_width) = shape, size
        rows = max(min(height, width * to_height // to_width), 1)
        columns = max(min(width, height * to_width // to_height), 1)
        starts = np.tile([(height - rows) // 2, (width - columns) // 2], (count, 1))
        down, across = rows / to_height, columns / to_width
        maps = np.tile([across, 0, across / 2 - 0.5, 0, down, down / 2 - 0.5], (count, 1))
        return cls(Crop(shape, starts, (rows, columns)), Resampling((count, rows, columns, channels), maps, size, fill_mode="nearest"))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the parts, resized."""
        return self.resampling.forward(self.crop.forward(x))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradient by the images."""
        return self.crop.backward(self.resampling.backward(dy))


class Clip(NamedTuple):
    """Colours brought into a range; those that were `inside`, by flags (N, H, W, C), stayed as they were."""

    inside: np.ndarray

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return `dy` where colours were inside, else 0."""
        return np.where(self.inside, dy, np.zeros((), dy.dtype))


class Contrast(NamedTuple):
    """Colours moved away from the mean of their channel in the image, or towards it, by factors (N, 1, 1, 1), and clipped."""

    factors: np.ndarray
    clip: Clip

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradient by the images."""
        dz = self.clip.backward(dy)
        return self.factors * dz + (1 - self.factors) * dz.mean(axis=(1, 2), keepdims=True)


def clipped(x: np.ndarray, limits: tuple[float, float]) -> tuple[np.ndarray, Clip]:
    """Return `x` within the limits, and the change that this is."""
    low, high = limits
    return np.clip(x, x.dtype.type(low), x.dtype.type(high)), Clip((low <= x) & (x <= high))


def contrasted(x: np.ndarray, factors: np.ndarray, limits: tuple[float, float]) -> tuple[np.ndarray, Contrast]:
    """Return ``(x - mean) * factors + mean`` within the limits, and the change that this is."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    y, clip = clipped((x - mean) * factors + mean, limits)
    return y, Contrast(factors, clip)
