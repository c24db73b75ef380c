"""Files to read: what would never end, or never begin, is refused."""

from __future__ import annotations

import os
import stat
from io import BufferedReader


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read.

    Raises
    ------
    OSError
        For a path that cannot be opened, such as that of a folder.
    ValueError
        For a pipe or a device: to open one may wait for ever, and to read one may never end.
    """
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(f"{os.fspath(path)!r} is no file, but a pipe or a device")
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # which changes nothing for files
