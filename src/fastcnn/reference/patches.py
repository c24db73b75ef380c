"""The windows of an image, laid out in rows, and the sum of such rows back into an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arrays import as_float64, as_given, as_images, ieee, images_shape, working_dtype
from .windows import IntOrPair, Padding, taps, window_axes


@ieee
def im2col(
    x: ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Return every window of `x` as a row of numbers, the padding as zeros.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``, or one image without N
    kernel_size, stride, dilation : int or pair of int
        Taps of a window, pixels from a window to the next, and pixels from a tap to the next.
    padding : int, pair of int, pair of pairs of int, "valid" or "same"
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    numpy.ndarray
        Shape (N, OH, OW, KH * KW * C), the last axis in the order (kh, kw, c). With channels_first, shape (N, C * KH * KW, OH * OW) in
        the order (c, kh, kw), as ``torch.nn.functional.unfold``.

    References
    ----------
    K. Chellapilla, S. Puri, P. Simard: High performance convolutional neural networks for document processing. 2006.

    Examples
    --------
    >>> image = np.arange(9).reshape(3, 3, 1)
    >>> im2col(image, 2)[0]
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.]])
    """
    images = as_images(x, data_format)
    batch, _, _, channels = images.shape
    height, width = window_axes(images.shape, kernel_size, stride, dilation, padding)
    windows = np.zeros((batch, height.out, width.out, height.window, width.window, channels))
    for n, oh, ow in np.ndindex(windows.shape[:3]):
        for kh, kw, row, column in taps(height, width, oh, ow):
            windows[n, oh, ow, kh, kw] = images[n, row, column]
    if data_format == "channels_first":
        shape: tuple[int, ...] = batch, channels * height.window * width.window, height.out * width.out
        windows = windows.transpose(0, 5, 3, 4, 1, 2)
    else:
        shape = batch, height.out, width.out, height.window * width.window * channels
    cols = windows.reshape(shape).astype(working_dtype(x))
    return cols if np.ndim(x) == 4 else cols[0]


@ieee
def col2im(
    cols: ArrayLike,
    input_shape: Sequence[int],
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Return the image in which each number of `cols` is added to the pixel that `im2col` took it from: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array_like, shaped as the result of `im2col`
    input_shape : sequence of int
        The shape of the result: the shape of the `x` of `im2col`.
    kernel_size, stride, padding, dilation, data_format
        As in `im2col`.

    Returns
    -------
    numpy.ndarray, shape `input_shape`

    References
    ----------
    K. Chellapilla, S. Puri, P. Simard: High performance convolutional neural networks for document processing. 2006.

    Examples
    --------
    How many of the 2 x 2 windows cover each pixel:

    >>> col2im(np.ones((2, 2, 4)), (3, 3, 1), 2)[:, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    batch, rows, columns, channels = images_shape(input_shape, data_format)
    height, width = window_axes((batch, rows, columns, channels), kernel_size, stride, dilation, padding)
    windows = as_float64(cols)
    if data_format == "channels_first":
        windows = windows.reshape(batch, channels, height.window, width.window, height.out, width.out).transpose(0, 4, 5, 2, 3, 1)
    else:
        windows = windows.reshape(batch, height.out, width.out, height.window, width.window, channels)
    images = np.zeros((batch, rows, columns, channels))
    for n, oh, ow in np.ndindex(windows.shape[:3]):
        for kh, kw, row, column in taps(height, width, oh, ow):
            images[n, row, column] += windows[n, oh, ow, kh, kw]
    return as_given(images, len(input_shape), data_format, working_dtype(cols))
