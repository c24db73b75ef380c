"""The one form in which numbers reach the page: a JSON text, and behind it the float32 numbers that it refers to."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np

#: Where an array is, in numbers from the first one, and its shape.
Reference: TypeAlias = dict[str, Any]


class Pack:
    """Arrays on their way to the page. What is added twice is there once, so layers that only pass numbers on cost nothing.

    Attributes
    ----------
    count : int
        How many numbers there are.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.teaching.explorer.pack import Pack
    >>> pack = Pack()
    >>> pack.add(np.ones((2, 3))), pack.add(np.zeros(2)), pack.add(np.ones(6))
    ({'at': 0, 'shape': [2, 3]}, {'at': 6, 'shape': [2]}, {'at': 0, 'shape': [6]})
    >>> len(pack.to_bytes({}))
    40
    """

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self.count = 0

    def add(self, array: np.ndarray) -> Reference:
        """Take in `array`, as float32, and return what the JSON text calls it."""
        content = np.ascontiguousarray(array, "<f4").tobytes()
        at = self._places.setdefault(content, self.count)
        if at == self.count:
            self.count += array.size
        return {"at": at, "shape": list(array.shape)}

    def to_bytes(self, head: Any) -> bytes:
        """Return all of it: the length of the JSON text of `head` in 4 bytes, the text, with spaces up to a whole word, the numbers."""
        text = json.dumps(head, separators=(",", ":")).encode("ascii")
        text += b" " * (-len(text) % 4)
        return b"".join((len(text).to_bytes(4, "little"), text, *self._places))
