"""A call is made, and its result, or its refusal, is held against what must come of it."""

import contextlib
import re
import resource
from pathlib import Path

import numpy as np
from compare import assert_same_bits

from fastcnn import _core
from fastcnn.ops import _images
from fuzz.calls import Array, without_numpy
from fuzz.operations import OPERATIONS

#: How much memory a call may take that may be about a huge result.
ROOM = 2**30


class Wrong(AssertionError):
    """What a call did, and must not do."""


def use(isa, threads, winograd):
    _core.select_isa(isa)
    _core.set_num_threads(threads)
    _core.set_winograd(winograd)
    _core.set_least_share(0)  # work is shared out however little it is


@contextlib.contextmanager
def little_memory():
    """Let the process have no more than it has, and `ROOM`."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fill(result):
    """Make what a kernel does not write visible."""
    result.fill(np.nan if result.dtype.kind == "f" else np.iinfo(result.dtype).max)


def check(call):
    """Make a call, and raise Wrong if anything about it is; return whether it was accepted."""
    operation = OPERATIONS[call.operation]
    use(call.isa, call.threads, call.winograd)
    arguments = call.make()
    before = [memory_of(value) for value in arguments.values()]
    _images.watchers.append(fill)
    try:
        with contextlib.nullcontext() if call.comes == "a result" else little_memory():
            results = operation.function(**arguments)
    except (ValueError, TypeError, MemoryError) as error:
        refusal = error
    except Exception as error:
        raise Wrong(f"raised {type(error).__name__}: {error}") from error
    else:
        refusal = None
    finally:
        _images.watchers.remove(fill)
    written = arguments.get("out") if refusal is None else ()
    for (name, value), memory in zip(arguments.items(), before, strict=True):
        if value is not written and memory_of(value) != memory:
            raise Wrong(f"changed {name}")
    if refusal is not None:
        check_refusal(call, operation, refusal)
        return False
    if call.comes == "an error":
        raise Wrong("accepted a bad argument")
    results = results if isinstance(results, tuple) else (results,)
    check_results(call, operation, arguments, results)
    if call.threads != 1 or any(isinstance(value, Array) and value.memory != "plain" for value in call.arguments.values()):
        check_bits(call, operation, arguments, results)
    return True


def memory_of(value):
    """All bytes of an argument, those between its numbers too."""
    if isinstance(value, memoryview):
        return value.tobytes()
    if not isinstance(value, np.ndarray):
        return repr(value)
    while isinstance(value.base, np.ndarray):
        value = value.base
    return value.tobytes() if value.dtype.kind != "O" else repr(value)


def check_refusal(call, operation, error):
    kind = type(error)
    if kind not in (ValueError, TypeError, MemoryError):
        raise Wrong(f"raised {kind.__name__}: {error}") from error
    if call.comes == "a result":
        raise Wrong(f"refused good arguments: {kind.__name__}: {error}") from error
    if not re.search(rf"\b({'|'.join(operation.names)})\b", str(error)):
        raise Wrong(f"named no argument: {error}") from error


def understood(call, arguments):
    """The arguments with parameters that the reference can compute with."""
    arrays = {name for name, value in call.arguments.items() if isinstance(value, Array) or name == "out"}
    return {name: value if name in arrays else without_numpy(value) for name, value in arguments.items()}


def check_results(call, operation, arguments, results):
    try:
        with np.errstate(all="ignore"):
            expected = operation.expected(call.winograd, **understood(call, arguments))
    except Exception as error:
        raise Wrong(f"accepted what makes no sense: {type(error).__name__}: {error}") from error
    if len(results) != len(expected):
        raise Wrong(f"returned {len(results)} results, not {len(expected)}")
    out = arguments.get("out", ())
    for index, (actual, wanted) in enumerate(zip(results, expected, strict=True)):
        if wanted is None or actual is None:
            if wanted is not actual:
                raise Wrong(f"result {index} is {type(actual).__name__}")
            continue
        if isinstance(actual, float) and wanted.value.ndim == 0:
            actual = wanted.dtype.type(actual)
        elif type(actual) is not np.ndarray:
            raise Wrong(f"result {index} is of type {type(actual).__name__}")
        elif 1 <= index <= len(out) and actual is not out[index - 1]:
            raise Wrong(f"result {index} is not in out")
        elif any(isinstance(value, np.ndarray) and np.may_share_memory(actual, value) for value in arguments.values()):
            raise Wrong(f"result {index} shares memory with an argument")
        try:
            with np.errstate(all="ignore"):
                wanted.check(actual)
        except AssertionError as error:
            raise Wrong(f"result {index}: {error}") from error


def in_c_order(value):
    array = np.array(value, order="C")
    return array.astype(array.dtype.newbyteorder("="))


def check_bits(call, operation, arguments, results):
    """The same bits come of arrays in C order, on one thread."""
    use(call.isa, 1, call.winograd)
    plain = {
        name: in_c_order(value) if isinstance(call.arguments[name], Array) else value for name, value in arguments.items() if name != "out"
    }
    again = operation.function(**plain)
    for index, (first, second) in enumerate(zip(results, again if isinstance(again, tuple) else (again,), strict=True)):
        try:
            if first is not None:
                assert_same_bits(np.asarray(first), np.asarray(second))
        except AssertionError as error:
            raise Wrong(f"result {index}, against C order and one thread: {error}") from error
