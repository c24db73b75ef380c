"""Ctrl-C at a better time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class PutOff:
    """Lets Ctrl-C wait until ``with put_off`` has ended, again and again: what is done in there is done whole or not at all."""

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        self._handler = handler
        self._inside = False
        self._pending: tuple[int, FrameType | None] | None = None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on, now or later."""
        if self._inside:
            self._pending = number, frame
        else:
            self._handler(number, frame)

    def __enter__(self) -> None:
        self._inside = True

    def __exit__(self, *_: object) -> None:
        self._inside = False
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._handler(*pending)


@contextmanager
def put_off() -> Iterator[PutOff]:
    """Hear Ctrl-C until the block has ended, for blocks inside of it that are not to be interrupted.

    To listen costs more than the inner blocks do, which may be many: hence the two.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():  # no other thread is ever interrupted
        yield PutOff(lambda *_: None)
        return
    listener = PutOff(handler)
    signal.signal(signal.SIGINT, listener.hear)
    try:
        yield listener
    finally:
        if signal.getsignal(signal.SIGINT) == listener.hear:  # else a callback has put its own handler there, to stay
            signal.signal(signal.SIGINT, handler)
