"""Where the files of data sets are, and bringing those that are nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fastcnn.datasets._download import download

#: Debian's packages dataset-* put theirs here, under the names that Keras gives them.
DEBIAN = Path("/usr/share/datasets")


def find(*names: str | os.PathLike[str]) -> Path | None:
    """Return the first file with one of these names in the folders, which is ``$FASTCNN_DATA_DIR``, Keras's cache or Debian's; or None."""
    paths = (folder / name for folder in _folders() for name in names)
    return next((path for path in paths if path.is_file()), None)


def fetch(title: str, url: str, sha256: str, *names: str | os.PathLike[str], or_else: str = "") -> Path:
    """Return where one of these names is, after a download to Keras's cache, under the first of them, if it is nowhere.

    Raises
    ------
    OSError
        Without a network, or with a wrong answer from it. The message says what to put where, or else what to do.
    """
    found = find(*names)
    if found is None:
        found = _keras_cache() / names[0]
        try:
            download(url, sha256, found)
        except OSError as error:
            raise OSError(
                f"{title} was not found and {error}. Bring that file from elsewhere, as {os.fspath(names[0])!r} in some folder, "
                f"and set FASTCNN_DATA_DIR to that folder{or_else}"
            ) from error
    return found


def _folders() -> Iterator[Path]:
    if data := os.environ.get("FASTCNN_DATA_DIR"):
        yield Path(data)
    yield _keras_cache()
    yield DEBIAN


def _keras_cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path(os.path.expanduser("~"), ".keras")) / "datasets"
