"""The arguments of convolutions and dense layers."""

import functools

import numpy as np

from fastcnn.reference.windows import transpose_axes
from fuzz import geometry
from fuzz.calls import Array, without_numpy


def filters(c):
    """A number of groups, and of channels and filters in each."""
    if c.once_in(4):
        groups = geometry.channels(c)
        return {"groups": groups, "c": c.between(1, 2) if c.once_in(3) else 1, "f": c.between(1, 3) if c.once_in(3) else 1}
    groups = c.between(2, 9) if c.once_in(5) else 1
    return {"groups": groups, "c": geometry.channels(c), "f": geometry.channels(c)}


def sized(c, windows):
    """Images, groups, channels and filters such that not too many products are counted."""
    sizes = {"n": geometry.batch(c), **filters(c)}

    def count(sizes):
        windows.size[:] = sizes["high"], sizes["wide"]
        oh, ow = windows.out()
        return oh * ow * windows.window[0] * windows.window[1] * max(sizes["n"], 1) * sizes["groups"] * sizes["c"] * sizes["f"]

    sizes["high"], sizes["wide"] = windows.size
    geometry.fit(sizes, count, geometry.limit(c))
    return sizes["n"], sizes["groups"], sizes["c"], sizes["f"]


def convolution(c):
    """The shapes of x, w and y, the layout, and the options of a convolution."""
    windows = geometry.Windows.drawn(c)
    n, groups, channels, per_group = sized(c, windows)
    ndim, data_format = geometry.layout(c)
    shape_of = functools.partial(geometry.shape_of, n, ndim=ndim, data_format=data_format)
    options = {**windows.options(c), "data_format": data_format}
    if groups > 1 or c.once_in(9):
        options["groups"] = geometry.number(c, groups)
    w = (*windows.window, channels, per_group * groups)
    return shape_of(*windows.plane(), channels * groups), w, shape_of(*windows.out(), per_group * groups), options


def transposed(c):
    """The same of a transposed convolution."""
    windows = geometry.Windows.drawn(c, pads=(2, 2), huge=False)  # a long stride would make a large result
    least = [max(1, -(-(1 + sum(windows.pads_of(axis)) - windows.span(axis)) // windows.stride[axis]) + 1) for axis in (0, 1)]
    sizes = {"n": geometry.batch(c), **filters(c), "high": c.between(0, 3), "wide": c.between(0, 3)}
    taps = windows.window[0] * windows.window[1]

    def count(sizes):
        pixels = (least[0] + sizes["high"]) * (least[1] + sizes["wide"])
        return pixels * taps * max(sizes["n"], 1) * sizes["groups"] * sizes["c"] * sizes["f"]

    geometry.fit(sizes, count, geometry.limit(c))
    n, groups, channels, per_group = (sizes[name] for name in ("n", "groups", "c", "f"))
    high, wide = least[0] + sizes["high"], least[1] + sizes["wide"]
    ndim, data_format = geometry.layout(c)
    shape_of = functools.partial(geometry.shape_of, n, ndim=ndim, data_format=data_format)
    options = {**windows.options(c), "data_format": data_format}
    if groups > 1:
        options["groups"] = geometry.number(c, groups)
    more = tuple(c.between(0, max(windows.stride[axis], windows.dilation[axis]) - 1) for axis in (0, 1))
    if not isinstance(windows.pads, str) and c.once_in(3):
        options["output_padding"] = geometry.pair(c, *more)
    height, width = transpose_axes(
        (n, high, wide, 1), windows.window, windows.stride, windows.dilation, windows.pads, without_numpy(options.get("output_padding", 0))
    )
    w = (*windows.window, per_group, channels * groups)
    return shape_of(high, wide, channels * groups), w, shape_of(height.size, width.size, per_group * groups), options


def forward_arguments(c, geometry_of, activation=False):
    x, w, y, options = geometry_of(c)
    of_x, of_w, of_b = geometry.numbers(c, 3)
    arguments = {"x": geometry.array(c, x, *of_x), "w": geometry.array(c, w, *of_w), **options}
    if c.once_in(2):
        length = y[-3] if options["data_format"] == "channels_first" else y[-1]
        arguments["b"] = geometry.array(c, (length,), *of_b)
    if activation and c.once_in(4):
        arguments["activation"] = "relu"
    return arguments


def gradient_arguments(c, x, w, y, bias, options):
    """Those of a gradient, with perhaps memory for its results."""
    arrays = [geometry.array(c, shape, *of) for shape, of in zip((y, x, w), geometry.numbers(c, 3), strict=True)]
    arguments = {**dict(zip(("dy", "x", "w"), arrays, strict=True)), **options}
    if c.once_in(4):
        arguments["input_grad"] = c.once_in(2)
    if c.once_in(5):
        arguments["out"] = [Array(shape, geometry.working(*arrays).name) for shape in (w, (bias,))][: c.between(0, 2)]
    return arguments


def conv2d_backward_arguments(c, geometry_of=convolution):
    x, w, y, options = geometry_of(c)
    return gradient_arguments(c, x, w, y, y[-3] if options["data_format"] == "channels_first" else y[-1], options)


def convolve2d_arguments(c):
    windows = geometry.Windows.drawn(c, pads=(0, 0), dilated=False)
    windows.pads = "valid"
    of_image, of_kernel = geometry.numbers(c, 2)
    image, kernel = geometry.array(c, windows.plane(), *of_image), geometry.array(c, windows.window, *of_kernel)
    bias = c.of((0, -2, 0.5, np.float32(1e30), float("inf"), float("nan"), True, 10**18))
    return {"image": image, "kernel": kernel, "bias": bias, "stride": geometry.number(c, windows.stride[0])}


def dense_shapes(c):
    sizes = {"d": geometry.channels(c), "u": geometry.channels(c)}
    rows = tuple(geometry.batch(c) if axis == 0 else c.between(1, 3) for axis in range(c.of((1, 0, 2, 3))))
    geometry.fit(sizes, lambda sizes: max(int(np.prod(rows)), 1) * sizes["d"] * sizes["u"], geometry.limit(c))
    return (*rows, sizes["d"]), (sizes["d"], sizes["u"]), (*rows, sizes["u"])


def dense_arguments(c):
    x, w, y = dense_shapes(c)
    of_x, of_w, of_b = geometry.numbers(c, 3)
    arguments = {"x": geometry.array(c, x, *of_x), "w": geometry.array(c, w, *of_w)}
    if c.once_in(2):
        arguments["b"] = geometry.array(c, (y[-1],), *of_b)
    if c.once_in(4):
        arguments["activation"] = "relu"
    return arguments


def dense_backward_arguments(c):
    x, w, y = dense_shapes(c)
    return gradient_arguments(c, x, w, y, y[-1], {})


def explain_arguments(c):
    x, w, _, options = convolution(c)
    more = {"op": c.of(("forward", "input gradient", "weight gradient")), "dtype": c.of(("float32", "float64", "<f4"))}
    return {"x_shape": x, "w_shape": w, **options, **more}
