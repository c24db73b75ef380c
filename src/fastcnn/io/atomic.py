"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[BufferedRandom]:
    """Open an empty file that takes the place of `path` once it is whole and on the disk; on an error `path` stays as it was.

    Raises
    ------
    OSError
        Naming `path`, whatever step it was that failed.
    """
    try:
        with locked_sibling(path) as file:
            try:
                file.truncate(0)  # what a killed process left
                yield file
                take_place(file, path)
            except BaseException:
                if _is_at(file, file.name):
                    os.unlink(file.name)
                raise
    except OSError as error:
        raise OSError(error.errno, f"could not be written: {error.strerror or error}", os.fspath(path)) from error


@contextmanager
def locked_sibling(path: Path) -> Iterator[BufferedRandom]:
    """Open the file beside `path` in which its next content is made, to read and append; others who want it wait until it is closed.

    There is one such file for each `path`, so that killed processes leave one at most, and the next one takes it up. An empty one is
    removed.
    """
    sibling = path.with_name(f".{path.name}.part")
    while True:
        file = open(sibling, "a+b", opener=_open_no_link)  # noqa: SIM115
        try:
            with contextlib.suppress(OSError):  # on a file system without locks, two writers at once are the user's care
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, sibling):  # and not moved to its place, or removed, by the one who was waited for
                try:
                    yield file
                finally:
                    if _is_at(file, sibling) and not os.fstat(file.fileno()).st_size:
                        os.unlink(sibling)
                return
        finally:
            file.close()


def take_place(file: BufferedRandom, path: Path) -> None:
    """Move an open file to `path`; when this returns, the content and the name are on the disk."""
    file.flush()
    os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.replace(file.name, path)
        _sync(folder)
    finally:
        os.close(folder)


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:  # some file systems cannot do this with a folder; the file is in its place all the same
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)  # in a folder that others write to, a link could lead to any file of ours


def _is_at(file: BufferedRandom, path: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False
