"""Which kernels run, and on how many threads.

Importing this module chooses both: the ISA from what the CPU and the operating system allow or ``FASTCNN_ISA`` says, the number of
threads from CPU affinity and the cgroup's quota or ``FASTCNN_NUM_THREADS``. ``FASTCNN_WINOGRAD=0`` forbids Winograd's method.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from typing import Any

from fastcnn import _core, _validate
from fastcnn._version import __version__

#: Where version 2 of Linux's control groups states the CPU time that a process may use: "quota period" in microseconds, or "max".
_CGROUP_CPU_MAX = "/sys/fs/cgroup/cpu.max"


def _cgroup_cpus() -> int | None:
    """The number of CPUs that the cgroup's quota amounts to, rounded up; None without a quota."""
    try:
        with open(_CGROUP_CPU_MAX, encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _default_num_threads() -> int:
    """The number of CPUs that this process may use."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, _cgroup_cpus() or cpus)


def _configure() -> None:
    """Choose ISA and number of threads, as the environment says or by what there is."""
    isa = os.environ.get("FASTCNN_ISA") or None
    try:
        _core.select_isa(isa)
    except (OSError, ValueError) as error:
        usable = ", ".join(name for name, available in _core.isas().items() if available)
        raise ImportError(f"FASTCNN_ISA={isa}: {error}; it can run: {usable}") from None
    threads = os.environ.get("FASTCNN_NUM_THREADS")
    if not threads:
        _core.set_num_threads(_default_num_threads())
    elif threads.isascii() and threads.isdecimal() and 0 < int(threads) <= _validate.MAX_PARAMETER:
        _core.set_num_threads(int(threads))
    else:
        raise ImportError(f"FASTCNN_NUM_THREADS must be a positive integer, got {threads!r}")
    winograd = os.environ.get("FASTCNN_WINOGRAD") or "1"
    if winograd not in ("0", "1"):
        raise ImportError(f"FASTCNN_WINOGRAD must be 0 or 1, got {winograd!r}")
    _core.set_winograd(int(winograd))


def set_num_threads(n: int) -> None:
    """Set the number of threads that kernels share their work among.

    Results are bit for bit the same for any number.

    Parameters
    ----------
    n : int
        At least 1. More than there are cores is allowed, and slower.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import fastcnn
    >>> with fastcnn.num_threads(1):
    ...     fastcnn.set_num_threads(2)
    ...     fastcnn.get_num_threads()
    2
    """
    _core.set_num_threads(_validate.integer(n, "n", 1))


def get_num_threads() -> int:
    """Return the number of threads that kernels share their work among.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


@contextlib.contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use `n` threads inside a ``with`` block, and the former number after it.

    The number is the process's, not the Python thread's.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import fastcnn
    >>> with fastcnn.num_threads(1):
    ...     fastcnn.get_num_threads()
    1
    """
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def set_winograd(allowed: bool) -> None:
    """Allow float32 convolutions to use Winograd's method where it is faster, or not.

    It needs down to a quarter of the multiplications, and its rounding errors are one to four times those of the direct method; see
    `explain_conv`. ``FASTCNN_WINOGRAD=0`` in the environment switches it off from the start. The setting is the process's.

    Parameters
    ----------
    allowed : bool

    Raises
    ------
    TypeError
        If `allowed` is not a bool.

    References
    ----------
    A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308.

    Examples
    --------
    >>> import fastcnn
    >>> before = fastcnn.get_winograd()
    >>> fastcnn.set_winograd(False)
    >>> fastcnn.get_winograd()
    False
    >>> fastcnn.set_winograd(before)
    """
    _core.set_winograd(int(_validate.boolean(allowed, "allowed")))


def get_winograd() -> bool:
    """Return whether float32 convolutions may use Winograd's method.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.get_winograd()
    True
    """
    return bool(_core.get_winograd())


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print, or return, the version, ISA, threads, whether Winograd's method is allowed, and the compiler.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print it, or return it as a dictionary.

    Returns
    -------
    dict or None
        With "dicts": ``version``, ``isa`` (in use), ``isas`` (name to whether this machine can run it), ``threads``, ``winograd``,
        ``compiler``, ``machine``.

    Raises
    ------
    TypeError, ValueError
        If `mode` is neither.

    References
    ----------
    ``numpy.show_config``.

    Examples
    --------
    >>> import fastcnn
    >>> sorted(fastcnn.show_config(mode="dicts"))
    ['compiler', 'isa', 'isas', 'machine', 'threads', 'version', 'winograd']
    """
    config = {
        "version": __version__,
        "isa": _core.selected_isa(),
        "isas": _core.isas(),
        "threads": get_num_threads(),
        "winograd": get_winograd(),
        "compiler": _core.compiler(),
        "machine": platform.machine(),
    }
    if _validate.choice(mode, "mode", ("stdout", "dicts")) == "dicts":
        return config
    isas = ", ".join(f"{name} ({'yes' if available else 'no'})" for name, available in _core.isas().items())
    for name, value in {**config, "isas": isas}.items():
        print(f"{name:<10}{value}")
    return None


_configure()
