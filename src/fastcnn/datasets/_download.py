"""Fetching a file whose content is known beforehand, over connections that may break."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path
from typing import Any

from fastcnn.io.atomic import locked_sibling, take_place

_BLOCK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30
_PAUSES_SECONDS = (1, 2, 4, 8)

#: What a network does; an error of the disk is none of these, and final.
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


def download(url: str, sha256: str, path: Path) -> None:
    """Bring the file at `url`, whose content has the digest `sha256`, to `path`, in whole or not at all.

    What has come when the connection breaks, or the process ends, is kept beside `path`, and only the rest is asked for next time.

    Raises
    ------
    OSError
        If the host does not answer, or sends something else, or `path` cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked_sibling(path) as file:
            if path.exists():  # another process brought it while this one waited for the lock
                return
            kept = _end(file)
            _fetch(url, file, path.name)
            digest = _digest(file)
            if kept and digest != sha256:  # the beginning was of something else
                file.truncate(0)
                _fetch(url, file, path.name)
                digest = _digest(file)
            if digest == sha256:
                take_place(file, path)
                return
            os.unlink(file.name)
            raise OSError(f"its SHA-256 is {digest}, not {sha256}")
    except (OSError, http.client.HTTPException) as error:
        raise OSError(f"{url} could not be downloaded: {error}") from error


def _fetch(url: str, file: BufferedRandom, title: str) -> None:
    """Append to `file` what it lacks of the content of `url`, in as many connections as that takes."""
    from tqdm import tqdm

    most = _end(file)
    pauses: Iterator[float] = iter(())  # what fails before anything has come will fail again
    with tqdm(desc=title, unit="B", unit_scale=True, disable=None) as bar:  # None: only on a terminal
        while True:
            try:
                return _fetch_rest(url, file, bar)
            except _BROKEN:
                if _end(file) > most:
                    most, pauses = _end(file), iter(_PAUSES_SECONDS)
                pause = next(pauses, None)
                if pause is None:
                    raise
            time.sleep(pause)


def _fetch_rest(url: str, file: BufferedRandom, bar: Any) -> None:
    """Append to `file`, in one connection, what it lacks."""
    start = _end(file)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # nothing lacks; whether it is right, the digest tells
            return
        raise
    with response:
        if start and response.status != http.HTTPStatus.PARTIAL_CONTENT:  # this server sends all or nothing
            file.truncate(0)
            start = 0
        bar.reset(None if response.length is None else start + response.length)
        bar.n = bar.initial = start
        while block := response.read(_BLOCK_BYTES):
            file.write(block)
            bar.update(len(block))
        if response.length:  # what was to come yet
            raise ConnectionError(f"the connection broke {response.length} bytes before the end")


def _digest(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _end(file: BufferedRandom) -> int:
    return file.seek(0, os.SEEK_END)
