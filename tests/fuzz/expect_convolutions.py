"""What must come of convolutions and dense layers."""

import numpy as np

from fastcnn.reference.arrays import as_images, working_dtype
from fastcnn.reference.windows import transpose_axes, window_axes
from fuzz.expect_winograd import by_tiles, by_tiles_in_phases, of_all_groups, uses_winograd, weights_by_tiles
from fuzz.oracle import Convolution, column_sums, dense_of


def geometry_of(images, w, stride=1, padding=0, dilation=1, groups=1):
    height, width = window_axes(images.shape, w.shape[:2], stride, dilation, padding)
    return Convolution.of(height, width, len(images), images.shape[3], w.shape[3], int(groups))


def geometry_of_transposed(images, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    height, width = transpose_axes(images.shape, w.shape[:2], stride, dilation, padding, output_padding)
    return Convolution.of(height, width, len(images), w.shape[2] * int(groups), images.shape[3], int(groups))


def wide(array):
    return np.asarray(array, np.float64)


def forward(winograd, convolution, images, w, b, dtype, options):
    """The result of a convolution."""
    y = convolution.forward(images, w, b, dtype)
    if images.size and uses_winograd(winograd, dtype, w, **options):
        y = by_tiles(winograd, y, images, of_all_groups(w, int(options.get("groups", 1))))
    return y


def weight_gradient(winograd, convolution, slopes, images, dtype, options):
    dw = convolution.weight_gradient(slopes, images, dtype)
    if images.size and uses_winograd(winograd, dtype, dw.value, **options):
        dw = weights_by_tiles(winograd, dw, images, slopes, int(options.get("groups", 1)))
    return dw


def input_gradient(winograd, convolution, slopes, w, b, dtype, options):
    return by_tiles_in_phases(winograd, convolution.input_gradient(slopes, w, b, dtype), slopes, w, **options)


def conv2d(winograd, x, w, b=None, activation=None, data_format="channels_last", **options):
    dtype, images, weights = working_dtype(x, w), as_images(x, data_format), wide(w)
    y = forward(winograd, geometry_of(images, weights, **options), images, weights, b, dtype, options)
    return [(y.relu() if activation == "relu" else y).in_layout(np.ndim(x), data_format)]


def conv2d_backward(winograd, dy, x, w, data_format="channels_last", input_grad=True, out=(), **options):
    dtype, slopes, images, weights = working_dtype(dy, x, w), as_images(dy, data_format), as_images(x, data_format), wide(w)
    convolution = geometry_of(images, weights, **options)
    dx = input_gradient(winograd, convolution, slopes, weights, None, dtype, options).in_layout(np.ndim(x), data_format)
    dw = weight_gradient(winograd, convolution, slopes, images, dtype, options)
    return [dx if input_grad else None, dw, column_sums(slopes, dtype)]


def conv2d_transpose(winograd, x, w, b=None, data_format="channels_last", **options):
    dtype, images, weights = working_dtype(x, w), as_images(x, data_format), wide(w)
    y = input_gradient(winograd, geometry_of_transposed(images, weights, **options), images, weights, b, dtype, options)
    return [y.in_layout(np.ndim(x), data_format)]


def conv2d_transpose_backward(winograd, dy, x, w, data_format="channels_last", input_grad=True, out=(), **options):
    dtype, slopes, images, weights = working_dtype(dy, x, w), as_images(dy, data_format), as_images(x, data_format), wide(w)
    convolution = geometry_of_transposed(images, weights, **options)
    dx = forward(winograd, convolution, slopes, weights, None, dtype, options).in_layout(np.ndim(x), data_format)
    dw = weight_gradient(winograd, convolution, images, slopes, dtype, options)
    return [dx if input_grad else None, dw, column_sums(slopes, dtype)]


def convolve2d(winograd, image, kernel, bias=0, stride=1):
    images, weights = (np.asarray(array)[index] for array, index in ((image, np.s_[None, :, :, None]), (kernel, np.s_[..., None, None])))
    (y,) = conv2d(winograd, images, weights, [bias], stride=stride)
    return [y.each(lambda images: images[0, :, :, 0])]


def dense(winograd, x, w, b=None, activation=None):
    y = dense_of(np.asarray(x), np.asarray(w)).forward(wide(x), wide(w), b, working_dtype(x, w))
    return [y.relu() if activation == "relu" else y]


def dense_backward(winograd, dy, x, w, input_grad=True, out=()):
    dtype, layer = working_dtype(dy, x, w), dense_of(np.asarray(x), np.asarray(w))
    dx = layer.input_gradient(wide(dy), wide(w), None, dtype) if input_grad else None
    return [dx, layer.weight_gradient(wide(dy), wide(x), dtype), column_sums(wide(dy), dtype)]
