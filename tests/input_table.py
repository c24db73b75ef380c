"""The one table of inputs that do no harm: the bad and the strange ones, each for float32 and float64 and for both layouts."""

import inspect
import re
from typing import Any, NamedTuple

import numpy as np
from bad_inputs import CALLS, CASES, LAYERS, Case
from compare import assert_close, assert_same_bits, scale_of
from kernels import laid_out
from strange_inputs import Strange, strange_cases

import fastcnn
from fastcnn import _core, reference

#: Kinds of input that have done harm somewhere: the rows are numbered from 1 to this one.
ROWS = 60

OPERATIONS = CALLS | LAYERS


class Entry(NamedTuple):
    """One case in one dtype and one layout, "any" where there are no arrays and no images."""

    case: Any
    dtype: str
    data_format: str

    def __str__(self):
        what = self.case.what if isinstance(self.case, Strange) else self.case.changed()
        return f"{self.case.row}-{self.case.operation}-{self.dtype}-{self.data_format}-{what}"


def entries_of(case):
    function, arguments = OPERATIONS[case.operation]
    arrays = any(isinstance(value, np.ndarray) for value in arguments.values())
    layouts = arrays and "data_format" in inspect.signature(function).parameters
    if isinstance(case, Case) and "data_format" in case.changes:
        layouts = False  # it is what is bad
    for dtype in ("float32", "float64") if arrays else ("any",):
        for data_format in ("channels_last", "channels_first") if layouts else ("any",):
            yield Entry(case, dtype, data_format)


TABLE = [entry for case in (*CASES, *strange_cases(CALLS)) for entry in entries_of(case)]


# --- Arguments ----------------------------------------------------------------------------------------------------------


def in_variant(name, value, entry):
    """A copy of an argument, of channels-last images and float32, in the dtype and the layout of `entry`."""
    if isinstance(value, np.ndarray):
        value = value.astype(entry.dtype) if value.dtype == np.float32 else value.copy() if value.nbytes < 2**20 else value
    if entry.data_format != "channels_first":
        return value
    if isinstance(value, np.ndarray) and name in ("x", "dy", "indices"):
        return laid_out(value, entry.data_format)
    if name == "cols" and isinstance(value, np.ndarray) and value.ndim == 4:
        n, rows, columns, numbers = value.shape
        return np.ascontiguousarray(np.moveaxis(value, -1, 1)).reshape(n, numbers, rows * columns)
    if name == "input_shape" and isinstance(value, tuple) and len(value) in (3, 4):
        return (*value[:-3], value[-1], *value[-3:-1])
    return value


def arguments_of(entry, changes=()):
    """The good arguments of an entry's operation, new ones for each call, but for some `changes`."""
    arguments = {name: in_variant(name, value, entry) for name, value in (OPERATIONS[entry.case.operation][1] | dict(changes)).items()}
    return arguments if entry.data_format == "any" else arguments | {"data_format": entry.data_format}


def bytes_of(arguments):
    """The bytes of all small arrays that can be written to."""
    return {
        name: value.tobytes()
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and value.flags.writeable and value.nbytes < 2**20 and not value.dtype.hasobject
    }


def results_of(function, arguments):
    results = function(**arguments)
    return [np.asarray(result) for result in (results if isinstance(results, tuple) else (results,)) if result is not None]


# --- Running --------------------------------------------------------------------------------------------------------------


def run(entry):
    """Run one entry; an exception is a failure."""
    _core.set_least_share(0)
    with fastcnn.num_threads(2):
        if isinstance(entry.case, Case):
            run_bad(entry)
        else:
            run_strange(entry)
    for dtype in (np.float32, np.float64):  # nothing was told to flush what is subnormal
        tiny = np.full(16, np.finfo(dtype).smallest_subnormal)
        assert_same_bits(tiny * dtype(1), tiny)


def run_bad(entry):
    arguments = arguments_of(entry, entry.case.changes)
    before = bytes_of(arguments)
    try:
        OPERATIONS[entry.case.operation][0](**arguments)
    except Exception as error:
        assert type(error) is entry.case.error, f"raised {error!r}"
        assert re.search(rf"\b({entry.case.name})\b", str(error)), f"{entry.case.name!r} is not named by {error!r}"
    else:
        raise AssertionError(f"did not raise {entry.case.error.__name__}")
    assert bytes_of(arguments) == before, "an argument has changed"


def run_strange(entry):
    case, function = entry.case, OPERATIONS[entry.case.operation][0]
    arguments = case.change(arguments_of(entry), entry.data_format)
    before = bytes_of(arguments)
    results = results_of(function, arguments)
    if case.like is case.change:  # nobody knows what comes out
        return
    assert bytes_of(arguments) == before, "an argument has changed"
    if case.like:
        expected = results_of(function, case.like(arguments_of(entry), entry.data_format))
        for result, other in zip(results, expected, strict=True):
            assert_same_bits(result, other)
    else:
        check_by_reference(case.operation, arguments, results)


def check_by_reference(operation, arguments, results):
    """Compare with the reference: sums have at most as many terms as all arrays together have numbers, each of a size of 1 for softmax.

    Where there are NaN and Inf, the scale of what is finite is that of sums of standard normal numbers.
    """
    name = operation.removeprefix("depthwise_")
    if name != operation:
        arguments = arguments | {"groups": 4}
    function = getattr(reference, name)
    arrays = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
    options = {key: value for key, value in arguments.items() if key not in arrays}
    terms = 1 + sum(array.size for array in arrays.values())
    with np.errstate(all="ignore"):
        expected = results_of(function, arguments)
        scales = scale_of(lambda *given: results_of(function, dict(zip(arrays, given, strict=True)) | options), *arrays.values())
        for result, wanted, scale in zip(results, expected, scales, strict=True):
            if wanted.dtype.kind != "f":
                assert_same_bits(result, wanted)
                continue
            if operation.startswith("softmax"):
                scale = np.where(np.isfinite(wanted), 2 * terms, np.nan)
            elif not np.all(np.isfinite(scale)):
                scale = np.where(np.isfinite(wanted), 1e3, np.nan)
            assert_close(result, wanted, terms=terms, scale=scale)
