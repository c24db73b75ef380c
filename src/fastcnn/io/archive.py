"""The model file: NumPy's ``.npz``, a zip of plain arrays, in which the configuration is one array of JSON text.

It knows nothing of models: it takes and gives a configuration and named arrays. No pickle is written and none is read, so a file from
a stranger cannot run code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

_CONFIG = "config.json"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` once it is whole and on the disk; on an error `path` stays as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return `path` if a model can be written there: an ``.npz`` in a folder that is there."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"path must be in a folder that can be written to, got {str(path)!r}")
    return path


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], config: Any = None) -> None:
    """Write named arrays and a configuration (anything that JSON holds) to `path`, whole or not at all."""
    path = check_writable(path)
    entries = dict(arrays)
    if config is not None:
        entries[_CONFIG] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    with replacing(path) as file:
        np.savez(file, **entries)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays and the configuration (None where there is none) that `write` wrote to `path`."""
    with open(path, "rb") as file, refusing(path, "a fastcnn model"):
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        arrays = {name: archive[name] for name in archive.files}
        config = json.loads(arrays.pop(_CONFIG).tobytes()) if _CONFIG in arrays else None
    return arrays, config


@contextmanager
def refusing(path: str | os.PathLike[str], wanted: str) -> Iterator[None]:
    """Turn whatever a broken file leads to into one ValueError that names it and says that it does not hold what was `wanted`."""
    try:
        yield
    except Exception as error:  # zipfile, zlib, numpy and json raise a dozen kinds, and a configuration's errors come on top
        raise ValueError(f"{os.fspath(path)!r} does not hold {wanted}: {error}") from error
