"""Running a function on a case, so that whatever it does is told: it may raise, take too long, or write into its inputs."""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from .binding import Binding
from .cases import Case
from .operations import Results

#: The seconds that a call may take; the cases are so small that slow loops need a few milliseconds.
LIMIT = 1.0


class _TimeUpError(BaseException):
    """Raised inside a function that takes too long; no Exception, for ``except Exception`` not to catch it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case: results, or what went wrong; and what is right."""

    case: Case
    expected: Results
    got: Results | None = None
    #: The exception, or that it took too long, in words.
    error: str = ""
    timed_out: bool = False
    #: The parameters whose arrays are not what they were.
    changed: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def wrong(self) -> int | None:
        """Which of the results is the first that is wrong; None if none is, or if there are no results."""
        if self.got is None:
            return None
        pairs = zip(self.got, self.expected, strict=False)
        return next((i for i, (got, expected) in enumerate(pairs) if not agree(got, expected, self.tolerance)), None)

    @property
    def passed(self) -> bool:
        """Whether all is right."""
        return self.got is not None and self.wrong is None and not self.changed

    @property
    def tolerance(self) -> float:
        """How far numbers may be off, relative to the largest: by the dtype that the function chose, or had to work with."""
        single = self.case.numbers == "float32" or any(got.dtype == np.float32 for got in self.got or ())
        return 1e-5 if single else 1e-9


def agree(got: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Say whether two arrays have the same shape, and the same numbers but for rounding; NaN is NaN."""
    return got.shape == expected.shape and not differences(got, expected, tolerance).any()


def differences(got: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Return where two arrays of the same shape differ by more than rounding."""
    with np.errstate(all="ignore"):
        finite = np.isfinite(expected)
        scale = max(1.0, float(np.abs(expected[finite]).max())) if finite.any() else 1.0
        near = np.abs(got.astype(np.float64) - expected) <= tolerance * scale
        wrong: np.ndarray = ~(near | (got == expected) | (np.isnan(got) & np.isnan(expected)))
    return wrong


def run(binding: Binding, case: Case, expected: Results) -> Outcome:
    """Call the function on the case's arrays, made anew."""
    places, names = binding.arguments(case)
    before, _ = binding.arguments(case)
    try:
        with _quiet(), time_limit(LIMIT):
            start = time.perf_counter()
            result = binding.function(*places, **names)
            seconds = time.perf_counter() - start
    except _TimeUpError:
        return Outcome(case, expected, error=f"No answer after {LIMIT:g} s: does a loop never end?", timed_out=True)
    except (Exception, SystemExit) as error:
        return Outcome(case, expected, error=f"It raises {told(error, binding)}")
    written = tuple(text for text, place, old in zip(binding.parameters, places, before, strict=False) if not _same(place, old))
    try:
        got = _results(result, len(expected))
    except (TypeError, ValueError) as error:
        return Outcome(case, expected, error=str(error), changed=written)
    return Outcome(case, expected, got, changed=written, seconds=seconds)


def told(error: BaseException, binding: Binding) -> str:
    """Return an exception in words, with the line of the function's own file that it comes from."""
    message = "".join(traceback.format_exception_only(error)).strip()
    code = getattr(binding.function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    if not own:
        return message
    line = f": {own[-1].line}" if own[-1].line else ""
    return f"{message} (line {own[-1].lineno} of {own[-1].filename.rpartition('/')[2]}{line})"


def _same(array: Any, old: Any) -> bool:
    return not isinstance(array, np.ndarray) or np.array_equal(array, old, equal_nan=array.dtype.kind == "f")


def _results(result: Any, count: int) -> Results:
    """Return what a function gave as at most `count` arrays of numbers."""
    if result is None:
        raise TypeError("It returns None: is a return missing?")
    several = isinstance(result, tuple) and (count > 1 or len(result) == 1)
    arrays = []
    for part in result if several else (result,):
        try:
            array = np.asarray(part)
        except ValueError:
            raise ValueError("It returns lists whose lengths differ, and no array") from None
        if array.dtype.kind not in "buif":
            raise TypeError(f"It returns {type(part).__name__} of {array.dtype}, and no array of numbers")
        arrays.append(array)
    if len(arrays) > count:
        raise ValueError(f"It returns {len(arrays)} results in place of {count}")
    return tuple(arrays)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let neither prints nor warnings of the function into what is told about it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer. Only a main thread on POSIX can be interrupted safely; elsewhere there is no limit.

    A timer that was running goes on afterwards, and its handler gets its signal.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _TimeUpError

    handler = signal.signal(signal.SIGALRM, interrupt)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    start = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-3), interval)
