"""What networks are computed with and users do not call: arguments, in C order and always good, and what must come of them."""

import numpy as np
from activation_formulas import FORMULAS, OF_RESULT, steepness

from fastcnn.ops import conv_pool, elementwise, normalize, pool, updates
from fastcnn.ops._images import NHWC
from fastcnn.ops.conv import forward_shape
from fastcnn.reference import relu_backward
from fastcnn.reference.windows import window_axes
from fuzz import geometry
from fuzz.calls import FLOATS, Array
from fuzz.draw_convolutions import sized
from fuzz.expect_convolutions import forward, geometry_of, input_gradient, weight_gradient
from fuzz.oracle import Expected, column_sums, maxima, pooled, total
from fuzz.windows import winners_gradient

FINITE = ("plain", "integers", "zeros", "equal")

# --- Convolution and pooling ---------------------------------------------------------------------------------------------


def paired_arguments(c, gradient=False):
    """A convolution and the max pooling of its result."""
    windows = geometry.Windows.drawn(c)
    windows.size = [size + 3 for size in windows.size]
    n, groups, channels, per_group = sized(c, windows)
    conv = {"stride": windows.stride, "padding": windows.pads, "dilation": windows.dilation, "groups": groups}
    high, wide = windows.out()
    pool_size = tuple(min(c.between(1, 3), size) for size in (high, wide))
    pooling = {"pool_size": pool_size, "pool_stride": geometry.two(c, lambda: c.between(1, 3)), "pool_padding": c.of(("valid", "same"))}
    dtype, kind = c.of(FLOATS), geometry.numbers(c, 1)[0][1]
    x, w = (n, *windows.plane(), channels * groups), (*windows.window, channels, per_group * groups)
    z = (n, high, wide, per_group * groups)
    arguments = {"x": Array(x, dtype, kind), "w": Array(w, dtype, kind), "relu": c.once_in(2), **conv, **pooling}
    if not gradient:
        return {**arguments, "b": Array(w[3:], dtype) if c.once_in(2) else None, "training": c.once_in(2)}
    axes = window_axes(z, pool_size, pooling["pool_stride"], 1, pooling["pool_padding"])
    y = (n, *(axis.out for axis in axes), z[3])
    return {"dy": Array(y, dtype, kind), "z": Array(z, dtype, "integers"), **arguments, "input_grad": c.once_in(2)}


def pair_of_shapes(x, w, pool_size, pool_stride, pool_padding, stride, padding, dilation, groups):
    conv = forward_shape(NHWC, x, w, stride, padding, dilation, groups)
    return conv_pool.ConvPoolShape.of(conv, pool_size, pool_stride, pool_padding)


def conv2d_max_pool2d(x, w, b, relu, training, **options):
    y, winners = conv_pool.conv2d_max_pool2d(x, w, b, pair_of_shapes(x, w, **options), relu, training)
    assert (winners is not None) == training
    return y


def expected_maxima(winograd, x, w, b, relu, training, pool_size, pool_stride, pool_padding, **options):
    images, weights = x.astype(np.float64), w.astype(np.float64)
    z = forward(winograd, geometry_of(images, weights, **options), images, weights, b, x.dtype, options)
    z = z.relu() if relu else z
    axes = window_axes(z.value.shape, pool_size, pool_stride, 1, pool_padding)
    largest = [pooled(array, *axes, maxima)[0] for array in (z.value, z.scale, z.scale if z.reach is None else z.reach)]
    return [Expected(largest[0], x.dtype, largest[1], z.terms, largest[2])]


def conv2d_max_pool2d_backward(dy, z, x, w, relu, input_grad, pool_size, pool_stride, pool_padding, **options):
    """The gradients, where the convolution's result was `z`."""
    y, winners = pool.max_pool2d_winners(z, pool_size, pool_stride, pool_padding, relu)
    shape = pair_of_shapes(x, w, pool_size, pool_stride, pool_padding, **options)
    return conv_pool.conv2d_max_pool2d_backward(dy, y if relu else None, winners, x, w, shape, input_grad)


def expected_gradients(winograd, dy, z, x, w, relu, input_grad, pool_size, pool_stride, pool_padding, **options):
    images, weights = x.astype(np.float64), w.astype(np.float64)
    axes = window_axes(z.shape, pool_size, pool_stride, 1, pool_padding)
    rows, columns = (min((axis.out - 1) * axis.stride + axis.window - axis.before, axis.size) for axis in axes)  # that a window reads
    y, places = pooled(z.astype(np.float64), *axes, maxima)
    slopes = relu_backward(dy.astype(np.float64), y) if relu else dy.astype(np.float64)
    dz = winners_gradient(slopes, places, z.shape, dy.dtype).each(lambda plane: plane[:, :rows, :columns])
    convolution = geometry_of(images, weights, **options).cut_to(rows, columns)
    results = []
    for values in (dz.value, dz.scale):
        dx = input_gradient(winograd, convolution, values, weights, None, x.dtype, options)
        results.append([dx, weight_gradient(winograd, convolution, values, images, x.dtype, options), column_sums(values, x.dtype)])
    unsure = {} if dz.scale.max(initial=0) < 0.999 * np.finfo(x.dtype).max else {"reach": np.array(np.inf)}
    each = [a._replace(scale=b.scale, **{"reach": b.reach, **unsure}, terms=a.terms + dz.terms) for a, b in zip(*results, strict=True)]
    return each if input_grad else [None, *each[1:]]


def winners_arguments(c):
    windows = geometry.Windows.drawn(c, pads=None, dilated=False)
    shape = {"n": geometry.batch(c), "c": geometry.channels(c)}
    dtype, kind = c.of(FLOATS), geometry.numbers(c, 1)[0][1]
    x, y = ((shape["n"], *plane, shape["c"]) for plane in (windows.plane(), windows.out()))
    options = {"pool_size": windows.window, "stride": windows.stride, "padding": windows.pads, "relu": c.once_in(2)}
    return {"x": Array(x, dtype, kind), "dy": Array(y, dtype, kind), **options}


def max_pool2d_winners(x, dy, pool_size, stride, padding, relu):
    """The maxima, and the gradient."""
    y, winners = pool.max_pool2d_winners(x, pool_size, stride, padding, relu)
    return y, pool.max_pool2d_winners_backward(dy, y if relu else None, winners, x.shape, pool_size, stride, padding)


def expected_winners(winograd, x, dy, pool_size, stride, padding, relu):
    y, places = pooled(x.astype(np.float64), *window_axes(x.shape, pool_size, stride, 1, padding), maxima)
    slopes = relu_backward(dy.astype(np.float64), y) if relu else dy.astype(np.float64)
    y = Expected(y, x.dtype)
    return [y.relu() if relu else y, winners_gradient(slopes, places, x.shape, x.dtype)]


# --- Element by element, channel by channel ------------------------------------------------------------------------------


def activation_arguments(c):
    shape, dtype, kind = geometry.shape(c, (1, 2, 3)), c.of(FLOATS), c.of((*FINITE, "mixed", "tiny", "subnormal", "huge"))
    return {"kind": c.of([*FORMULAS]), "x": Array(shape, dtype, kind), "dy": Array(shape, dtype, c.of(FINITE))}


def activation(kind, x, dy):
    """The result, and the gradient."""
    y = elementwise.activation(kind, x)
    return y, elementwise.activation_backward(kind, dy, y if kind in OF_RESULT else x)


def expected_activation(winograd, kind, x, dy):
    function, derivative = FORMULAS[kind]
    z, slopes = x.astype(np.float64), dy.astype(np.float64)
    y, slope = function(z), derivative(z)
    scale = np.abs(y) * steepness(kind, z) + np.abs(z) * np.finfo(x.dtype).tiny
    return [Expected(y, x.dtype, scale, 4), Expected(slopes * slope, x.dtype, np.abs(slopes) * (np.abs(slope) + 1), 4)]


def channels_arguments(c):
    sizes = {"rows": c.of((1, 2, 3, 7, 63, 64, 65, 200)), "channels": geometry.channels(c)}
    geometry.fit(sizes, lambda sizes: sizes["rows"] * sizes["channels"], geometry.limit(c))
    shape, dtype = (sizes["rows"], sizes["channels"]), c.of(FLOATS)
    arrays = {name: Array(shape, dtype, c.of(FINITE)) for name in ("x", "dy")}
    return {**arrays, **{name: Array(shape[1:], dtype, c.of(FINITE)) for name in ("shift", "slope", "offset", "factor")}}


def channels(x, dy, shift, slope, offset, factor):
    """All that normalization does to channels."""
    scaled = normalize.scale(x, shift, factor, offset), normalize.scale_backward(dy, x, shift, slope, offset, factor)
    return *normalize.moments(x), *normalize.products(dy, x, shift), *scaled


def expected_channels(winograd, x, dy, shift, slope, offset, factor):
    dtype = x.dtype
    x, dy, shift, slope, offset, factor = (array.astype(np.float64) for array in (x, dy, shift, slope, offset, factor))
    columns = np.broadcast_to(np.arange(x.shape[1]), x.shape).ravel()
    distance, far = x - shift, np.abs(x) + np.abs(shift)
    spread = np.ptp(x, axis=0)
    of_mean = np.abs(x).max(axis=0) * (np.finfo(float).eps / np.finfo(dtype).eps)
    sums, moved = (total(shift.shape, dtype, columns, dy.ravel(), *more) for more in ((), (distance.ravel(),)))
    y = Expected(distance * factor + offset, dtype, far * np.abs(factor) + np.abs(offset), 2)
    scale = (np.abs(dy) + np.abs(offset) + far * np.abs(slope)) * np.abs(factor)
    return [
        Expected(x.mean(0), dtype, np.abs(x).mean(0), 64),
        Expected(x.var(0), dtype, spread * (spread + of_mean), 64),
        sums,
        moved._replace(scale=(np.abs(dy) * far).sum(0), terms=moved.terms + 1),
        y,
        Expected((dy - offset - distance * slope) * factor, dtype, scale, 4),
    ]


def gather_arguments(c):
    rows = c.between(1, 9)
    dtype = c.of((*FLOATS, "uint8", "int64"))
    return {"array": Array((rows, *geometry.shape(c, (1, 0, 2))), dtype), "indices": Array((c.between(0, 9),), "int64", rows)}


def gather(array, indices):
    out = np.empty((len(indices), *array.shape[1:]), array.dtype)
    updates.gather(array, indices, out)
    return out.astype(np.float64)


def expected_rows(winograd, array, indices):
    return [Expected(array[indices].astype(np.float64), np.dtype(np.float64))]
