"""A case: an operation, its arguments, of which one may be bad, and the settings it runs under."""

import dataclasses

import numpy as np

from fastcnn import _core
from fuzz import geometry
from fuzz.calls import BAD_DTYPES, Array, Call
from fuzz.operations import INTERNAL, OPERATIONS

#: What a parameter may be given that is no integer, no pair of integers and no rule's name.
BAD_KINDS = (None, True, np.True_, 1.0, 2.5, np.float32(2), float("nan"), float("inf"), 1j, "1", "full", b"1", {1}, {1: 1}, np.ones(2))
#: What may or may not be good, by itself or beside the other arguments.
NUMBERS = (0, -1, 1, 2, 3, 7, geometry.LARGEST, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**31), -(2**63), -(10**30))
FORMS = ((), [], (1,), (1, 1, 1), (1, 2.0), (True, 1), ((1, 1), (0, 1)), ((1,), (2,)), ((1, 1), 1), np.ones((2, 2), int), np.zeros(0, int))
NAMES = ("valid", "same", "relu", "channels_first", "channels_last", "forward", "")
#: The parameters that are neither arrays nor shapes.
PARAMETERS = ("stride", "padding", "dilation", "groups", "output_padding", "pool_size", "kernel_size", "axis", "bias")
CHOICES = ("data_format", "activation", "op")
FLAGS = ("ceil_mode", "return_indices", "count_include_pad", "input_grad")


def drawn(c):
    """A call."""
    name = c.of([*OPERATIONS])
    arguments, comes = OPERATIONS[name].arguments(c), "a result"
    if name not in INTERNAL and c.once_in(4):
        arguments, comes = spoiled(c, name, arguments)
    isas = [isa for isa, runs_here in _core.isas().items() if runs_here]
    settings = {"isa": c.of(isas), "threads": c.of((1, 1, 2, 3, 7)), "winograd": c.of((1, 0, 2, 3, 4, 5))}
    return Call(name, arguments, comes, c.below(10_000), **settings)


def spoiled(c, name, arguments):
    """The arguments with one that is not as it should be, and what may come of that."""
    names = OPERATIONS[name].names
    arrays = [argument for argument, value in arguments.items() if isinstance(value, Array)]
    shapes = [argument for argument in ("input_shape", "x_shape", "w_shape") if argument in names]
    parameters = [argument for argument in (*PARAMETERS, *CHOICES, *FLAGS) if argument in names]
    argument = c.of([*parameters, *arrays, *shapes, *(["out"] if "out" in names else [])])
    if argument in arrays:
        value, comes = bad_array(c, arguments[argument])
    elif argument in shapes:
        value, comes = bad_shape(c, arguments[argument])
    elif argument == "out":
        value, comes = bad_outputs(c), "an error"
    else:
        value, comes = bad_parameter(c, argument)
    return {**arguments, argument: value}, comes


def bad_parameter(c, argument):
    kind = c.below(5)
    if kind == 0 and argument in PARAMETERS:
        value = c.of(NUMBERS)
        return (value, c.of((1, value))) if c.once_in(4) else value, "either"
    if kind == 1 and argument in PARAMETERS:
        return c.of(FORMS), "either"
    if kind == 2:
        return c.of(NAMES), "either"
    value = c.of(BAD_KINDS)
    may_be_good = argument == "bias" or value is None or (argument in FLAGS and isinstance(value, (bool, np.bool_)))
    return value, "either" if may_be_good else "an error"


def bad_array(c, array):
    kind = c.below(4)
    if kind == 0:
        return dataclasses.replace(array, dtype=c.of(BAD_DTYPES), values="plain", memory="plain"), "either"
    if kind == 1:
        shape = (*array.shape[1:],) if c.once_in(2) else (1, *array.shape)
        return dataclasses.replace(array, shape=shape), "either"
    if kind == 2 and array.shape:
        axis = c.below(len(array.shape))
        size = c.of((array.shape[axis] + 1, max(array.shape[axis] - 1, 0), 0, 1))
        return dataclasses.replace(array, shape=(*array.shape[:axis], size, *array.shape[axis + 1 :])), "either"
    return c.of(("text", None, 1j, [[1.0, 2.0], [3.0]], {1: 2}, ["a"], [None])), "either"


def bad_shape(c, shape):
    kind = c.below(4)
    if kind == 0:
        return c.of((None, 5, "2683", (), (1,), (2, 6), (1, 2, 6, 8, 3))), "either"
    axis = c.below(len(shape))
    size = c.of((*NUMBERS, 2.0, None, True, "1"))
    value = (*shape[:axis], size, *shape[axis + 1 :])
    return (list(value) if c.once_in(4) else value), "either"


def bad_outputs(c):
    bad = (Array((0,)), Array((1, 1, 1, 1), "float16"), Array((2, 3), memory="read-only"), [1.0], None)
    return [c.of(bad)] if c.once_in(2) else c.of((None, 1, "out", [Array((1,))] * 3, {1: 2}))
