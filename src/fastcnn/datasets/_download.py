"""Fetching a file whose content is known beforehand."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from pathlib import Path

from fastcnn.io.atomic import replacing

_BLOCK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30


def download(url: str, sha256: str, path: Path) -> None:
    """Bring the file at `url`, whose content has the digest `sha256`, to `path`, in whole or not at all.

    Raises
    ------
    OSError
        If the host does not answer, or sends something else, or `path` cannot be written to.
    """
    from tqdm import tqdm

    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response,
            replacing(path) as file,
            tqdm(total=response.length, desc=path.name, unit="B", unit_scale=True, disable=None) as bar,  # None: only on a terminal
        ):
            while block := response.read(_BLOCK_BYTES):
                digest.update(block)
                file.write(block)
                bar.update(len(block))
            if digest.hexdigest() != sha256:
                raise OSError(f"its SHA-256 is {digest.hexdigest()}, not {sha256}")
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"{url} could not be downloaded: {error}") from error
