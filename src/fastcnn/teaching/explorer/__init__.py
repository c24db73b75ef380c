"""A network as a page: its layers, their maps, and for every number the numbers that it comes from.

``record.py`` runs a network and packs what it did, by the form of ``pack.py``; ``page.py`` puts that into one file, ``server.py`` answers
a page on which one draws. Both pages run the scripts in ``assets``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcnn import _validate
from fastcnn.io.atomic import replacing
from fastcnn.teaching.explorer.page import file_page
from fastcnn.teaching.explorer.record import MAX_NUMBERS, Recorder

if TYPE_CHECKING:
    from fastcnn.prediction import Predictor

__all__ = ["MAX_NUMBERS", "explain"]


def explain(model: Predictor, x: Any, path: str | os.PathLike[str]) -> None:
    """Write the page for what `model` does with the input `x` to `path`; see `Model.explain`.

    Parameters
    ----------
    model : Model
    x : array_like, shape (1, ...)
    path : path-like
        Ends in ``.html``.

    Raises
    ------
    TypeError, ValueError, OSError
        As `Model.explain`.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastcnn import networks
    >>> from fastcnn.teaching import explorer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explorer.explain(networks.mnist_network(), np.zeros((1, 28, 28, 1)), os.path.join(folder, "page.html"))
    ...     os.listdir(folder)
    ['page.html']
    """
    place = _checked(path)
    xs = [_validate.contiguous(each, np.float32) for each in model._check_inputs(x)]
    if len(xs[0]) != 1:
        raise ValueError(f"x must hold one input, got {len(xs[0])}")
    recorder = Recorder(model._built_graph(), model.class_names)
    text = file_page(model.name, recorder.description(), recorder.run(xs))
    with replacing(place) as file:
        file.write(text.encode())


def _checked(path: str | os.PathLike[str]) -> Path:
    """Return `path` if a page can be written there."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a path, got {path!r} of type {type(path).__name__}")
    place = Path(path)
    if place.suffix != ".html":
        raise ValueError(f"path must end in .html, got {str(place)!r}")
    if place.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {str(place)!r}")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {str(place)!r}")
    return place
