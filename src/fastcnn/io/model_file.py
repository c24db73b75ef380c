"""The model file, ``.safetensors``: named arrays, and a configuration as JSON text in the file's metadata.

It knows nothing of models: it takes and gives a configuration and named arrays. A file from a stranger cannot run code, and one that
is not what `write` wrote, to the byte, is refused. It is read into memory before anything is looked at, so that who changes it meanwhile
changes nothing; that takes twice its size.
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
from fastcnn.io.regular import open_regular

_SUFFIX = ".safetensors"
#: The longest reason that a message gives: what is wrong may be the length of a name in the file.
_REASON_LENGTH = 1000


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


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], config: dict[str, Any] | None = None) -> None:
    """Write named arrays and a configuration, of what JSON holds, to `path`, whole or not at all."""
    from safetensors.numpy import save

    path = check_writable(path)
    plain = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    text = json.dumps(config)
    content = save(plain, {"config": text, "sha256": _digest(plain, text)})
    with replacing(path) as file:
        file.write(content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """Return the arrays and the configuration (None where there is none) that `write` wrote to `path`."""
    from safetensors.numpy import load

    with refusing(path, "a fastcnn model"):
        with open_regular(path) as file:
            content = file.read()
        arrays = load(content)  # which checks that the header fits the rest
        header = _json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.get("__metadata__") or {}
        if not {"config", "sha256"} <= metadata.keys():
            raise ValueError("it was not written by fastcnn")
        if metadata["sha256"] != _digest(arrays, metadata["config"]):
            raise ValueError("it is damaged: its checksum does not fit")
        config = _json(metadata["config"])
        if not isinstance(config, dict | None):
            raise TypeError(f"its configuration is no JSON object, but {config!r}")
        return arrays, config


@contextmanager
def refusing(path: str | os.PathLike[str], wanted: str) -> Iterator[None]:
    """Turn whatever a broken file leads to into one ValueError that names it and says that it does not hold what was `wanted`."""
    try:
        yield
    except OSError:  # it could not be opened or read, which says nothing of what it holds
        raise
    except Exception as error:  # safetensors, numpy and json raise many kinds, and a configuration's errors come on top
        raise ValueError(f"{os.fspath(path)!r} does not hold {wanted}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What is wrong, in one line; what the file has put into it can neither fill nor steer a terminal."""
    text = f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return text if len(text) <= _REASON_LENGTH else f"{text[:_REASON_LENGTH]}…"


def _json(text: str | bytes) -> Any:
    return json.loads(text, object_pairs_hook=_once_each)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):  # readers would differ on which one counts
        raise ValueError("a name is there twice")
    return entries


def _digest(arrays: Mapping[str, np.ndarray], config: str) -> str:
    """The SHA-256 of all that a file says: the configuration, and of each array its name, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.data)
    digest.update(config.encode())
    return digest.hexdigest()


def under(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays with "folder/" before their names."""
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def below(folder: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays whose names begin with "folder/", without that."""
    return {name.removeprefix(f"{folder}/"): array for name, array in arrays.items() if name.startswith(f"{folder}/")}


def packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` with a reference for every array in it, which goes to `arrays` under a name that begins with `name`."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {key: packed(entry, f"{name}/{key}", arrays) for key, entry in value.items()}
    return [packed(entry, f"{name}/{i}", arrays) for i, entry in enumerate(value)] if isinstance(value, list) else value


def unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return what `packed` was given."""
    if isinstance(value, Mapping):
        return arrays[value["array"]] if value.keys() == {"array"} else {key: unpacked(entry, arrays) for key, entry in value.items()}
    return [unpacked(entry, arrays) for entry in value] if isinstance(value, list) else value
