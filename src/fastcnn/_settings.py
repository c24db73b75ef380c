"""The arguments of constructors, declared once: what each may be, what it is kept as, and what it is by default.

A `Configurable` class declares them in its body; its constructor follows from them (`dataclasses`), and each is checked whenever it is
set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, overload

from fastcnn import _validate

Given = TypeVar("Given")
Kept = TypeVar("Kept")

#: The default of an argument that must be given.
REQUIRED: Any = object()


class Setting(Generic[Given, Kept]):
    """An argument of a constructor, and the attribute that keeps it.

    `check` has the value and its name for messages, and returns what is kept, or raises a ``TypeError`` or a ``ValueError``. What is
    `fixed` is set by the constructor alone.
    """

    def __init__(self, check: Callable[[Any, str], Kept], default: Any = REQUIRED, fixed: bool = False) -> None:
        self.check, self._default, self.fixed = check, default, fixed

    @overload
    def __get__(self, owner: None, cls: type) -> Any: ...
    @overload
    def __get__(self, owner: object, cls: type) -> Kept: ...
    def __get__(self, owner: object | None, cls: type) -> Any:
        """Return the default, for which `dataclasses` ask while a class is made."""
        if self._default is REQUIRED:
            raise AttributeError("it must be given")
        return self._default

    def __set__(self, owner: object, value: Given) -> None:
        raise NotImplementedError  # a class that is made has a `Checked`


class Checked:
    """What a class that is made has in place of a `Setting`: it sees to what is set, and reads are those of any attribute, as fast."""

    def __init__(self, setting: Setting[Any, Any], name: str) -> None:
        self._check, self._name, self._fixed = setting.check, name, setting.fixed

    def __set__(self, owner: object, value: Any) -> None:
        if self._fixed and self._name in vars(owner):
            raise AttributeError(f"{self._name} of a {type(owner).__name__} cannot be changed")
        vars(owner)[self._name] = self._check(value, self._name)


Integer: TypeAlias = Setting[int, int]
Real: TypeAlias = Setting[float, float]
Flag: TypeAlias = Setting[bool, bool]
Choice: TypeAlias = Setting[str, Any]
Pair: TypeAlias = Setting["int | tuple[int, int]", tuple[int, int]]
Range: TypeAlias = Setting["float | Sequence[float]", tuple[float, float]]
OptionalInteger: TypeAlias = Setting["int | None", "int | None"]
OptionalReal: TypeAlias = Setting["float | None", "float | None"]


def integer(minimum: int, default: int = REQUIRED, maximum: int = _validate.MAX_PARAMETER) -> Integer:
    """Declare an integer in [minimum, maximum]."""
    return Setting(partial(_validate.integer, minimum=minimum, maximum=maximum), default)


def real(minimum: float, maximum: float, default: float = REQUIRED) -> Real:
    """Declare a number in [minimum, maximum]."""
    return Setting(partial(_validate.real, minimum=minimum, maximum=maximum), default)


def flag(default: bool) -> Flag:
    """Declare a bool."""
    return Setting(_validate.boolean, default)


def choice(*options: str) -> Choice:
    """Declare one of some words, of which the first is the default."""
    return Setting(partial(_validate.choice, options=options), options[0])


def pair(minimum: int, default: tuple[int, int] = REQUIRED) -> Pair:
    """Declare an integer or two, for height and width."""
    return Setting(partial(_validate.pair, minimum=minimum), default)


def limits(minimum: float, maximum: float) -> Range:
    """Declare a least and a most number in [minimum, maximum]; one number f stands for -f and f."""
    return Setting(partial(_validate.limits, minimum=minimum, maximum=maximum))


def optional(setting: Setting[Given, Kept]) -> Setting[Given | None, Kept | None]:
    """Declare the same, or None, which is the default."""

    def check(value: Any, name: str) -> Kept | None:
        return None if value is None else setting.check(value, name)

    return Setting(check, None)
