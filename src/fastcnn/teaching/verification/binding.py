"""How a function is called: which of its parameters takes which array and which option, whatever they are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastcnn import reference

from .cases import Case, value_of
from .operations import Operation

#: What people call the arrays and the options. What has another name, and must be given, goes by its place.
_ALIASES = {
    "x": "x image images img imgs input inputs input_data feature_map feature_maps a data x_in inp",
    "w": "w kernel kernels filter filters weight weights f k filt",
    "b": "b bias biases",
    "dy": "dy dout d_out grad grad_output grad_out upstream dz delta gradient d_y dl_dy dl_dout output_grad",
    "y": "y x z out output cache a activated",
    "logits": "logits scores z x preds predictions y_pred y_hat",
    "labels": "labels label y y_true target targets t classes",
    "cols": "cols col columns patches",
    "indices": "indices index idx winners argmax switches",
    "input_shape": "input_shape x_shape shape in_shape image_shape",
    "stride": "stride strides s step",
    "padding": "padding pad p",
    "dilation": "dilation dilations dilation_rate d",
    "groups": "groups group",
    "pool_size": "pool_size size pool k ksize kernel_size window window_size f n",
    "kernel_size": "kernel_size size k ksize kernel window window_size",
    "output_padding": "output_padding",
    "ceil_mode": "ceil_mode ceil",
    "count_include_pad": "count_include_pad",
    "activation": "activation",
    "axis": "axis dim",
}
#: What says in other words what is left out by default.
_NOTHING = {"padding": ("valid", (0, 0), None)}


@dataclass(frozen=True)
class Binding:
    """A function with, for each parameter in use, the array or the option that it takes."""

    function: Callable[..., Any]
    operation: Operation
    parameters: Mapping[str, tuple[str, inspect.Parameter]]
    unknown: tuple[str, ...] = ()

    @property
    def offered(self) -> set[str]:
        """The arrays and options that the function takes, and those that `indices` say all about."""
        names = {name for name, _ in self.parameters.values()}
        if "indices" in names:
            names |= self.operation.options.keys()
        if any(name == "padding" and isinstance(parameter.default, str) for name, parameter in self.parameters.values()):
            names.add("padding by name")
        return names | (self.operation.takes.keys() - {"b"})

    @property
    def required(self) -> set[str]:
        """The arrays and options that must be given."""
        return {name for name, parameter in self.parameters.values() if parameter.default is inspect.Parameter.empty}

    def texts(self, case: Case) -> list[str]:
        """Return the arguments of the call as Python text."""
        texts: list[str] = []
        gap = False
        for written, (name, parameter) in self.parameters.items():
            text = self._text(case, name, parameter)
            if text is None:
                gap = True
                continue
            by_place = parameter.kind is inspect.Parameter.POSITIONAL_ONLY or (
                parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and not gap and name in case.texts
            )
            gap = gap or not by_place
            texts.append(text if by_place else f"{written}={text}")
        return texts

    def text(self, case: Case) -> str:
        """Return the call as a line of Python."""
        return f"{getattr(self.function, '__name__', 'function')}({', '.join(self.texts(case))})"

    def arguments(self, case: Case) -> tuple[list[Any], dict[str, Any]]:
        """Return the values of the arguments by place and by name, new at each call."""
        return value_of(f"(lambda *places, **names: (list(places), names))({', '.join(self.texts(case))})")

    def _text(self, case: Case, name: str, parameter: inspect.Parameter) -> str | None:
        if name in case.texts:
            return case.texts[name]
        given = parameter.default is not inspect.Parameter.empty
        if name in self.operation.options:
            if name in case.options:
                return repr(case.options[name])
            usual = self.operation.options[name]
            if given and (parameter.default == usual or parameter.default in _NOTHING.get(name, (None,))):
                return None
            return repr(case.options.get("pool_size", 2) if usual is None and name == "stride" else usual)
        return None


def bind(function: Callable[..., Any], operation: Operation) -> Binding:
    """Find out how to call a function as an operation.

    Raises
    ------
    TypeError
        If it has a parameter that must be given and of which nobody knows what it is.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C
        signature = inspect.signature(getattr(reference, operation.name))
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        signature = inspect.signature(getattr(reference, operation.name))
    found: dict[str, tuple[str, inspect.Parameter]] = {}
    free = [*operation.takes, *operation.derived, *operation.options]
    parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for parameter in parameters:
        name = next((name for name in free if parameter.name.lower() in _ALIASES[name].split()), None)
        if name is not None:
            free.remove(name)
            found[parameter.name] = name, parameter
    rest = [name for name in free if name not in operation.derived]
    strange = []
    for parameter in parameters:
        if parameter.name in found:
            continue
        if parameter.default is not inspect.Parameter.empty:
            strange.append(parameter.name)
        elif not rest:
            raise TypeError(f"nothing is known about the parameter {parameter.name!r} of a function like {operation.name}")
        else:
            found[parameter.name] = rest.pop(0), parameter
    ordered = {p.name: found[p.name] for p in parameters if p.name in found}
    return Binding(function, operation, ordered, tuple(strange))
