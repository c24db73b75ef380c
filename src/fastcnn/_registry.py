"""Objects that a string or a dictionary may stand for: their names, their configuration, and the way back."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from fastcnn._settings import Checked, Setting

T = TypeVar("T", bound="Configurable")

#: The classes of one's own that descriptions may name, too.
_own: ContextVar[tuple[tuple[str, type], ...]] = ContextVar("own", default=())


@contextmanager
def knowing(classes: Iterable[tuple[str, type]]) -> Iterator[None]:
    """Let `resolve` know these classes by these names as well."""
    token = _own.set((*_own.get(), *classes))
    try:
        yield
    finally:
        _own.reset(token)


def snake_case(name: str) -> str:
    """Return `name` in lower case with underscores as Keras places them: "MaxPooling2D" is "max_pooling2d"."""
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


@dataclass_transform(eq_default=False)
class Configurable:
    """An object whose constructor arguments are kept as attributes of the same names.

    A class that declares some, as `Setting`, or joins classes that do has a constructor made of all of them; ``kw_only=True`` beside the
    bases lets its own be given by name alone.
    """

    #: Constructor arguments that are no part of the configuration.
    _not_configured: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, kw_only: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        settings = {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}
        if settings or sum(map(dataclasses.is_dataclass, cls.__bases__)) > 1:
            dataclasses.dataclass(cls, eq=False, repr=False, kw_only=kw_only)
            for name, setting in settings.items():
                setattr(cls, name, Checked(setting, name))

    def __post_init__(self) -> None:
        """Check what no argument shows by itself, and set what follows from all of them."""

    def _arguments(self) -> dict[str, Any]:
        """Return what the constructor was given, by name; objects as they are."""
        return {name: getattr(self, name) for name in _parameters(type(self)) if name not in self._not_configured}

    def parts(self) -> Iterator[Any]:
        """Yield the constructor's arguments as they are."""
        yield from self._arguments().values()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values, fit for JSON."""
        return {name: plain(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the object that `get_config` described."""
        return cls(**config)


def _parameters(cls: type) -> Iterator[str]:
    """Yield the named parameters of the constructors of `cls` and its bases, which take each other's as ``**kwargs``."""
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            for parameter in list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]:
                if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                    yield parameter.name


def plain(value: Any) -> Any:
    """Return `value` with the objects in it, in lists and dictionaries too, as `serialize` gives them."""
    if isinstance(value, Configurable):
        return serialize(value)
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def serialize(value: Configurable) -> dict[str, Any]:
    """Return the dictionary from which `resolve` makes `value` again."""
    return {"class_name": type(value).__name__, "config": value.get_config()}


def defined(module: str, base: type[T]) -> list[type[T]]:
    """Return the public subclasses of `base` that a module defines, in its order."""
    own = [value for value in vars(sys.modules[module]).values() if isinstance(value, type) and value.__module__ == module]
    return [cls for cls in own if issubclass(cls, base) and cls is not base and not cls.__name__.startswith("_")]


def table(*classes: type[T], **aliases: type[T]) -> dict[str, type[T]]:
    """Return the classes by their names in snake case, and by other names."""
    return {snake_case(cls.__name__): cls for cls in classes} | aliases


def resolve(value: Any, classes: Mapping[str, type[T]], kind: str, base: type[T]) -> T:
    """Return the object that `value` stands for: itself, a name among `classes`, or what `serialize` made.

    `kind` is the word for it in messages ("optimizer").
    """
    if isinstance(value, base):
        return value
    if isinstance(value, str):
        value = {"class_name": value, "config": {}}
    if not (isinstance(value, Mapping) and isinstance(value.get("class_name"), str) and isinstance(value.get("config"), Mapping)):
        raise TypeError(f"{kind} must be a name or an object of {base.__module__}, got {value!r} of type {type(value).__name__}")
    known = {**classes, **{snake_case(name): cls for name, cls in _own.get() if issubclass(cls, base)}}
    name = cast(str, value["class_name"])
    if snake_case(name) not in known:
        raise ValueError(f"{kind} must be one of {', '.join(map(repr, known))}, got {name!r}")
    return known[snake_case(name)].from_config(value["config"])
