"""The convolutions: a window times a filter, summed; and their gradients.

As everywhere in deep learning, the filters are not flipped: mathematics would call this a cross-correlation.

References
----------
Y. LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1 (1989). The layout of the filters is
that of Keras. V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285 (2016), draws stride,
padding, dilation and transposition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .activations import relu
from .arrays import as_float64, as_given, as_images, ieee, working_dtype
from .windows import IntOrPair, Padding, taps, transpose_axes, window_axes


@ieee
def convolve2d(image: ArrayLike, kernel: ArrayLike, bias: float = 0, stride: int = 1) -> np.ndarray:
    """Slide one kernel over one image: at each place, multiply what lies under it by the kernel, sum, and add the bias.

    Parameters
    ----------
    image : array_like, shape (H, W)
    kernel : array_like, shape (KH, KW)
    bias : float
    stride : int
        Pixels from a place to the next.

    Returns
    -------
    numpy.ndarray, shape ((H - KH) // stride + 1, (W - KW) // stride + 1)

    References
    ----------
    Y. LeCun et al.: Backpropagation applied to handwritten zip code recognition. Neural Computation 1, 1989.

    Examples
    --------
    >>> convolve2d([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]], bias=5)
    array([[1., 1.],
           [1., 1.]])
    """
    pixels, weights = as_float64(image), as_float64(kernel)
    kernel_height, kernel_width = weights.shape
    out_height = (pixels.shape[0] - kernel_height) // stride + 1
    out_width = (pixels.shape[1] - kernel_width) // stride + 1
    feature_map = np.zeros((out_height, out_width))
    for oh in range(out_height):
        for ow in range(out_width):
            top, left = oh * stride, ow * stride
            window = pixels[top : top + kernel_height, left : left + kernel_width]
            feature_map[oh, ow] = np.sum(window * weights) + bias
    return feature_map.astype(working_dtype(image, kernel))


@ieee
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    activation: str | None = None,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Slide F filters over images with C channels: at each place, each filter sums its window times its weights, over all channels.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``, or one image without N
    w : array_like, shape (KH, KW, C // groups, F)
        The filters, one per index of the last axis.
    b : array_like, shape (F,), optional
    stride, dilation : int or pair of int
        Pixels from a window to the next, and from a tap of a window to the next.
    padding : int, pair of int, pair of pairs of int, "valid" or "same"
        Pixels around each image: on all sides; by height and width; by height and width, (before, after) each; or by TensorFlow's
        rules. They add nothing: a tap on padding is skipped, so that no weight, be it Inf or NaN, makes anything of it.
    groups : int
        Into how many groups channels and filters are split; the filters of a group see its channels alone.
    activation : {None, "relu"}
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    numpy.ndarray, shape (N, OH, OW, F), laid out as `x`

    References
    ----------
    Y. LeCun et al.: Backpropagation applied to handwritten zip code recognition. Neural Computation 1, 1989.

    Examples
    --------
    >>> image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(3, 3, 1)
    >>> diagonals = np.array([[1, 0], [0, -1]]).reshape(2, 2, 1, 1)
    >>> conv2d(image, diagonals, [5])[:, :, 0]
    array([[1., 1.],
           [1., 1.]])
    >>> conv2d(image, diagonals, stride=2, padding="same", activation="relu")[:, :, 0]
    array([[0., 3.],
           [7., 9.]])
    """
    images, weights = as_images(x, data_format), as_float64(w)
    kernel_height, kernel_width, _, filters = weights.shape
    height, width = window_axes(images.shape, (kernel_height, kernel_width), stride, dilation, padding)
    groups_of = _groups(images.shape[3], filters, groups)
    y = np.zeros((len(images), height.out, width.out, filters))
    for n, oh, ow in np.ndindex(y.shape[:3]):
        for kh, kw, row, column in taps(height, width, oh, ow):
            for c, f in groups_of:
                y[n, oh, ow, f] += images[n, row, column, c] @ weights[kh, kw, :, f]
    if b is not None:
        y += as_float64(b)
    if activation == "relu":
        y = relu(y)
    return as_given(y, np.ndim(x), data_format, working_dtype(x, w))


@ieee
def conv2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    input_grad: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the gradients of `conv2d` without an activation.

    Parameters
    ----------
    dy : array_like
        Gradient of the loss with respect to the result of `conv2d`.
    x, w, stride, padding, dilation, groups, data_format
        As in `conv2d`.
    input_grad : bool
        Whether `dx` is wanted.

    Returns
    -------
    dx : numpy.ndarray, shaped as `x`, or None
    dw : numpy.ndarray, shaped as `w`
    db : numpy.ndarray, shape (F,)

    References
    ----------
    Y. LeCun et al.: Backpropagation applied to handwritten zip code recognition. Neural Computation 1, 1989.

    Examples
    --------
    >>> image = np.array([[1, 2, 3], [4, 5, 6]]).reshape(2, 3, 1)
    >>> row = np.array([1, -1]).reshape(1, 2, 1, 1)
    >>> dy = np.array([[10, 20], [30, 40]]).reshape(2, 2, 1)
    >>> dx, dw, db = conv2d_backward(dy, image, row)
    >>> dx[:, :, 0]
    array([[ 10.,  10., -20.],
           [ 30.,  10., -40.]])
    >>> dw[:, :, 0, 0], db
    (array([[370., 470.]]), array([100.]))
    """
    slopes, images, weights = as_images(dy, data_format), as_images(x, data_format), as_float64(w)
    kernel_height, kernel_width, _, filters = weights.shape
    height, width = window_axes(images.shape, (kernel_height, kernel_width), stride, dilation, padding)
    groups_of = _groups(images.shape[3], filters, groups)
    dx, dw, db = np.zeros(images.shape), np.zeros(weights.shape), np.zeros(filters)
    for n, oh, ow in np.ndindex(slopes.shape[:3]):
        slope = slopes[n, oh, ow]
        for kh, kw, row, column in taps(height, width, oh, ow):
            for c, f in groups_of:
                dx[n, row, column, c] += weights[kh, kw, :, f] @ slope[f]
                dw[kh, kw, :, f] += np.outer(images[n, row, column, c], slope[f])
        db += slope
    dtype = working_dtype(dy, x, w)
    dx_given = as_given(dx, np.ndim(x), data_format, dtype) if input_grad else None
    return dx_given, dw.astype(dtype), db.astype(dtype)


@ieee
def conv2d_transpose(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Let every pixel of `x` paint its multiple of the filters into the result: `conv2d` run backwards.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``, or one image without N
    w : array_like, shape (KH, KW, F // groups, C)
    b : array_like, shape (F,), optional
    stride, dilation : int or pair of int
        Pixels of the result from a window to the next, and from a tap of a window to the next.
    padding : int, pair of int, pair of pairs of int, "valid" or "same"
        What is cut off around the result: with ``span = (KH - 1) * dilation + 1``, its height is ``(H - 1) * stride + span - before
        - after + output_padding``. By Keras's rules, "same" makes it ``H * stride``, and "valid" ``H * stride + max(span - stride, 0)``
        and cuts nothing off. What falls on what is cut off adds nothing, here and in the gradients.
    output_padding : int or pair of int
        Pixels that the result is longer by; only with numbers for `padding`.
    groups : int
        Into how many groups channels and filters are split.
    data_format : {"channels_last", "channels_first"}

    Returns
    -------
    numpy.ndarray, shape (N, OH, OW, F), laid out as `x`

    References
    ----------
    V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. arXiv:1603.07285, 2016.

    Examples
    --------
    >>> image = np.array([[1, 2], [3, 4]]).reshape(2, 2, 1)
    >>> brush = np.array([[1, 10], [0, 0]]).reshape(2, 2, 1, 1)
    >>> conv2d_transpose(image, brush, stride=2)[:, :, 0]
    array([[ 1., 10.,  2., 20.],
           [ 0.,  0.,  0.,  0.],
           [ 3., 30.,  4., 40.],
           [ 0.,  0.,  0.,  0.]])
    """
    images, weights = as_images(x, data_format), as_float64(w)
    kernel_height, kernel_width, group_filters, channels = weights.shape
    filters = group_filters * groups
    height, width = transpose_axes(images.shape, (kernel_height, kernel_width), stride, dilation, padding, output_padding)
    groups_of = _groups(channels, filters, groups)
    y = np.zeros((len(images), height.size, width.size, filters))
    for n, ih, iw in np.ndindex(images.shape[:3]):
        pixel = images[n, ih, iw]
        for kh, kw, row, column in taps(height, width, ih, iw):
            for c, f in groups_of:
                y[n, row, column, f] += weights[kh, kw, :, c] @ pixel[c]
    if b is not None:
        y += as_float64(b)
    return as_given(y, np.ndim(x), data_format, working_dtype(x, w))


@ieee
def conv2d_transpose_backward(
    dy: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    input_grad: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the gradients of `conv2d_transpose`.

    Parameters
    ----------
    dy : array_like
        Gradient of the loss with respect to the result of `conv2d_transpose`.
    x, w, stride, padding, output_padding, dilation, groups, data_format
        As in `conv2d_transpose`.
    input_grad : bool
        Whether `dx` is wanted.

    Returns
    -------
    dx : numpy.ndarray, shaped as `x`, or None
    dw : numpy.ndarray, shaped as `w`
    db : numpy.ndarray, shape (F,)

    References
    ----------
    V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. arXiv:1603.07285, 2016.

    Examples
    --------
    >>> image = np.array([1, 2]).reshape(1, 2, 1)
    >>> brush = np.array([1, 10]).reshape(1, 2, 1, 1)
    >>> dy = np.array([1, 2, 3, 4]).reshape(1, 4, 1)
    >>> dx, dw, db = conv2d_transpose_backward(dy, image, brush, stride=2)
    >>> dx[:, :, 0], dw[:, :, 0, 0], db
    (array([[21., 43.]]), array([[ 7., 10.]]), array([10.]))
    """
    slopes, images, weights = as_images(dy, data_format), as_images(x, data_format), as_float64(w)
    kernel_height, kernel_width, group_filters, channels = weights.shape
    filters = group_filters * groups
    height, width = transpose_axes(images.shape, (kernel_height, kernel_width), stride, dilation, padding, output_padding)
    groups_of = _groups(channels, filters, groups)
    dx, dw, db = np.zeros(images.shape), np.zeros(weights.shape), slopes.sum(axis=(0, 1, 2))
    for n, ih, iw in np.ndindex(images.shape[:3]):
        pixel = images[n, ih, iw]
        for kh, kw, row, column in taps(height, width, ih, iw):
            slope = slopes[n, row, column]
            for c, f in groups_of:
                dx[n, ih, iw, c] += slope[f] @ weights[kh, kw, :, c]
                dw[kh, kw, :, c] += np.outer(slope[f], pixel[c])
    dtype = working_dtype(dy, x, w)
    dx_given = as_given(dx, np.ndim(x), data_format, dtype) if input_grad else None
    return dx_given, dw.astype(dtype), db.astype(dtype)


def _groups(channels: int, filters: int, groups: int) -> list[tuple[slice, slice]]:
    """Return the channels and the filters of each group."""
    c, f = channels // groups, filters // groups
    return [(slice(g * c, (g + 1) * c), slice(g * f, (g + 1) * f)) for g in range(groups)]
