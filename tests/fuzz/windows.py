"""Poolings and patches: their arguments, and what must come of them."""

import functools

import numpy as np

from fastcnn.reference.arrays import as_images, images_shape, working_dtype
from fastcnn.reference.windows import window_axes
from fuzz import geometry
from fuzz.calls import Array, without_numpy
from fuzz.oracle import Expected, counts, maxima, meetings, pooled, total, windows_of

# --- Arguments -----------------------------------------------------------------------------------------------------------


def images(c, windows, ranks):
    """The shapes of images and of what windows make of them, of up to some products, and the layout."""
    sizes = {"n": geometry.batch(c), "c": geometry.channels(c), "high": windows.size[0], "wide": windows.size[1]}

    def count(sizes):
        windows.size[:] = sizes["high"], sizes["wide"]
        return int(np.prod(windows.out())) * int(np.prod(windows.window)) * max(sizes["n"], 1) * sizes["c"]

    geometry.fit(sizes, count, geometry.limit(c) // 4)
    ndim, data_format = geometry.layout(c, ranks)
    shape_of = functools.partial(geometry.shape_of, sizes["n"], ndim=ndim, data_format=data_format)
    return shape_of(*windows.plane(), sizes["c"]), shape_of(*windows.out(), sizes["c"]), {"data_format": data_format}


def pooling(c, dilated):
    """The shapes of x and of y, but for `ceil_mode`, and the options."""
    windows = geometry.Windows.drawn(c, pads=None, dilated=dilated and c.once_in(3))
    x, y, options = images(c, windows, (3, 2))
    options |= windows.options(c, dilated and windows.dilation != (1, 1))
    if windows.stride == windows.window and c.once_in(2):
        options["stride"] = None
    if windows.window != (2, 2) or c.once_in(2):
        options["pool_size"] = geometry.pair(c, *windows.window)
    if c.once_in(4):
        options["ceil_mode"] = c.once_in(2)
    if "dilation" in options and not sees_pixels(x, **options):
        del options["dilation"]
    return x, y, options


def sees_pixels(x, data_format, **options):
    """Whether each window of a pooling has a pixel; without dilation it does."""
    axes = axes_of_pooling(images_shape(x, data_format), **{name: without_numpy(value) for name, value in options.items()})
    return all(len(np.unique(meetings(axis)[0])) == axis.out > 0 for axis in axes)


def max_pool2d_arguments(c):
    x, _, options = pooling(c, dilated=True)
    (of_x,) = geometry.numbers(c, 1)
    if c.once_in(3):
        options["return_indices"] = c.once_in(2)
    return {"x": geometry.array(c, x, *of_x), **options}


def max_pool2d_backward_arguments(c):
    x, y, options = pooling(c, dilated=False)
    (of_dy,) = geometry.numbers(c, 1)
    _, h, w, _ = images_shape(x, options["data_format"])
    indices = geometry.array(c, y, c.of(("int64", "int32", "uint64", "uint16")), h * w)
    return {"dy": geometry.array(c, y, *of_dy), "indices": indices, "input_shape": x, "data_format": options["data_format"]}


def avg_pool2d_arguments(c):
    x, _, options = pooling(c, dilated=False)
    (of_x,) = geometry.numbers(c, 1)
    if c.once_in(3):
        options["count_include_pad"] = c.once_in(2)
    return {"x": geometry.array(c, x, *of_x), **options}


def avg_pool2d_backward_arguments(c):
    arguments = avg_pool2d_arguments(c)
    x = arguments.pop("x")
    n, h, w, channels = images_shape(x.shape, arguments["data_format"])
    options = {name: without_numpy(arguments[name]) for name in ("pool_size", "stride", "padding", "ceil_mode") if name in arguments}
    height, width = axes_of_pooling((n, h, w, channels), **options)
    y = geometry.shape_of(n, height.out, width.out, channels, len(x.shape), arguments["data_format"])
    return {"dy": Array(y, x.dtype, x.values, x.memory), "input_shape": x.shape, **arguments}


def im2col_arguments(c, of_rows=False):
    windows = geometry.Windows.drawn(c)
    x, y, options = images(c, windows, (3,))
    options |= {"kernel_size": geometry.pair(c, *windows.window), **windows.options(c)}
    (of_x,) = geometry.numbers(c, 1)
    if not of_rows:
        return {"x": geometry.array(c, x, *of_x), **options}
    n, oh, ow, channels = images_shape(y, options["data_format"])
    row = channels * windows.window[0] * windows.window[1]
    cols = (n, row, oh * ow) if options["data_format"] == "channels_first" else (n, oh, ow, row)
    return {"cols": geometry.array(c, cols[4 - len(x) :], *of_x), "input_shape": x, **options}


# --- What must come of them ----------------------------------------------------------------------------------------------


def axes_of_pooling(shape, pool_size=2, stride=None, dilation=1, padding=0, ceil_mode=False):
    """As the reference's `pool_axes`, but without a look at each tap: windows may be huge."""

    def cut(axis):
        room = axis.padded - (axis.window - 1) * axis.dilation - 1
        axis = axis._replace(out=-(-room // axis.stride) + 1 if ceil_mode else axis.out)
        return axis._replace(out=int(meetings(axis)[0].max(initial=-1)) + 1)

    height, width = window_axes(shape, pool_size, pool_size if stride is None else stride, dilation, padding)
    return cut(height), cut(width)


def max_pool2d(winograd, x, return_indices=False, data_format="channels_last", **options):
    images, dtype = as_images(x, data_format), working_dtype(x)
    y, indices = pooled(images, *axes_of_pooling(images.shape, **options), maxima)
    results = [Expected(y, dtype), Expected(indices.astype(np.int64), np.dtype(np.int64))][: 1 + return_indices]
    return [result.in_layout(np.ndim(x), data_format) for result in results]


def max_pool2d_backward(winograd, dy, indices, input_shape, data_format="channels_last"):
    slopes, places, shape = as_images(dy, data_format), as_images(indices, data_format), images_shape(input_shape, data_format)
    return [winners_gradient(slopes, places, shape, working_dtype(dy)).in_layout(len(input_shape), data_format)]


def winners_gradient(dy, places, shape, dtype):
    """What of dy (N, OH, OW, C) goes to pixels (N, H, W, C), by the winners' places in their planes."""
    n, _, _, c = np.indices(dy.shape)
    to = (n * (shape[1] * shape[2]) + places.astype(np.int64)) * shape[3] + c
    return total(shape, dtype, to.ravel(), dy.ravel())


def avg_pool2d(winograd, x, count_include_pad=False, data_format="channels_last", **options):
    images = as_images(x, data_format)
    axes = axes_of_pooling(images.shape, **options)
    y, pixels = windows_of(*axes, len(images), images.shape[3])
    sums = total((len(images), axes[0].out, axes[1].out, images.shape[3]), working_dtype(x), y, images.ravel()[pixels])
    return [mean_of(sums, counts(*axes, count_include_pad)).in_layout(np.ndim(x), data_format)]


def mean_of(sums, count):
    return sums._replace(value=sums.value / count, scale=sums.scale / count, reach=sums.scale, terms=sums.terms + 1)


def avg_pool2d_backward(winograd, dy, input_shape, count_include_pad=False, data_format="channels_last", **options):
    slopes, shape = as_images(dy, data_format), images_shape(input_shape, data_format)
    axes = axes_of_pooling(shape, **options)
    y, pixels = windows_of(*axes, shape[0], shape[3])
    dx = total(shape, working_dtype(dy), pixels, (slopes / counts(*axes, count_include_pad)).ravel()[y])
    return [dx._replace(terms=dx.terms + 1).in_layout(len(input_shape), data_format)]


def numbers_of_patches(shape, kernel_size, stride=1, padding=0, dilation=1):
    """The shape (N, OH, OW, KH, KW, C) of patches, the indices of their numbers that are no padding, and the pixels' flat places."""
    n, _, _, channels = shape
    height, width = window_axes(shape, kernel_size, stride, dilation, padding)
    (oh, kh, h), (ow, kw, w) = meetings(height), meetings(width)
    image, c = np.arange(n).reshape(-1, 1, 1, 1), np.arange(channels)
    oh, kh, h, ow, kw, w = (*(row.reshape(-1, 1, 1) for row in (oh, kh, h)), *(column.reshape(-1, 1) for column in (ow, kw, w)))
    pixels = ((image * height.size + h) * width.size + w) * channels + c
    indices = tuple(np.broadcast_arrays(image, oh, ow, kh, kw, c))
    return (n, height.out, width.out, height.window, width.window, channels), indices, pixels


def im2col(winograd, x, kernel_size, data_format="channels_last", **options):
    images = as_images(x, data_format)
    shape, indices, pixels = numbers_of_patches(images.shape, kernel_size, **options)
    patches = np.zeros(shape)
    patches[indices] = images.ravel()[pixels]
    n, oh, ow, kh, kw, c = shape
    if data_format == "channels_first":
        cols = patches.transpose(0, 5, 3, 4, 1, 2).reshape(n, c * kh * kw, oh * ow)
    else:
        cols = patches.reshape(n, oh, ow, kh * kw * c)
    return [Expected(cols if np.ndim(x) == 4 else cols[0], working_dtype(x))]


def col2im(winograd, cols, input_shape, kernel_size, data_format="channels_last", **options):
    images = images_shape(input_shape, data_format)
    shape, indices, pixels = numbers_of_patches(images, kernel_size, **options)
    n, oh, ow, kh, kw, c = shape
    patches = np.asarray(cols, np.float64)
    if data_format == "channels_first":
        patches = patches.reshape(n, c, kh, kw, oh, ow).transpose(0, 4, 5, 2, 3, 1)
    x = total(images, working_dtype(cols), pixels.ravel(), patches.reshape(shape)[indices].ravel())
    return [x.in_layout(len(input_shape), data_format)]
