"""Pictures from files, as the images that a network for MNIST knows: light digits on dark ground, 28 × 28."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

SIDE = 28


class Digit(NamedTuple):
    """An image (28, 28, 1) of float32 in [0, 1], and whether it was turned from dark on light."""

    image: np.ndarray
    inverted: bool


def read_digit(path: str | os.PathLike[str]) -> Digit:
    """Return the picture in the file at `path`: grey, padded to a square, scaled to 28 × 28, with dark ground.

    The ground is what most of the picture's edge shows; where that is light, the picture is inverted.

    Raises
    ------
    ImportError
        Without Pillow.
    OSError, ValueError
        For a file that cannot be opened, or holds no picture.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImportError("reading pictures needs Pillow: pip install 'fastcnn[image]'") from None
    try:
        with Image.open(path) as picture:
            coloured = picture.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{os.fspath(path)!r} is too large: {error}") from None
    paper = Image.new("RGBA", coloured.size, "white")
    grey = Image.alpha_composite(paper, coloured).convert("L")  # what is transparent is paper
    pixels = np.asarray(grey)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = int(np.median(edge))
    square = ImageOps.pad(grey, (SIDE, SIDE), Image.Resampling.LANCZOS, color=ground)
    image = np.asarray(square, np.float32)[..., None] / np.float32(255)
    inverted = ground > 127
    return Digit(1 - image if inverted else image, inverted)
