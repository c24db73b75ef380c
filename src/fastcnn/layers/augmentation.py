"""Layers that change images at random in training, each image by its own numbers: the same in whatever batch it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _validate
from fastcnn._settings import Choice, Integer, OptionalInteger, Range, Real, Setting, choice, integer, limits, optional, real
from fastcnn.graph import Shape
from fastcnn.layers.base import Gradients, ImageLayer
from fastcnn.layers.preprocessing import floating
from fastcnn.ops.augment import Crop, Flip, Middle, clipped, contrasted
from fastcnn.ops.resampling import FILL_MODES, INTERPOLATIONS, Resampling
from fastcnn.random import Draws


def _value_range(value: Any, name: str) -> tuple[float, float]:
    _validate.instance(value, list | tuple, name, "a pair of numbers")
    return _validate.limits(value, name, -math.inf, math.inf)


class Augmentation(ImageLayer, kw_only=True):
    """A layer that changes images in training, and passes them on in inference.

    With a `seed`, its random numbers do not depend on that of `fastcnn.random`.
    """

    preprocessing = True
    #: How many random numbers an image takes.
    _draws = 1

    seed: OptionalInteger = optional(integer(0, maximum=2**64 - 1))

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the images, and the change that training makes to them."""
        x = x.astype(floating(x), copy=False)
        if training is None:
            return self._inferred(x)
        draws = training if self.seed is None else training._replace(seed=self.seed)
        return self._changed(x, draws.uniform(self._draws))

    def _inferred(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        return x, None

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the images as the numbers `u` (N, _draws) from [0, 1) say, and the change that this is."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return the gradient by the images."""
        return (None if not input_grad else dy if cache is None else cache.backward(dy)), ()


class RandomFlip(Augmentation):
    """Flip every other image.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        Left to right, top to bottom, or, as in Keras, both at once.
    seed : int, optional
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For another `mode`, or a `seed` that is not an integer from 0 to 2**64 - 1; in a call, ValueError for inputs that are not
        (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomFlip``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomFlip("horizontal").compute_output_shape((None, 32, 32, 3))
    (None, 32, 32, 3)
    """

    mode: Choice = choice("horizontal_and_vertical", "horizontal", "vertical")

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        flip = Flip(u[:, 0] <= 0.5, tuple(1 + axis for axis, way in enumerate(("vertical", "horizontal")) if way in self.mode))
        return flip.forward(x), flip


class _Resampled(Augmentation, kw_only=True):
    """An augmentation by an affine map."""

    fill_mode: Choice = choice(*FILL_MODES)
    interpolation: Choice = choice(*INTERPOLATIONS)
    fill_value: Real = real(-math.inf, math.inf, 0.0)

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        size = (x.shape[1], x.shape[2])
        maps = np.stack(np.broadcast_arrays(*self._map(u.astype(np.float64), *size)), axis=1)
        resampling = Resampling(x.shape, maps, size, self.interpolation, self.fill_mode, self.fill_value)
        return resampling.forward(x), resampling

    def _map(self, u: np.ndarray, height: int, width: int) -> tuple[Any, ...]:
        """Return a0, a1, a2, b0, b1, b2 of a `Resampling`."""
        raise NotImplementedError


class RandomRotation(_Resampled):
    """Turn images about their centre.

    Parameters
    ----------
    factor : float or pair of float
        From how far to how far, in full turns to the left; ``0.1`` means ``(-0.1, 0.1)``.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
    interpolation : {"bilinear", "nearest"}
    fill_value : float, default 0.0
        Seen beyond the image if the mode is "constant".
    seed : int, optional
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a factor outside of [-1, 1] or an unknown mode; in a call, ValueError for inputs that are not
        (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomRotation``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomRotation(0.1).factor
    (-0.1, 0.1)
    """

    factor: Range = limits(-1, 1)

    def _map(self, u: np.ndarray, height: int, width: int) -> tuple[Any, ...]:
        angle = 2 * math.pi * _between(u[:, 0], self.factor)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        return cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos


class RandomTranslation(_Resampled):
    """Shift images.

    Parameters
    ----------
    height_factor, width_factor : float or pair of float
        From how far to how far down, and to the right, in heights and widths; ``0.1`` means ``(-0.1, 0.1)``.
    fill_mode, interpolation, fill_value, seed, name, input_shape
        As for `RandomRotation`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a factor outside of [-1, 1] or an unknown mode; in a call, ValueError for inputs that are not
        (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomTranslation``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomTranslation(0.1, (0, 0.2)).width_factor
    (0.0, 0.2)
    """

    _draws = 2

    height_factor: Range = limits(-1, 1)
    width_factor: Range = limits(-1, 1)

    def _map(self, u: np.ndarray, height: int, width: int) -> tuple[Any, ...]:
        return 1, 0, -width * _between(u[:, 1], self.width_factor), 0, 1, -height * _between(u[:, 0], self.height_factor)


class RandomZoom(_Resampled):
    """Look at a larger or smaller part of images.

    Parameters
    ----------
    height_factor : float or pair of float
        From how much to how much more is seen, in heights, so that negative numbers enlarge; ``0.1`` means ``(-0.1, 0.1)``.
    width_factor : float or pair of float, optional
        By default, the width changes as the height does.
    fill_mode, interpolation, fill_value, seed, name, input_shape
        As for `RandomRotation`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a factor outside of [-1, 1] or an unknown mode; in a call, ValueError for inputs that are not
        (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomZoom``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomZoom((-0.2, 0.1)).height_factor
    (-0.2, 0.1)
    """

    _draws = 2

    height_factor: Range = limits(-1, 1)
    width_factor: Setting[float | Sequence[float] | None, tuple[float, float] | None] = optional(limits(-1, 1))

    def _map(self, u: np.ndarray, height: int, width: int) -> tuple[Any, ...]:
        down = 1 + _between(u[:, 0], self.height_factor)
        across = down if self.width_factor is None else 1 + _between(u[:, 1], self.width_factor)
        return across, 0, (width - 1) / 2 * (1 - across), 0, down, (height - 1) / 2 * (1 - down)


class _Recoloured(Augmentation, kw_only=True):
    """An augmentation of colours, which stay within `value_range`."""

    value_range: Setting[Sequence[float], tuple[float, float]] = Setting(_value_range, (0, 255))


class RandomContrast(_Recoloured):
    """Move colours away from the mean of their channel in the image, or towards it: ``(x - mean) * contrast + mean``.

    Parameters
    ----------
    factor : float or pair of float
        The contrast is from ``1 - lower`` to ``1 + upper``; as Keras has it, one number is the `upper`, and `lower` is 0 then.
    value_range : pair of float, default (0, 255)
        Into which colours are clipped.
    seed : int, optional
    name, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, or a `factor` outside of [0, 1]; in a call, ValueError for inputs that are not (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomContrast``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomContrast(0.2).factor
    (0.0, 0.2)
    """

    factor: Range = limits(0, 1)

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        contrast = _between(u[:, 0, None, None, None], (1 - self.factor[0], 1 + self.factor[1])).astype(x.dtype)
        return contrasted(x, contrast, self.value_range)


class RandomBrightness(_Recoloured):
    """Add the same to all colours of an image.

    Parameters
    ----------
    factor : float or pair of float
        From how much to how much, in lengths of the `value_range`; ``0.1`` means ``(-0.1, 0.1)``.
    value_range, seed, name, input_shape
        As for `RandomContrast`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, or a `factor` outside of [-1, 1]; in a call, ValueError for inputs that are not (N, H, W, C).

    References
    ----------
    ``keras.layers.RandomBrightness``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomBrightness(0.2).factor
    (-0.2, 0.2)
    """

    factor: Range = limits(-1, 1)

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        low, high = self.value_range
        shift = (high - low) * _between(u[:, 0, None, None, None], self.factor)
        return clipped(x + shift.astype(x.dtype), self.value_range)


class RandomCrop(Augmentation):
    """A part of each image, in inference its middle.

    Parameters
    ----------
    height, width : int
        Of the part.
    seed : int, optional
    name, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For a `height` or `width` that is no positive integer, or a `seed` that is not an integer from 0 to 2**64 - 1; in a call, ValueError
        for inputs that are not (N, H, W, C).

    Notes
    -----
    In inference, and of images that are too small, the largest part in the middle that has the wanted shape, resized bilinearly, as
    Keras describes it.

    References
    ----------
    ``keras.layers.RandomCrop``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.RandomCrop(24, 24).compute_output_shape((None, 32, 32, 3))
    (None, 24, 24, 3)
    """

    _draws = 2

    height: Integer = integer(1)
    width: Integer = integer(1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, height, width, C)."""
        return (None, self.height, self.width, self._image_sizes(input_shape)[-1])

    def _inferred(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        middle = Middle.of(x.shape, (self.height, self.width))
        return middle.forward(x), middle

    def _changed(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, Any]:
        room = (x.shape[1] - self.height, x.shape[2] - self.width)
        if min(room) < 0:
            return self._inferred(x)
        crop = Crop(x.shape, np.minimum((u * np.add(room, 1)).astype(int), room), (self.height, self.width))
        return crop.forward(x), crop


def _between(u: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return numbers between the limits for numbers `u` from [0, 1)."""
    return limits[0] + (limits[1] - limits[0]) * u
