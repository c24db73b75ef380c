"""All operations: how each is called, how its arguments are drawn, and what must come of it."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import fastcnn
from fuzz import draw_convolutions as draw
from fuzz import expect_convolutions as expect
from fuzz import networks, rows, windows


class Operation(NamedTuple):
    """`arguments` draws good ones; `expected` makes of Winograd's use and the arguments a list, with None for what is not wanted."""

    function: Callable
    arguments: Callable
    expected: Callable

    @property
    def names(self):
        """What a message may name: a parameter, what it is the shape of, the result."""
        parameters = [*inspect.signature(self.function).parameters]
        return (*parameters, *(name.removesuffix("_shape") for name in parameters if name.endswith("_shape")), "result")


def public(name):
    """A function of the package as it is when it is called: tests put bugs in its place."""
    function = getattr(fastcnn, name)

    def call(**arguments):
        return getattr(fastcnn, name)(**arguments)

    call.__signature__ = inspect.signature(function)
    return call


def explained(**arguments):
    """Which method computes a convolution; nothing is computed."""
    choice = fastcnn.explain_conv(**arguments)
    assert choice.algorithm in ("direct", "winograd", "grouped"), choice
    assert choice.reason, choice
    assert (choice.tile in (3, 4, 5)) == (choice.winograd_cost > 0) == (choice.direct_cost > 0), choice
    assert fastcnn.explain_conv(**arguments) == choice
    return ()


explained.__signature__ = inspect.signature(fastcnn.explain_conv)

PUBLIC = {
    "conv2d": (lambda c: draw.forward_arguments(c, draw.convolution, activation=True), expect.conv2d),
    "conv2d_backward": (draw.conv2d_backward_arguments, expect.conv2d_backward),
    "conv2d_transpose": (lambda c: draw.forward_arguments(c, draw.transposed), expect.conv2d_transpose),
    "conv2d_transpose_backward": (lambda c: draw.conv2d_backward_arguments(c, draw.transposed), expect.conv2d_transpose_backward),
    "convolve2d": (draw.convolve2d_arguments, expect.convolve2d),
    "max_pool2d": (windows.max_pool2d_arguments, windows.max_pool2d),
    "max_pool2d_backward": (windows.max_pool2d_backward_arguments, windows.max_pool2d_backward),
    "avg_pool2d": (windows.avg_pool2d_arguments, windows.avg_pool2d),
    "avg_pool2d_backward": (windows.avg_pool2d_backward_arguments, windows.avg_pool2d_backward),
    "im2col": (windows.im2col_arguments, windows.im2col),
    "col2im": (lambda c: windows.im2col_arguments(c, of_rows=True), windows.col2im),
    "dense": (draw.dense_arguments, expect.dense),
    "dense_backward": (draw.dense_backward_arguments, expect.dense_backward),
    "relu": (rows.relu_arguments, rows.relu),
    "relu_backward": (rows.relu_backward_arguments, rows.relu_backward),
    "softmax": (rows.softmax_arguments, rows.softmax),
    "softmax_cross_entropy": (rows.softmax_cross_entropy_arguments, rows.softmax_cross_entropy),
}
#: Those of networks, which take no bad arguments.
INTERNAL = {
    "conv2d_max_pool2d": Operation(networks.conv2d_max_pool2d, networks.paired_arguments, networks.expected_maxima),
    "conv2d_max_pool2d_backward": Operation(
        networks.conv2d_max_pool2d_backward, lambda c: networks.paired_arguments(c, gradient=True), networks.expected_gradients
    ),
    "max_pool2d_winners": Operation(networks.max_pool2d_winners, networks.winners_arguments, networks.expected_winners),
    "activation": Operation(networks.activation, networks.activation_arguments, networks.expected_activation),
    "channels": Operation(networks.channels, networks.channels_arguments, networks.expected_channels),
    "gather": Operation(networks.gather, networks.gather_arguments, networks.expected_rows),
}
OPERATIONS = {
    **{name: Operation(public(name), *rest) for name, rest in PUBLIC.items()},
    "explain_conv": Operation(explained, draw.explain_arguments, lambda winograd, **_: []),
    **INTERNAL,
}
