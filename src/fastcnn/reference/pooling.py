"""The largest pixel of every window, the mean of every window, and the gradients of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arrays import as_given, as_images, ieee, images_shape, working_dtype
from .windows import Axis, IntOrPair, Padding, pool_axes


@ieee
def max_pool2d(
    x: ArrayLike,
    pool_size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    *,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    data_format: str = "channels_last",
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Return the largest pixel of every window, channel by channel.

    Of equal pixels the first in row-major order wins; NaN wins over everything, and the first NaN over the others; padding never wins.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``, or one image without N, or (H, W)
    pool_size, stride, dilation : int or pair of int
        Taps of a window, pixels from a window to the next (as many as `pool_size` if None), and pixels from a tap to the next.
    padding : int, pair of int, pair of pairs of int, "valid" or "same"
    ceil_mode : bool
        Whether a last window that hangs over the edge counts. It never does if it starts in the padding or covers padding alone.
    return_indices : bool
        Whether to return the winners' places as well.
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    y : numpy.ndarray, laid out as `x`, with OH x OW windows for H x W pixels
    indices : numpy.ndarray of int64, shaped as `y`, only with `return_indices`
        ``h * W + w`` of the winner in its plane, without padding.

    References
    ----------
    D. Scherer, A. Müller, S. Behnke: Evaluation of pooling operations in convolutional architectures for object recognition. ICANN 2010.

    Examples
    --------
    >>> max_pool2d([[1, 2, 5, 6], [4, 3, 8, 7]])
    array([[4., 8.]])
    >>> max_pool2d([[1, 2, 5, 6], [4, 3, 8, 7]], pool_size=2, stride=1, return_indices=True)
    (array([[4., 8., 8.]]), array([[4, 6, 6]]))
    """
    images = as_images(x, data_format)
    batch, _, columns, channels = images.shape
    height, width = pool_axes(images.shape, pool_size, stride, dilation, padding, ceil_mode)
    y = np.zeros((batch, height.out, width.out, channels))
    indices = np.zeros(y.shape, np.int64)
    for n, oh, ow in np.ndindex(y.shape[:3]):
        pixels = [(h, w) for h in height.pixels(oh) for w in width.pixels(ow)]
        for c in range(channels):
            values = [images[n, h, w, c] for h, w in pixels]
            winner = np.argmax(values)  # the first NaN, or else the first of the largest
            h, w = pixels[winner]
            y[n, oh, ow, c] = values[winner]
            indices[n, oh, ow, c] = h * columns + w
    result = as_given(y, np.ndim(x), data_format, working_dtype(x))
    return (result, as_given(indices, np.ndim(x), data_format, np.int64)) if return_indices else result


@ieee
def max_pool2d_backward(dy: ArrayLike, indices: ArrayLike, input_shape: Sequence[int], *, data_format: str = "channels_last") -> np.ndarray:
    """Return the gradient of `max_pool2d`: each `dy` is added to the pixel that won its window.

    Parameters
    ----------
    dy : array_like
        Gradient of the loss with respect to the result of `max_pool2d`.
    indices : array_like of int, shaped as `dy`
        The winners' places, from ``max_pool2d(..., return_indices=True)``.
    input_shape : sequence of int
        The shape of the `x` of `max_pool2d`.
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    numpy.ndarray, shape `input_shape`

    References
    ----------
    D. Scherer, A. Müller, S. Behnke: Evaluation of pooling operations in convolutional architectures for object recognition. ICANN 2010.

    Examples
    --------
    >>> y, indices = max_pool2d([[1, 2, 5, 6], [4, 3, 8, 7]], pool_size=2, stride=1, return_indices=True)
    >>> max_pool2d_backward([[10, 20, 30]], indices, (2, 4))
    array([[ 0.,  0.,  0.,  0.],
           [10.,  0., 50.,  0.]])
    """
    slopes, winners = as_images(dy, data_format), as_images(indices, data_format).astype(np.int64)
    dx = np.zeros(images_shape(input_shape, data_format))
    columns = dx.shape[2]
    for n, oh, ow, c in np.ndindex(slopes.shape):
        h, w = divmod(winners[n, oh, ow, c], columns)
        dx[n, h, w, c] += slopes[n, oh, ow, c]
    return as_given(dx, len(input_shape), data_format, working_dtype(dy))


@ieee
def avg_pool2d(
    x: ArrayLike,
    pool_size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    *,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Return the mean of every window, channel by channel.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``, or one image without N, or (H, W)
    pool_size, stride : int or pair of int
        Taps of a window, and pixels from a window to the next (as many as `pool_size` if None).
    padding : int, pair of int, pair of pairs of int, "valid" or "same"
    ceil_mode : bool
        Whether a last window that hangs over the edge counts. It never does if it starts in the padding.
    count_include_pad : bool
        Whether a mean counts the padding, as zeros. What hangs over the padding's edge never counts (PyTorch's rule).
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    numpy.ndarray, laid out as `x`, with OH x OW windows for H x W pixels

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. Proc. IEEE 86, 1998.

    Examples
    --------
    >>> avg_pool2d([[1, 2, 5, 6], [4, 3, 8, 7]])
    array([[2.5, 6.5]])
    >>> avg_pool2d([[4, 8]], pool_size=(1, 2), padding=(0, 1)), avg_pool2d([[4, 8]], (1, 2), padding=(0, 1), count_include_pad=True)
    (array([[4., 8.]]), array([[2., 4.]]))
    """
    images = as_images(x, data_format)
    height, width = pool_axes(images.shape, pool_size, stride, 1, padding, ceil_mode)
    y = np.zeros((len(images), height.out, width.out, images.shape[3]))
    for n, oh, ow in np.ndindex(y.shape[:3]):
        for h in height.pixels(oh):
            for w in width.pixels(ow):
                y[n, oh, ow] += images[n, h, w]
        y[n, oh, ow] /= _count(height, oh, count_include_pad) * _count(width, ow, count_include_pad)
    return as_given(y, np.ndim(x), data_format, working_dtype(x))


@ieee
def avg_pool2d_backward(
    dy: ArrayLike,
    input_shape: Sequence[int],
    pool_size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    *,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Return the gradient of `avg_pool2d`: each `dy` is shared out among the pixels of its window.

    Parameters
    ----------
    dy : array_like
        Gradient of the loss with respect to the result of `avg_pool2d`.
    input_shape : sequence of int
        The shape of the `x` of `avg_pool2d`.
    pool_size, stride, padding, ceil_mode, count_include_pad, data_format
        As in `avg_pool2d`.

    Returns
    -------
    numpy.ndarray, shape `input_shape`

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. Proc. IEEE 86, 1998.

    Examples
    --------
    >>> avg_pool2d_backward([[4, 8]], (2, 4))
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    slopes = as_images(dy, data_format)
    dx = np.zeros(images_shape(input_shape, data_format))
    height, width = pool_axes(dx.shape, pool_size, stride, 1, padding, ceil_mode)
    for n, oh, ow in np.ndindex(slopes.shape[:3]):
        share = slopes[n, oh, ow] / (_count(height, oh, count_include_pad) * _count(width, ow, count_include_pad))
        for h in height.pixels(oh):
            for w in width.pixels(ow):
                dx[n, h, w] += share
    return as_given(dx, len(input_shape), data_format, working_dtype(dy))


def _count(axis: Axis, index: int, include_padding: bool) -> int:
    """Return how many taps of window `index` count in its mean: those on pixels, or those on the padded plane."""
    if include_padding:
        return sum(axis.tap(index, k) < axis.padded for k in range(axis.window))
    return len(axis.pixels(index))
