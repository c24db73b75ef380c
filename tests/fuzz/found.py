"""What the fuzzer found, and pytest tries again: paste a printed call here, with the name of what was wrong."""

import numpy as np  # noqa: F401
from numpy import array, float32, inf, int8, int32, int64, nan, uint16, uint64  # noqa: F401  (what printed calls are made of)

from fuzz.calls import Array, Call
from fuzz.checking import check  # noqa: F401  (for those that paste a call)

FOUND = {
    "scratch for a stride beyond any plane": Call(
        operation="conv2d_backward",
        arguments={
            "dy": Array((1, 1, 1, 16), "float32"),
            "x": Array((1, 3, 3, 1), "float32"),
            "w": Array((3, 3, 1, 16), "float32"),
            "stride": 2147483647,
        },
    ),
    "the pixels of a stride beyond any plane, in 64 bits": Call(
        operation="conv2d",
        arguments={"x": Array((1, 3, 3, 2), "float32"), "w": Array((3, 3, 1, 2), "float32"), "stride": 2147483647, "groups": 2},
    ),
    "a warning of a loss beyond the largest number": Call(
        operation="softmax_cross_entropy",
        arguments={"logits": Array((2, 4), "float64", "huge"), "labels": Array((2,), "int64", 4)},
        seed=2894,
    ),
    "a warning of a bias beyond the largest number": Call(
        operation="conv2d",
        arguments={
            "x": Array((1, 3, 3, 2), "float32", "huge"),
            "w": Array((3, 3, 1, 2), "float32", "huge"),
            "groups": 2,
            "b": Array((2,), "float64", "huge"),
        },
    ),
    "a shape beyond all memory, not named": Call(
        operation="explain_conv", arguments={"x_shape": (1, 6, 8, 5), "w_shape": (2, 9223372036854775807, 5, 4)}, comes="either"
    ),
    "the taps of a huge filter counted one by one": Call(
        operation="explain_conv",
        arguments={"x_shape": (1, 1, 1, 1), "w_shape": (2147483647, 3, 1, 1), "padding": "same", "op": "input gradient"},
        comes="either",
    ),
    "the windows of a huge plane counted one by one": Call(
        operation="explain_conv", arguments={"x_shape": (1, 1 << 40, 4, 1), "w_shape": (3, 3, 1, 1)}, comes="either"
    ),
    "scratch for the taps of a huge window": Call(
        operation="avg_pool2d", arguments={"x": Array((1, 1, 1, 1), "float32"), "pool_size": (2147483647, 1), "padding": "same"}
    ),
    "taps of a huge window counted one by one": Call(
        operation="avg_pool2d_backward",
        arguments={"dy": Array((1, 1, 1, 1), "float32"), "input_shape": (1, 1, 1, 1), "pool_size": (2147483647, 1), "padding": "same"},
    ),
    "pixels of a huge window, numbered": Call(
        operation="max_pool2d",
        arguments={"x": Array((1, 2, 3, 1), "float32"), "pool_size": (2147483647, 1), "padding": "same", "return_indices": True},
    ),
}
