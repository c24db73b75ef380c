"""Pictures from files: of any size and kind, and as the images that a network for MNIST knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastcnn.io.regular import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SIDE = 28

#: Pillow's names for what a pixel holds, by ours.
COLOR_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}

#: Formats whose pictures Pillow does not make by itself: of the first it asks Ghostscript, which runs programs; of the others, no one.
_NOT_FOR_PILLOW = frozenset({"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"})


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
    check_pillow()
    from PIL import Image, ImageOps

    grey = _read(path, "L")
    pixels = np.asarray(grey)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = int(np.median(edge))
    square = ImageOps.pad(grey, (SIDE, SIDE), Image.Resampling.LANCZOS, color=ground)
    image = np.asarray(square, np.float32)[..., None] / np.float32(255)
    inverted = ground > 127
    return Digit(1 - image if inverted else image, inverted)


def read_picture(path: str | os.PathLike[str], image_size: tuple[int, int], color_mode: str) -> np.ndarray:
    """Return the picture in the file at `path` as uint8 (height, width, channels), scaled to `image_size` with Pillow's bilinear filter.

    It stands upright, as its camera noted (EXIF); what is transparent is white, but in "rgba"; 16 bits become 8. Of several pictures in
    a file, it is the first.

    Raises
    ------
    OSError, ValueError
        For a file that cannot be opened, or holds no picture.
    """
    from PIL import Image

    height, width = image_size
    picture = _read(path, COLOR_MODES[color_mode]).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(height, width, -1)


def check_picture(path: str | os.PathLike[str], color_mode: str) -> None:
    """Raise what `read_picture` would for a file that it cannot read, in less time."""
    _read(path, COLOR_MODES[color_mode], draft=True)


def check_pillow() -> None:
    """Raise an error that tells how to install Pillow where it is not."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise ImportError("reading pictures needs Pillow: pip install 'fastcnn[image]'") from None


def endings() -> frozenset[str]:
    """Return the endings of the names of files that Pillow reads, such as ".jpg"."""
    from PIL import Image

    known = set(_formats())
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in known)


def _formats() -> list[str]:
    """Pillow's names of the formats that are read; the common ones first, as some others are known by trial alone."""
    from PIL import Image

    Image.preinit()
    Image.init()
    return [name for name in Image.ID if name not in _NOT_FOR_PILLOW]


def _read(path: str | os.PathLike[str], mode: str, draft: bool = False) -> Picture:
    """The picture in the file at `path`, upright, in Pillow's mode "L", "RGB" or "RGBA"; a draft has fewer pixels if that is faster."""
    from PIL import Image, ImageOps

    with open_regular(path) as file:
        try:
            with Image.open(file, formats=_formats()) as picture:
                if draft:
                    picture.draft(None, (1, 1))
                picture.load()
                return _to_mode(ImageOps.exif_transpose(picture), mode)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise many kinds for a broken file
            raise ValueError(f"{os.fspath(path)!r} is no picture that can be read: {error}") from error


def _to_mode(picture: Picture, mode: str) -> Picture:
    from PIL import Image

    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known")
    if picture.mode.startswith("I"):  # Pillow would cut 16 bits off at 255
        wide = np.clip(np.asarray(picture.convert("I")), 0, 65535)
        picture = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if mode != "RGBA" and picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return picture if picture.mode == mode else picture.convert(mode)
