"""Fetching a file whose content is known beforehand."""

from __future__ import annotations

import hashlib
import http.client
import sys
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from fastcnn.io.archive import replacing

_BLOCK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30


def download(url: str, sha256: str, path: Path) -> None:
    """Bring the file at `url`, whose content has the digest `sha256`, to `path`, in whole or not at all.

    Raises
    ------
    OSError
        If the host does not answer, or sends something else, or `path` cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, replacing(path) as file, _bar(path.name, response) as bar:
            while block := response.read(_BLOCK_BYTES):
                digest.update(block)
                file.write(block)
                if bar is not None:
                    bar.update(len(block))
            if digest.hexdigest() != sha256:
                raise OSError(f"its SHA-256 is {digest.hexdigest()}, not {sha256}")
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"{url} could not be downloaded: {error}") from error


def _bar(title: str, response: Any) -> Any:
    """A bar of bytes on a terminal; elsewhere a context without one."""
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            return nullcontext()
        total = int(response.headers.get("Content-Length") or 0) or None
        return tqdm(total=total, desc=title, unit="B", unit_scale=True)
    return nullcontext()
