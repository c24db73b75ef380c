"""Pictures in folders, one folder a class, as a data set to train with."""

from __future__ import annotations

import hashlib
import mimetypes
import operator
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _validate, config, images

#: How many broken files a message names.
_NAMED = 10

#: What names of files say of pictures, without what the machine at hand adds to it.
_KINDS = mimetypes.MimeTypes(filenames=())


class ImageFolder:
    """Pictures in files, with their classes; each is read when it is asked for. `image_folder` makes it.

    ``len(data)`` is their number, ``data[i]`` is one picture, float32 (H, W, C) in [0, 1], and its class, the index of its name in
    `class_names`; ``data[start:stop]`` gives the arrays (n, H, W, C) and (n,). Any number of threads may ask at once.

    Attributes
    ----------
    paths : tuple of str
    labels : ndarray of int64
        The classes of all pictures.
    class_names : tuple of str
    image_shape : tuple of int
        (H, W, C).
    color_mode : str
    """

    def __init__(
        self, paths: Sequence[str], labels: ArrayLike, class_names: Sequence[str], image_size: tuple[int, int], color_mode: str
    ) -> None:
        self.paths = tuple(paths)
        self.labels = np.asarray(labels, np.int64)
        self.class_names = tuple(class_names)
        self.color_mode = color_mode
        self.image_shape = (*image_size, len(images.COLOR_MODES[color_mode]))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> tuple[np.ndarray, Any]:
        if isinstance(index, slice):
            return self.batch(np.arange(len(self))[index])
        x, y = self.batch([operator.index(index)])
        return x[0], y[0]

    def batch(self, indices: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the pictures at `indices`, float32 (n, H, W, C), and their classes, int64 (n,).

        Raises
        ------
        IndexError
            For an index that none of the pictures has.
        OSError, ValueError
            For a file that has gone or changed.
        """
        rows = np.arange(len(self))[np.asarray(indices)]
        x = np.empty((len(rows), *self.image_shape), np.float32)
        for image, row in zip(x, rows, strict=True):
            pixels = images.read_picture(self.paths[row], self.image_shape[:2], self.color_mode)
            np.divide(pixels, np.float32(255), out=image)
        return x, self.labels[rows]

    def take(self, indices: ArrayLike) -> ImageFolder:
        """Return the data set of the pictures at `indices` alone, with the same classes."""
        rows = np.arange(len(self))[np.asarray(indices)]
        return ImageFolder([self.paths[row] for row in rows], self.labels[rows], self.class_names, self.image_shape[:2], self.color_mode)


@overload
def image_folder(
    path: str | os.PathLike[str],
    image_size: int | Sequence[int] = ...,
    *,
    color_mode: str = ...,
    validation_split: None = ...,
    seed: int = ...,
    on_error: Literal["refuse", "skip"] = ...,
) -> ImageFolder: ...
@overload
def image_folder(
    path: str | os.PathLike[str],
    image_size: int | Sequence[int] = ...,
    *,
    color_mode: str = ...,
    validation_split: float,
    seed: int = ...,
    on_error: Literal["refuse", "skip"] = ...,
) -> tuple[ImageFolder, ImageFolder]: ...
def image_folder(
    path: str | os.PathLike[str],
    image_size: int | Sequence[int] = (256, 256),
    *,
    color_mode: str = "rgb",
    validation_split: float | None = None,
    seed: int = 0,
    on_error: Literal["refuse", "skip"] = "refuse",
) -> ImageFolder | tuple[ImageFolder, ImageFolder]:
    """Return the pictures in a folder that has one folder for each class, named as the class.

    The classes are numbered by their names in order. Their folders may have folders of their own, and links are followed, once. A
    picture is a file whose ending says so; other files, and all whose names begin with a dot, are left out. All pictures are read once
    in the beginning, so that broken ones are known before any training.

    Parameters
    ----------
    path : path-like
    image_size : int or (int, int), default (256, 256)
        Height and width that all pictures are scaled to, by Pillow's bilinear filter.
    color_mode : {"rgb", "grayscale", "rgba"}, default "rgb"
        What is transparent becomes white, but in "rgba"; 16 bits become 8. A picture stands upright, as its camera noted.
    validation_split : float in (0, 1), optional
        The share of each class that is set apart for validation: at least one picture and not all, but where there is only one.
    seed : int, default 0
        Chooses which; it depends on the names of the files in a class alone.
    on_error : {"refuse", "skip"}, default "refuse"
        Whether broken pictures are an error, or left out with a warning that names them.

    Returns
    -------
    ImageFolder, or (ImageFolder, ImageFolder)
        All pictures, or those for training and those for validation.

    Raises
    ------
    ImportError
        Without Pillow: ``pip install 'fastcnn[image]'``.
    OSError
        For a folder that is not there or cannot be read.
    ValueError
        For broken pictures, if they are refused; for fewer than two classes, or one without pictures.

    References
    ----------
    The layout is that of ``keras.utils.image_dataset_from_directory`` and ``torchvision.datasets.ImageFolder``.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastcnn.datasets import image_folder
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cats", "dogs"):
    ...         os.mkdir(os.path.join(folder, name))
    ...         Image.new("RGB", (40, 30), "red").save(os.path.join(folder, name, "one.png"))
    ...     data = image_folder(folder, image_size=(8, 8))
    ...     x, y = data[1]
    >>> len(data), data.class_names, x.shape, int(y)
    (2, ('cats', 'dogs'), (8, 8, 3), 1)
    """
    height, width = _validate.pair(image_size, "image_size", 1)
    _validate.choice(color_mode, "color_mode", tuple(images.COLOR_MODES))
    _validate.choice(on_error, "on_error", ("refuse", "skip"))
    seed = _validate.integer(seed, "seed", 0)
    share = None if validation_split is None else _validate.real(validation_split, "validation_split", 0, 1)
    if share in (0, 1):
        raise ValueError(f"validation_split must be more than 0 and less than 1, got {validation_split!r}; without a split, leave it out")
    images.check_pillow()
    root = Path(path)
    names = _class_names(root)
    classes = [_pictures(root / name, root) for name in names]
    broken = _broken([path for paths in classes for path in paths], color_mode)
    if broken and on_error == "refuse":
        raise ValueError(f"{_listed(broken)}; on_error='skip' leaves such files out")
    if broken:
        warnings.warn(f"left out: {_listed(broken)}", stacklevel=2)
    classes = [[path for path in paths if path not in broken] for paths in classes]
    for name, paths in zip(names, classes, strict=True):
        if not paths:
            raise ValueError(f"each class must have pictures, but {str(root / name)!r} has none{' that can be read' * bool(broken)}")
    labels = np.repeat(np.arange(len(names)), [len(paths) for paths in classes])
    data = ImageFolder([path for paths in classes for path in paths], labels, names, (height, width), color_mode)
    if share is None:
        return data
    apart = _set_apart(data, root, share, seed)
    if not apart.any():
        raise ValueError("validation_split needs a class of two pictures or more")
    return data.take(np.flatnonzero(~apart)), data.take(np.flatnonzero(apart))


def _class_names(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise ValueError(f"path must be a folder with a folder for each of two or more classes, but {str(root)!r} has {found}")
    return names


def _pictures(folder: Path, root: Path) -> list[str]:
    """The files in the folder of a class, and in the folders in it, that are named as pictures, in order."""
    endings = images.endings()
    seen = {_identity(root)}  # a link back leads nowhere, and one to what was seen already brings nothing
    found = []
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        if _identity(place) in seen:
            folders.clear()
            continue
        seen.add(_identity(place))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(place, name) for name in files if not name.startswith(".") and _is_named_as_picture(name, endings)]
    return sorted(found)


def _is_named_as_picture(name: str, endings: frozenset[str]) -> bool:
    """Whether the file's name says that it is a picture, be it one that Pillow reads or, such as .heic, one that it may not."""
    kind, _ = _KINDS.guess_type(name, strict=False)
    return os.path.splitext(name)[1].lower() in endings or (kind or "").startswith("image/")


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _raise(error: OSError) -> None:
    raise error


def _broken(paths: Sequence[str], color_mode: str) -> dict[str, str]:
    """Read all pictures; return those that cannot be read, and why not."""
    from tqdm import tqdm

    def fault(path: str) -> str | None:
        try:
            images.check_picture(path, color_mode)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    with ThreadPoolExecutor(config.get_num_threads()) as threads:
        faults = tqdm(threads.map(fault, paths), desc="reading pictures", total=len(paths), unit="img", disable=None)
        return {path: why for path, why in zip(paths, faults, strict=True) if why}


def _listed(broken: dict[str, str]) -> str:
    more = f"; and {len(broken) - _NAMED} more" * (len(broken) > _NAMED)
    return f"{len(broken)} of the pictures cannot be read: {'; '.join(list(broken.values())[:_NAMED])}{more}"


def _set_apart(data: ImageFolder, root: Path, share: float, seed: int) -> np.ndarray:
    """Choose which pictures are for validation, as bools: in each class those whose names, with the seed, have the least digests."""
    digests = [hashlib.sha256(f"{seed} ".encode() + os.fsencode(os.path.relpath(path, root))).digest() for path in data.paths]
    apart = np.zeros(len(data), bool)
    for label in range(len(data.class_names)):
        rows = sorted(np.flatnonzero(data.labels == label), key=digests.__getitem__)
        apart[rows[: min(max(1, int(share * len(rows))), len(rows) - 1)]] = True
    return apart
