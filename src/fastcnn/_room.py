"""How large the weights of new layers may be while a file says what they are: no larger than what the file has for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

#: The numbers that weights may still have; None for any.
_left: ContextVar[int | None] = ContextVar("left", default=None)


@contextmanager
def room_for(numbers: int) -> Iterator[None]:
    """Let the weights that layers make here have as many `numbers` in all."""
    token = _left.set(numbers)
    try:
        yield
    finally:
        _left.reset(token)


def take(shapes: Iterable[Sequence[int]]) -> None:
    """Refuse weights of these shapes, before they take memory, if there is no room for them.

    Raises
    ------
    ValueError
    """
    left = _left.get()
    if left is None:
        return
    left -= sum(map(math.prod, shapes))
    if left < 0:
        raise ValueError("its layers have more weights than are in it")
    _left.set(left)
