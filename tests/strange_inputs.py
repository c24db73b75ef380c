"""The table of strange but good inputs: what is done to the arguments of a call that works, and what it then must be equal to."""

import functools
import tempfile
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from kernels import laid_out


class Strange(NamedTuple):
    """Row `row`: `operation` with good arguments changed by ``change(arguments, data_format)`` gives what it should.

    That is the very bits that it gives with the arguments changed by `like`, or, without one, what the reference gives, but for rounding.
    """

    row: int
    operation: str
    what: str
    change: Callable
    like: Callable | None = None


class Sub(np.ndarray):
    """A subclass with nothing of its own."""


class ArrayLike:
    """What NumPy can make an array of, and nothing else."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


class Nothing:
    """An empty array whose data are at address 0."""

    def __init__(self, array):
        self.__array_interface__ = {"version": 3, "data": (0, False), "shape": array.shape, "typestr": array.dtype.str}


# --- What is done to each array --------------------------------------------------------------------------------------------


def each(change):
    """All arrays changed."""
    return lambda arguments, _: {name: change(value) if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


def backwards(array):
    return array[(slice(None, None, -1),) * array.ndim].copy()[(slice(None, None, -1),) * array.ndim]


def spread(array):
    result = np.zeros(tuple(2 * size for size in array.shape), array.dtype)[(slice(None, None, 2),) * array.ndim]
    result[...] = array
    return result


def turned(array):
    return np.ascontiguousarray(array.T).T


def repeated(array):
    """The first number everywhere, by strides of 0."""
    return np.broadcast_to(array[(slice(1),) * array.ndim], array.shape)


def read_only(array):
    result = array.copy()
    result.flags.writeable = False
    return result


def mapped(array):
    with tempfile.TemporaryFile() as file:
        result = np.memmap(file, array.dtype, "w+", shape=array.shape)
    result[...] = array
    return result


def misaligned(array):
    result = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def other_byte_order(array):
    return array.astype(array.dtype.newbyteorder())


def masked(array):
    return np.ma.masked_array(array, mask=np.ones(array.shape, bool))


def subnormal(array):
    return np.round(array * 1000) * np.finfo(array.dtype).smallest_subnormal if array.dtype.kind == "f" else array


def widened(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


SAME = each(np.copy)
REPRESENTATIONS = [
    (51, "Fortran order", each(turned), SAME),
    (51, "backwards", each(backwards), SAME),
    (51, "every second number", each(spread), SAME),
    (51, "strides of 0", each(repeated), each(lambda array: repeated(array).copy())),
    (52, "read-only", each(read_only), SAME),
    (52, "memory-mapped", each(mapped), SAME),
    (53, "misaligned", each(misaligned), SAME),
    (53, "of the other byte order", each(other_byte_order), SAME),
    (55, "nested lists", each(np.ndarray.tolist), each(widened)),
    (60, "masked arrays", each(masked), SAME),
    (60, "a subclass", each(lambda array: array.view(Sub)), SAME),
    (60, "array-likes", each(ArrayLike), SAME),
    (60, "buffers", each(memoryview), SAME),
]


def replaced(name, change):
    """One array changed."""
    return lambda arguments, _: arguments | {name: change(arguments[name])}


def special(value, array):
    result = array.copy()
    result.flat[:: max(array.size // 3, 1)] = value
    return result


def batchless(arguments, _):
    """A batch of no images."""
    batched = {name: value[:0] for name, value in arguments.items() if name in ("x", "dy", "y", "indices", "cols", "logits", "labels")}
    if "input_shape" in arguments:
        batched["input_shape"] = (0, *arguments["input_shape"][1:])
    return arguments | batched


def nowhere(arguments, data_format):
    """The same at address 0."""
    return {
        name: Nothing(value) if isinstance(value, np.ndarray) and not value.size else value
        for name, value in batchless(arguments, data_format).items()
    }


def written_to(arguments, _):
    """Two threads write to the arrays, for as long as the arguments live and a while longer."""

    def write():
        for count in range(300):
            for value in arguments.values():
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    value.fill(count)

    for _ in range(2):
        threading.Thread(target=write).start()
    return arguments


def on(changes):
    """Other arguments: channels-last images are laid out, and numbers get the dtype of the call."""

    def change(arguments, data_format):
        dtype = next(value.dtype for value in arguments.values() if isinstance(value, np.ndarray) and value.dtype.kind == "f")
        made = {name: value.astype(dtype) if isinstance(value, np.ndarray) else value for name, value in changes.items()}
        images = {name: laid_out(value, data_format) for name, value in made.items() if name in ("x", "dy")}
        return arguments | made | images

    return change


def whole(*shape):
    """Small whole numbers, whose sums are exact."""
    return np.random.default_rng(7).integers(-4, 5, shape).astype(np.float32)


@functools.cache
def plane(dtype, height=2**16 + 1, width=2**15):
    """A file with holes, of over 2**31 numbers, of which those at the four corners are not 0."""
    with tempfile.TemporaryFile() as file:
        file.truncate(np.dtype(dtype).itemsize * height * width)
        result = np.memmap(file, dtype, "r+", shape=(height, width))
    result[np.ix_([0, 1, -2, -1], [0, 1, -2, -1])] = whole(4, 4)
    return result.view(np.ndarray)


def far_corners(arguments, data_format, **others):
    """Four windows at the corners of the plane."""
    x = plane(arguments["x"].dtype)
    images = x[None, :, :, None] if data_format == "channels_last" else x[None, None]
    return on(others)(arguments, data_format) | {"x": images, "stride": (x.shape[0] - 2, x.shape[1] - 2)}


def near_corners(arguments, data_format, **others):
    """The same windows side by side."""
    return on({"x": whole(4, 4)[None, :, :, None], "stride": 2, **others})(arguments, data_format)


def shapes():
    """Sizes at the edge of what makes sense."""
    single, small, padded = whole(2, 1, 1, 4), whole(1, 2, 3, 4), {"padding": (30, 28)}
    wide = {"w": whole(31, 29, 4, 3), "x": small, **padded}
    for operation in ("conv2d", "im2col"):
        yield Strange(30, operation, "1x1, padding over the kernel, odd strides", on({"x": single, "padding": (3, 3), "stride": (5, 3)}))
    backward = {"x": single, "dy": whole(2, 1, 2, 6), "padding": (3, 3), "stride": (5, 5)}
    yield Strange(30, "conv2d_backward", "1x1, padding over the kernel, odd strides", on(backward))
    yield Strange(30, "conv2d_transpose", "1x1, odd strides", on({"x": whole(2, 1, 1, 6), "stride": (5, 3)}))
    for operation in ("max_pool2d", "avg_pool2d"):
        yield Strange(30, operation, "1x1, padding, odd strides", on({"x": single, "padding": 1, "stride": 3}))
    yield Strange(31, "conv2d", "large padding, large kernel", on({"b": None, **wide}))
    yield Strange(31, "conv2d_backward", "large padding, large kernel", on({"dy": whole(1, 32, 31, 3), **wide}))
    yield Strange(31, "im2col", "large padding, large kernel", on({"x": small, "kernel_size": (31, 29), **padded}))
    ones = {"x": np.ones((1, 512, 512, 8)), "w": np.ones((40, 40, 8, 1)), "b": None}
    pillars = {"x": np.full((1, 512, 473, 1), 320.0), "w": np.ones((40, 1, 1, 1)), "b": None}
    yield Strange(26, "conv2d", "3e9 numbers of patches", on(ones), on(pillars))
    for operation, others in [
        ("max_pool2d", {}),
        ("avg_pool2d", {}),
        ("im2col", {"kernel_size": 2}),
        ("conv2d", {"w": whole(2, 2, 1, 5), "b": None}),
    ]:
        far, near = functools.partial(far_corners, **others), functools.partial(near_corners, **others)
        yield Strange(27, operation, "over 2**31 numbers", far, near)


def poolings():
    """Windows over padding, and over what is no number."""
    options = [{"padding": 1, "stride": 3}, {"padding": 1}, {"pool_size": 3, "padding": 1}]
    for operation in ("max_pool2d", "avg_pool2d"):
        for given in options:
            for side in (1, 4, 5, 7):
                arguments = {"x": whole(2, side, side, 3), "ceil_mode": True, **given}
                where = f"the last windows of {given} on {side} pixels a side"
                for row in (39, 40) if operation == "max_pool2d" else (46, 47):
                    yield Strange(row, operation, where, on(arguments))
                if operation == "avg_pool2d":
                    yield Strange(47, operation, f"padding counts, {where}", on(arguments | {"count_include_pad": True}))
    for dilation in (2, 3, 4):
        dilated = {"x": whole(2, 6, 5, 3), "dilation": dilation, "padding": 1, "ceil_mode": True}
        yield Strange(39, "max_pool2d", f"dilation {dilation}", on(dilated))
    for row, value in [(41, -np.inf), (41, np.nan)]:
        filled = np.full((2, 6, 8, 3), value)
        yield Strange(row, "max_pool2d", f"all {value}", on({"x": filled, "padding": 1, "return_indices": True}))
    one_nan = whole(2, 6, 8, 3)
    one_nan[:, 3, 4] = np.nan
    for operation in ("max_pool2d", "avg_pool2d"):
        yield Strange(42, operation, "a NaN", on({"x": one_nan}))


def strange_cases(calls):
    """Each row for each of `calls` that it fits: a dictionary from operations to (function, good arguments)."""
    for operation, (_, arguments) in calls.items():
        floats = [name for name, value in arguments.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
        if not floats:
            continue
        yield from (Strange(row, operation, what, change, like) for row, what, change, like in REPRESENTATIONS)
        for name in floats:
            for value in (np.nan, np.inf, -np.inf):
                yield Strange(58, operation, f"{value} in {name}", replaced(name, functools.partial(special, value)))
        if operation != "convolve2d":
            pooling = "pool" in operation
            row = 36 if operation.endswith("conv2d_backward") else 45 if pooling else 20
            yield Strange(row, operation, "no images", batchless)
            yield Strange(25, operation, "no images, at address 0", nowhere, batchless)
        if not operation.startswith("softmax"):
            yield Strange(57, operation, f"subnormal {floats[0]}", replaced(floats[0], subnormal))
        yield Strange(59, operation, "written to by other threads", written_to, written_to)
    yield from shapes()
    yield from poolings()
