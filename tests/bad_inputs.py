"""The table of bad inputs: calls that work, and what to replace in them. All of it has crashed, hung or corrupted some library.

Rows are numbered by theme: stride, size, padding and other parameters (1 to 18), convolutions (19 to 36), poolings (37 to 50), arrays
(51 to 60). Numbers that are missing here are of good input: see ``strange_inputs.py``.
"""

import functools
import inspect
import math
from typing import NamedTuple

import numpy as np

import fastcnn
from fastcnn import layers


def numbers(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def use_num_threads(n):
    with fastcnn.num_threads(n):
        return fastcnn.get_num_threads()


#: name: (a function, arguments with which it works).
CALLS = {
    "conv2d": (fastcnn.conv2d, {"x": numbers(2, 6, 7, 4), "w": numbers(3, 2, 4, 6), "b": numbers(6)}),
    "conv2d_backward": (fastcnn.conv2d_backward, {"dy": numbers(2, 4, 6, 6), "x": numbers(2, 6, 7, 4), "w": numbers(3, 2, 4, 6)}),
    "depthwise_conv2d": (
        functools.partial(fastcnn.conv2d, groups=4),
        {"x": numbers(2, 6, 7, 4), "w": numbers(3, 2, 1, 8), "b": numbers(8)},
    ),
    "depthwise_conv2d_backward": (
        functools.partial(fastcnn.conv2d_backward, groups=4),
        {"dy": numbers(2, 4, 6, 8), "x": numbers(2, 6, 7, 4), "w": numbers(3, 2, 1, 8)},
    ),
    "conv2d_transpose": (fastcnn.conv2d_transpose, {"x": numbers(2, 4, 6, 6), "w": numbers(3, 2, 4, 6), "b": numbers(4)}),
    "conv2d_transpose_backward": (
        fastcnn.conv2d_transpose_backward,
        {"dy": numbers(2, 6, 7, 4), "x": numbers(2, 4, 6, 6), "w": numbers(3, 2, 4, 6)},
    ),
    "convolve2d": (fastcnn.convolve2d, {"image": numbers(6, 7), "kernel": numbers(3, 2)}),
    "max_pool2d": (fastcnn.max_pool2d, {"x": numbers(2, 6, 8, 3)}),
    "max_pool2d_backward": (
        fastcnn.max_pool2d_backward,
        {"dy": numbers(2, 3, 4, 3), "indices": np.full((2, 3, 4, 3), 47), "input_shape": (2, 6, 8, 3)},
    ),
    "avg_pool2d": (fastcnn.avg_pool2d, {"x": numbers(2, 6, 8, 3)}),
    "avg_pool2d_backward": (fastcnn.avg_pool2d_backward, {"dy": numbers(2, 3, 4, 3), "input_shape": (2, 6, 8, 3)}),
    "im2col": (fastcnn.im2col, {"x": numbers(2, 6, 7, 3), "kernel_size": (3, 2)}),
    "col2im": (fastcnn.col2im, {"cols": numbers(2, 4, 6, 18), "input_shape": (2, 6, 7, 3), "kernel_size": (3, 2)}),
    "dense": (fastcnn.dense, {"x": numbers(3, 5), "w": numbers(5, 4), "b": numbers(4)}),
    "dense_backward": (fastcnn.dense_backward, {"dy": numbers(3, 4), "x": numbers(3, 5), "w": numbers(5, 4)}),
    "relu": (fastcnn.relu, {"x": numbers(3, 5)}),
    "relu_backward": (fastcnn.relu_backward, {"dy": numbers(3, 5), "y": numbers(3, 5)}),
    "softmax": (fastcnn.softmax, {"x": numbers(3, 5)}),
    "softmax_cross_entropy": (fastcnn.softmax_cross_entropy, {"logits": numbers(3, 5), "labels": np.array([0, 4, 2])}),
    "set_num_threads": (fastcnn.set_num_threads, {"n": 1}),
    "num_threads": (use_num_threads, {"n": 1}),
    "show_config": (fastcnn.show_config, {"mode": "dicts"}),
}
#: The same of layers.
LAYERS = {
    "Conv2D": (layers.Conv2D, {"filters": 4, "kernel_size": 3}),
    "DepthwiseConv2D": (layers.DepthwiseConv2D, {"kernel_size": 3}),
    "SeparableConv2D": (layers.SeparableConv2D, {"filters": 4, "kernel_size": 3}),
    "Conv2DTranspose": (layers.Conv2DTranspose, {"filters": 4, "kernel_size": 3}),
    "MaxPooling2D": (layers.MaxPooling2D, {"pool_size": 2}),
    "AveragePooling2D": (layers.AveragePooling2D, {"pool_size": 2}),
    "Dense": (layers.Dense, {"units": 4}),
}
CONVOLUTIONS, TRANSPOSED = ["conv2d", "conv2d_backward"], ["conv2d_transpose", "conv2d_transpose_backward"]
POOLINGS, PATCHES = ["max_pool2d", "avg_pool2d"], ["im2col", "col2im"]

LARGEST = 2**31 - 1  # that a parameter may be
HUGE = [2**31, 2**63 - 1, 2**63, 2**64, 2**200]
NOT_INTEGERS = [True, np.True_, 1.0, np.float64(1), math.nan, math.inf, 1j, b"1", {1}, {1: 1}, object()]
NOT_PAIRS = [0.5, (1, 1.0), (True, 1), (None, 1), ("1", 1)]
BAD_LENGTHS = [(1,), (1, 1, 1), np.ones(3, int), np.zeros(0, int)]
NOT_BOOLEANS = [1, 0.0, None, "yes"]
#: Of arrays that are not of real numbers.
BAD_DTYPES = [object, np.complex64, "U3", "S3", "M8[s]", "m8[s]", [("a", np.float32)]]
#: Shapes of the wrong rank, for each array of an operation.
BAD_RANKS = {
    "conv2d": {"x": [(), (6,), (6, 7), (1, 2, 6, 7, 4)], "w": [(), (6,), (2, 4, 6), (1, 3, 2, 4, 6)], "b": [(), (1, 6), (6, 1)]},
    "conv2d_backward": {"dy": [(), (6,), (4, 6, 6), (1, 2, 4, 6, 6)], "x": [(6, 7), (1, 2, 6, 7, 4)], "w": [(2, 4, 6)]},
    "conv2d_transpose": {"x": [(6,), (6, 7), (1, 2, 4, 6, 6)], "w": [(2, 4, 6), (1, 3, 2, 4, 6)], "b": [(), (1, 4), (4, 1)]},
    "conv2d_transpose_backward": {"dy": [(6, 7, 4), (1, 2, 6, 7, 4)], "x": [(6, 7), (1, 2, 4, 6, 6)], "w": [(2, 4, 6)]},
    "convolve2d": {"image": [(), (6,), (1, 6, 7)], "kernel": [(), (2,), (1, 3, 2)]},
    "max_pool2d": {"x": [(), (6,), (1, 2, 6, 8, 3)]},
    "max_pool2d_backward": {"dy": [(), (3,), (1, 2, 3, 4, 3)], "indices": [(), (3,), (3, 4, 3), (1, 2, 3, 4, 3)]},
    "avg_pool2d": {"x": [(), (6,), (1, 2, 6, 8, 3)]},
    "avg_pool2d_backward": {"dy": [(), (3,), (1, 2, 3, 4, 3)]},
    "im2col": {"x": [(), (6,), (6, 7), (1, 2, 6, 7, 3)]},
    "col2im": {"cols": [(), (18,), (6, 18), (4, 6, 18), (1, 2, 4, 6, 18)]},
    "dense": {"x": [()], "w": [(), (5,), (1, 5, 4)], "b": [(), (1, 4)]},
    "dense_backward": {"dy": [(), (4,), (1, 3, 4)], "x": [()], "w": [(), (5,), (1, 5, 4)]},
    "relu_backward": {"dy": [(), (5,), (1, 3, 5)]},
    "softmax": {"x": [()]},
    "softmax_cross_entropy": {"logits": [(), (5,), (1, 3, 5)], "labels": [(), (3, 1), (1, 3)]},
}
#: Axes whose size another argument prescribes, for an array of an operation, and the array that is to blame.
PRESCRIBED = [
    (22, "conv2d", "x", [3], "w"),
    (22, "conv2d", "w", [2], "w"),
    (22, "conv2d_backward", "x", [3], "w"),
    (22, "conv2d_transpose", "x", [3], "w"),
    (22, "conv2d_transpose_backward", "w", [3], "w"),
    (22, "dense", "x", [1], "w"),
    (22, "dense_backward", "w", [0], "w"),
    (24, "conv2d", "b", [0], "b"),
    (24, "conv2d_transpose", "b", [0], "b"),
    (24, "dense", "b", [0], "b"),
    (32, "conv2d_backward", "dy", [0, 1, 2, 3], "dy"),
    (32, "conv2d_transpose_backward", "dy", [0, 1, 2, 3], "dy"),
    (32, "dense_backward", "dy", [0, 1], "dy"),
    (32, "relu_backward", "dy", [0, 1], "dy"),
    (33, "conv2d_backward", "x", [0], "dy"),
    (33, "conv2d_transpose_backward", "x", [0], "dy"),
    (44, "max_pool2d_backward", "dy", [0, 1, 2, 3], "indices"),
    (44, "max_pool2d_backward", "indices", [0, 1, 2, 3], "indices"),
    (44, "softmax_cross_entropy", "labels", [0], "labels"),
    (50, "avg_pool2d_backward", "dy", [0, 1, 2, 3], "dy"),
    (50, "col2im", "cols", [0, 1, 2, 3], "cols"),
]


class Case(NamedTuple):
    """Row `row`: `operation` with `changes` raises `error`, whose message has the word `name`, or one of several with ``|`` between."""

    row: int
    operation: str
    changes: dict
    error: type
    name: str

    def __str__(self):
        return f"{self.row}-{self.operation}-{self.changed()}"

    def changed(self):
        return ", ".join(f"{name} {brief(value)}" for name, value in self.changes.items())


def brief(value):
    """The value, an array's dtype and shape, or the type of what has no name but its address."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__ if " at 0x" in repr(value) else repr(value)[:50]


class Exchangeable:
    """What can be exchanged by DLPack, and nothing else."""

    def __init__(self, array):
        self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__


def empty(*shape):
    """An array without numbers, of the smallest dtype, for the other axes may be huge."""
    return np.empty(shape, np.uint8)


def bad_parameters():
    """A bad value for one parameter, for each operation that has it."""
    sizes = ("pool_size", "kernel_size")
    table = [
        (1, "stride", ValueError, [0, (0, 1), (1, 0), np.int64(0)]),
        (2, "stride", ValueError, [-1, (-1, 1), (1, -2), -(2**63)]),
        *((4, name, ValueError, [0, (0, 2), (2, 0)]) for name in sizes),
        *((5, name, ValueError, [-1, (-2, 2), (2, -(2**63))]) for name in sizes),
        *((6, name, TypeError, [2.0, 2.5, 1e20, (2, 2.0), np.float32(2), np.ones(2)]) for name in sizes),
        *((7, name, ValueError, [*HUGE, LARGEST, (1, 2**63 - 1), (LARGEST, LARGEST), (1, LARGEST)]) for name in sizes),
        (8, "dilation", ValueError, [*HUGE, (1, 2**63 - 1)]),
        (9, "dilation", ValueError, [0, -1, (0, 1), (1, -1), -(2**63)]),
        (10, "padding", ValueError, [-1, (-1, 0), (0, -1), ((-1, 0), (0, 0)), ((0, 0), (0, -1)), -(2**63)]),
        (10, "output_padding", ValueError, [-1, (0, -1)]),
        (11, "padding", ValueError, [*HUGE, (0, 2**63 - 1), ((0, 0), (0, 2**63))]),
        (11, "stride", ValueError, [*HUGE, (1, 2**63 - 1)]),
        (11, "output_padding", ValueError, [*HUGE, 1, (0, 1)]),  # 1 is the stride already
        *((12, name, ValueError, [[], ()]) for name in ("padding", *sizes)),
        (13, "padding", ValueError, [((1, 1),), ((1, 1), (1,)), ((1, 1, 1), (1, 1)), ((1, 1), 1), (1, (1, 1)), ((1, 1), (1, 1), (1, 1))]),
        *((13, name, ValueError, BAD_LENGTHS) for name in ("stride", "dilation", "padding", "output_padding", *sizes)),
        (14, "groups", ValueError, [0, -1, *HUGE]),
        (15, "groups", ValueError, [4, 5, 7, LARGEST]),
        (16, "padding", ValueError, ["full", "SAME", "", "1"]),
        (16, "data_format", ValueError, ["NHWC", "channels", ""]),
        (16, "activation", ValueError, ["tanh", "ReLU", ""]),
        (16, "mode", ValueError, ["print", ""]),
        (16, "data_format", TypeError, [1, None, True, ["channels_last"]]),
        (16, "activation", TypeError, [1, True, ["relu"]]),
        (16, "mode", TypeError, [1, None, ["stdout"]]),
        *((17, name, TypeError, [*NOT_INTEGERS, *NOT_PAIRS, "1", ((1, 1), 1)]) for name in ("stride", "dilation", *sizes)),
        (17, "output_padding", TypeError, [*NOT_INTEGERS, *NOT_PAIRS, None, "same"]),
        (17, "padding", TypeError, [*NOT_INTEGERS, *NOT_PAIRS, None, ((1, 1), (1, 0.5)), (("1", "1"), (1, 1))]),
        (17, "dilation", TypeError, [None]),
        *((17, name, TypeError, [*NOT_INTEGERS, None, "1", (0, 1)]) for name in ("groups", "n", "axis")),
        (17, "axis", ValueError, [2, -3, 2**63]),
        (17, "bias", TypeError, [None, "1", 1j, object()]),
        (17, "bias", ValueError, [[1.0], [[1.0]]]),
        *((17, name, TypeError, NOT_BOOLEANS) for name in ("ceil_mode", "return_indices", "count_include_pad", "input_grad")),
        (18, "n", ValueError, [0, -1, -(2**63), *HUGE]),
        (34, "input_shape", ValueError, [(), (2,), (2, 6), (1, 2, 6, 8, 3), (2, -6, 8, 3), (2, 6, 0, 3), (2, 2**63, 8, 3)]),
        (34, "input_shape", TypeError, [None, 5, "2683", (2, 6.0, 8, 3), (2, True, 8, 3), (2, None, 8, 3)]),
    ]
    for row, parameter, error, values in table:
        for operation, (function, _) in CALLS.items():
            if operation.startswith("depthwise") and parameter == "groups":
                continue
            if parameter in inspect.signature(function).parameters:
                only_integer = operation == "convolve2d" and parameter == "stride"
                for value in values:
                    expected = TypeError if only_integer and isinstance(value, (tuple, list, np.ndarray)) else error
                    yield Case(row, operation, {parameter: value}, expected, parameter)
    yield from (Case(48, "avg_pool2d_backward", {name: 0}, ValueError, name) for name in ("pool_size", "stride"))


def bad_layers():
    """Parameters of layers, which are refused when the layer is made."""
    table = [
        ("strides", ValueError, [0, (0, 1), -1, (1, -1), 2**63]),
        ("strides", TypeError, [1.5, (1, 2.0), "1", True]),
        ("kernel_size", ValueError, [0, (3, 0), -3, (), 2**63]),
        ("kernel_size", TypeError, [2.0, None, True]),
        ("pool_size", ValueError, [0, (2, 0), -2, (), 2**63]),
        ("pool_size", TypeError, [2.0, True]),
        ("dilation_rate", ValueError, [0, (1, 0), -1]),
        ("filters", ValueError, [0, -1]),
        ("groups", ValueError, [0, -1, 3]),
        ("depth_multiplier", ValueError, [0]),
        ("units", ValueError, [0, -1]),
        ("padding", ValueError, ["full", ""]),
    ]
    for name, error, values in table:
        for operation, (layer, _) in LAYERS.items():
            if name in inspect.signature(layer).parameters:
                yield from (Case(3, operation, {name: value}, error, name) for value in values)


def bad_arrays():
    """An array of the wrong kind, rank or size, for each array of each operation."""
    for operation, (_, arguments) in CALLS.items():
        for name, good in arguments.items():
            if not isinstance(good, np.ndarray):
                continue
            for shape in BAD_RANKS.get(operation, {}).get(name, []):
                yield Case(24 if name == "b" else 23, operation, {name: np.zeros(shape, good.dtype)}, ValueError, name)
            yield from (Case(54, operation, {name: np.zeros(good.shape, dtype)}, TypeError, name) for dtype in BAD_DTYPES)
            yield from (Case(54, operation, {name: value}, TypeError, name) for value in ("text", object(), {1: 2}))
            yield Case(60, operation, {name: Exchangeable(good)}, TypeError, name)
            if np.longdouble != np.float64 and name not in ("b", "indices", "labels"):  # no kernel is as wide; but a bias is rounded
                yield Case(54, operation, {name: np.zeros(good.shape, np.longdouble)}, TypeError, name)
            yield from (Case(56, operation, {name: value}, ValueError, name) for value in ([[1.0, 2.0], [3.0]], [1, [2]], [[1], 2]))
    for row, operation, name, axes, blamed in PRESCRIBED:
        shape = CALLS[operation][1][name].shape
        for axis in axes:
            for size in (shape[axis] + 1, shape[axis] - 1, 0):
                other = np.zeros((*shape[:axis], size, *shape[axis + 1 :]), CALLS[operation][1][name].dtype)
                yield Case(row, operation, {name: other}, ValueError, "x|w" if size == 0 and row == 22 else blamed)


def empty_arrays():
    """An empty axis other than the batch, also beside huge ones."""
    for operation in (*CONVOLUTIONS, *TRANSPOSED, *POOLINGS, "im2col"):
        for shape in [
            (0, 0, 0, 0),
            (2, 0, 7, 4),
            (2, 6, 0, 4),
            (2, 6, 7, 0),
            (0, 7, 4),
            (6, 7, 0),
            (1, 2**30, 2**30, 0),
            (0, 2**40, 2**20, 0),
        ]:
            changes = {"x": empty(*shape)} | ({"dy": np.zeros((1,) * len(shape))} if operation.endswith("backward") else {})
            yield Case(29 if max(shape) > 7 else 19, operation, changes, ValueError, "x")
        yield Case(29, operation, {"x": empty(0, 2**30, 2**30, 4)}, ValueError, "x|result")
        if "conv" in operation:
            for shape in [(0, 0, 0, 0), (0, 2, 4, 6), (3, 0, 4, 6), (3, 2, 0, 6), (3, 2, 4, 0), (2**30, 2**30, 0, 6), (2**40, 0, 2**20, 6)]:
                yield Case(29 if max(shape) > 7 else 19, operation, {"w": empty(*shape)}, ValueError, "w")
    for shape in [(0, 0), (0, 7), (6, 0), (2**40, 0)]:
        yield from (Case(19, "convolve2d", {name: empty(*shape)}, ValueError, name) for name in ("image", "kernel"))
        yield from (Case(19, operation, {"x": empty(*shape)}, ValueError, "x") for operation in POOLINGS)
    for operation in ("dense", "relu", "softmax"):
        yield from (Case(19, operation, {"x": empty(*shape)}, ValueError, "x") for shape in [(3, 0), (0, 0), (2, 0, 5), (2**40, 0)])
    yield from (Case(19, "dense", {"w": empty(*shape)}, ValueError, "w") for shape in [(0, 0), (5, 0), (0, 4), (2**40, 0)])
    yield from (Case(19, "softmax_cross_entropy", {"logits": empty(*shape)}, ValueError, "logits") for shape in [(3, 0), (0, 0)])
    nothing = empty(0, 0, 0, 0)
    for operation in ("conv2d_backward", "conv2d_transpose_backward"):
        yield Case(35, operation, {"dy": nothing, "x": nothing, "w": nothing}, ValueError, "x")
    yield Case(35, "max_pool2d_backward", {"dy": nothing, "indices": nothing, "input_shape": (0, 0, 0, 0)}, ValueError, "input_shape")
    yield Case(35, "avg_pool2d_backward", {"dy": nothing, "input_shape": (0, 0, 0, 0)}, ValueError, "input_shape")
    yield Case(35, "col2im", {"cols": nothing, "input_shape": (0, 0, 0, 0)}, ValueError, "input_shape")


def bad_geometry():
    """Windows, padding and groups that each make sense, but not together."""
    for operation, blamed in [("conv2d", "w"), ("conv2d_backward", "w"), ("max_pool2d", "pool_size"), ("im2col", "kernel_size")]:
        yield Case(8, operation, {"dilation": LARGEST}, ValueError, blamed)
        yield Case(8, operation, {"dilation": (1, LARGEST)}, ValueError, blamed)
    yield Case(8, "col2im", {"dilation": LARGEST}, ValueError, "kernel_size")
    for operation in TRANSPOSED:
        yield Case(8, operation, {"dilation": LARGEST}, ValueError, "result")
        yield Case(28, operation, {"stride": LARGEST}, ValueError, "result")
        yield Case(11, operation, {"padding": LARGEST}, ValueError, "padding")
        yield Case(21, operation, {"padding": 5}, ValueError, "padding")
        yield Case(21, operation, {"padding": ((2, 4), (0, 0))}, ValueError, "padding")
        yield from (
            Case(11, operation, {"padding": rule, "stride": 2, "output_padding": 1}, ValueError, "output_padding")
            for rule in ("same", "valid")
        )
        yield Case(15, operation, {"x": numbers(2, 4, 6, 5), "w": numbers(3, 2, 4, 5), "groups": 2}, ValueError, "groups")
    for operation in (*CONVOLUTIONS, *PATCHES):
        yield Case(28, operation, {"padding": LARGEST}, ValueError, "result")
    for operation in CONVOLUTIONS:
        yield Case(15, operation, {"x": numbers(2, 6, 7, 8), "w": numbers(3, 2, 4, 5), "groups": 2}, ValueError, "groups")
        yield Case(22, operation, {"groups": 2}, ValueError, "w")
        yield Case(22, operation, {"data_format": "channels_first"}, ValueError, "w")
        yield from (Case(21, operation, {"w": numbers(*shape, 4, 6)}, ValueError, "w") for shape in [(7, 2), (3, 8), (60, 70)])
        yield Case(21, operation, {"dilation": 3}, ValueError, "w")
        yield Case(21, operation, {"w": numbers(9, 2, 4, 6), "padding": 1}, ValueError, "w")
        yield Case(21, operation, {"w": numbers(9, 2, 4, 6), "padding": "valid"}, ValueError, "w")
    for operation in PATCHES:
        yield from (Case(21, operation, {"kernel_size": size}, ValueError, "kernel_size") for size in [(7, 2), (3, 8), 60])
    yield from (Case(21, "convolve2d", {"kernel": numbers(*shape)}, ValueError, "kernel") for shape in [(7, 2), (3, 8)])
    for operation in (*POOLINGS, "avg_pool2d_backward"):
        yield from (Case(37, operation, {"pool_size": size}, ValueError, "pool_size") for size in [(7, 2), (2, 9), 60])
        yield Case(37, operation, {"pool_size": 9, "ceil_mode": True}, ValueError, "pool_size")
        yield Case(49, operation, {"pool_size": (40, 128), "stride": 128}, ValueError, "pool_size")
        yield from (Case(38, operation, {"padding": padding}, ValueError, "padding") for padding in [2, (0, 2), ((0, 2), (0, 0)), LARGEST])
        yield Case(38, operation, {"pool_size": 3, "padding": 2}, ValueError, "padding")
    yield Case(39, "max_pool2d", {"stride": 1, "dilation": 7, "padding": 1}, ValueError, "padding")
    yield Case(39, "max_pool2d", {"x": numbers(1, 1, 1, 1), "dilation": 5, "padding": "same"}, ValueError, "padding")


def bad_indices():
    """Winners and labels that point outside, and shapes that the winners do not fit."""
    shape, (_, arguments) = (2, 3, 4, 3), CALLS["max_pool2d_backward"]
    outside = [
        (48, int),
        (-1, int),
        (2**31, int),
        (2**32, int),
        (2**63 - 1, int),
        (-(2**63), int),
        (2**63, np.uint64),
        (2**64 - 1, np.uint64),
    ]
    for value, dtype in outside:
        one_bad = arguments["indices"].astype(dtype)
        one_bad[1, 2, 3, 2] = value
        yield Case(43, "max_pool2d_backward", {"indices": one_bad}, ValueError, "indices")
        yield Case(43, "softmax_cross_entropy", {"labels": np.array([0, value, 2], dtype)}, ValueError, "labels")
    yield Case(43, "softmax_cross_entropy", {"labels": np.array([0, 5, 2])}, ValueError, "labels")
    yield Case(43, "max_pool2d_backward", {"input_shape": (2, 2, 2, 3)}, ValueError, "indices")
    for dtype in (float, bool):
        yield Case(43, "max_pool2d_backward", {"indices": np.zeros(shape, dtype)}, TypeError, "indices")
        yield Case(43, "softmax_cross_entropy", {"labels": np.zeros(3, dtype)}, TypeError, "labels")
    for size in [(1, 6, 8, 3), (0, 6, 8, 3), (2, 6, 8, 4), (1_900_000_000,) * 4]:
        yield Case(44, "max_pool2d_backward", {"input_shape": size}, ValueError, "input_shape")
        yield Case(50, "avg_pool2d_backward", {"input_shape": size}, ValueError, "dy|input_shape")
    none = np.zeros((0, 3, 4, 3), int)
    yield Case(44, "max_pool2d_backward", {"dy": none, "indices": none}, ValueError, "input_shape")
    for operation in ("max_pool2d_backward", "avg_pool2d_backward"):
        yield Case(34, operation, {"input_shape": (6, 8, 3)}, ValueError, "input_shape")
    for size in [(2, 1_900_000_000, 1_900_000_000, 3), (2, 2**60, 2, 3)]:
        yield Case(34, "max_pool2d_backward", {"input_shape": size}, ValueError, "input_shape")
        yield Case(34, "avg_pool2d_backward", {"input_shape": size}, ValueError, "dy|input_shape")
        yield Case(34, "col2im", {"input_shape": size}, ValueError, "cols|input_shape|result")


def too_large():
    """More bytes than any machine can address, but fewer than 2**63."""
    yield Case(26, "im2col", {"x": numbers(1, 64, 64, 1), "kernel_size": 2048, "padding": 8192}, MemoryError, "")
    yield Case(34, "max_pool2d_backward", {"input_shape": (2, 2**47, 1, 3)}, MemoryError, "")
    yield Case(28, "conv2d_transpose", {"stride": 2**23}, MemoryError, "")
    yield Case(28, "conv2d", {"padding": 2**24}, MemoryError, "")


CASES = [*bad_parameters(), *bad_layers(), *bad_arrays(), *empty_arrays(), *bad_geometry(), *bad_indices(), *too_large()]
