"""How far a pass over a data set has come: a bar on a terminal, a line in a pipe, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self


def check_verbose(verbose: Any) -> int:
    """Return 0 (silent), 1 (a bar on a terminal, else a line) or 2 (a line); "auto" is 1."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    return 1 if verbose == "auto" else int(verbose)


class Progress:
    """A pass over `total` images (None where only the end will tell), or else over `steps` batches, under a title; a context manager."""

    def __init__(self, title: str, total: int | None, verbose: int, steps: int | None = None) -> None:
        self._title, self._verbose = title, verbose
        self._images = 0
        self._counts_images = total is not None
        total = total if total is not None else steps
        self._start = time.perf_counter()
        self._seconds = 0.0
        self._bar = _bar(title, total, "img" if self._counts_images else "step") if verbose == 1 and sys.stdout.isatty() else None

    def advance(self, images: int, logs: Callable[[], Mapping[str, float]] = dict) -> None:
        """Count `images` more; `logs` gives the means so far."""
        self._images += images
        if self._bar is not None:
            self._bar.set_postfix_str(_text(logs()), refresh=False)
            self._bar.update(images if self._counts_images else 1)

    def stop_clock(self) -> None:
        """Take no more time into the rate of images."""
        self._seconds = time.perf_counter() - self._start

    def finish(self, logs: Mapping[str, float]) -> None:
        """Show the result."""
        seconds = self._seconds or time.perf_counter() - self._start
        if self._bar is not None:
            self._bar.set_postfix_str(_text(logs))
        elif self._verbose:
            parts = [self._title, f"{seconds:.1f}s", f"{self._images / max(seconds, 1e-9):,.0f} img/s", _text(logs)]
            print(" - ".join(part for part in parts if part), flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


def _text(logs: Mapping[str, float]) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())


def _bar(title: str, total: int | None, unit: str) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=unit, file=sys.stdout, dynamic_ncols=True)
