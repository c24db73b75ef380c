"""The model file, ``.safetensors``: named arrays, and a configuration as JSON text in the file's metadata.

It knows nothing of models: it takes and gives a configuration and named arrays. A file from a stranger cannot run code, and one that
is not what `write` wrote, to the byte, is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastcnn.io.atomic import replacing

_SUFFIX = ".safetensors"


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return `path` if a model can be written there: a ``.safetensors`` in a folder that is there."""
    path = Path(path)
    if path.suffix != _SUFFIX:
        raise ValueError(f"path must end in {_SUFFIX}, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"path must be in a folder that can be written to, got {str(path)!r}")
    return path


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], config: Any = None) -> None:
    """Write named arrays and a configuration (anything that JSON holds) to `path`, whole or not at all."""
    from safetensors.numpy import save

    path = check_writable(path)
    plain = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    text = json.dumps(config)
    content = save(plain, {"config": text, "sha256": _digest(plain, text)})
    with replacing(path) as file:
        file.write(content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays and the configuration (None where there is none) that `write` wrote to `path`."""
    from safetensors import safe_open

    with open(path, "rb"), refusing(path, "a fastcnn model"):  # open: what cannot be opened is an OSError, and no broken file
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not {"config", "sha256"} <= metadata.keys():
            raise ValueError("it was not written by fastcnn")
        if metadata["sha256"] != _digest(arrays, metadata["config"]):
            raise ValueError("it is damaged: its checksum does not fit")
        return arrays, json.loads(metadata["config"])


@contextmanager
def refusing(path: str | os.PathLike[str], wanted: str) -> Iterator[None]:
    """Turn whatever a broken file leads to into one ValueError that names it and says that it does not hold what was `wanted`."""
    try:
        yield
    except Exception as error:  # safetensors, numpy and json raise many kinds, and a configuration's errors come on top
        raise ValueError(f"{os.fspath(path)!r} does not hold {wanted}: {error}") from error


def _digest(arrays: Mapping[str, np.ndarray], config: str) -> str:
    """The SHA-256 of all that a file says: the configuration, and of each array its name, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.data)
    digest.update(config.encode())
    return digest.hexdigest()
