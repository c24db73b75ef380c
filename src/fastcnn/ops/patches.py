"""im2col and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn._validate import IntOrPair, Padding
from fastcnn.ops._images import Layout, empty
from fastcnn.ops.conv import Conv2DShape


def _patch_shape(
    nhwc: tuple[int, int, int, int], kernel_size: IntOrPair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
) -> Conv2DShape:
    """The shapes of a convolution with as many filters as a patch has numbers."""
    n, h, w, c = nhwc
    window = _validate.pair(kernel_size, "kernel_size", 1)
    axes = _validate.axes(
        (h, w),
        window,
        _validate.pair(stride, "stride", 1),
        _validate.pair(dilation, "dilation", 1),
        _validate.padding(padding),
        names="kernel_size x padding",
    )
    shape = Conv2DShape.of(n, c, window[0] * window[1] * c, 1, *axes)
    _validate.addressable(shape.y, np.dtype(np.float64), "the result")
    return shape


def im2col(
    x: ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Lay the patch under each window out as a row, so that convolution becomes a matrix product.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with channels_first
        The images; one image may come without N.
    kernel_size : int or (int, int)
        The window's height and width.
    stride, padding, dilation, data_format
        As for `conv2d`.

    Returns
    -------
    ndarray, shape (N, OH, OW, KH * KW * C), or (N, C * KH * KW, OH * OW) with channels_first
        The patches, their numbers in the order (kh, kw, c); with channels_first in the order and shape of PyTorch's ``unfold``.
        In ``np.result_type(x, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    Convolution as a product of matrices is from [1]_.

    .. [1] K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
    >>> fastcnn.im2col(x, 2)
    array([[[[0., 1., 3., 4.],
             [1., 2., 4., 5.]]]])
    """
    images = _validate.array(x, "x", (3, 4))
    dtype = _validate.working_dtype(x=images)
    layout = Layout.of(images, data_format)
    _validate.not_empty(images.shape, "x", first=images.ndim - 3)
    s = _patch_shape(layout.nhwc_shape(images.shape), kernel_size, stride, padding, dilation)
    cols = empty(s.y, dtype)
    _core.im2col(s, layout.to_nhwc(images, dtype), cols)
    if layout.channels_first:
        cols = cols.reshape(s.n, s.oh * s.ow, s.kh * s.kw, s.c).transpose(0, 3, 2, 1).reshape(s.n, s.f, s.oh * s.ow)
    return cols if layout.ndim == 4 else cols[0]


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
    """Add each patch back to where `im2col` took it from: the adjoint of `im2col`, not its inverse.

    Parameters
    ----------
    cols : array_like, shape of the result of `im2col`
        The patches.
    input_shape : sequence of int
        The shape of the images, (N, H, W, C) or (N, C, H, W), or without N.
    kernel_size, stride, padding, dilation, data_format
        As they were given to `im2col`.

    Returns
    -------
    ndarray, shape `input_shape`
        In ``np.result_type(cols, np.float32)``. With channels_first, as PyTorch's ``fold``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if `cols` has not the shape that `im2col` gives for `input_shape`.

    References
    ----------
    The matrix is that of [1]_.

    .. [1] K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> fastcnn.col2im(np.ones((1, 1, 2, 4)), (1, 2, 3, 1), 2)[0, :, :, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    size = _validate.shape(input_shape, "input_shape", (3, 4))
    _validate.not_empty(size, "input_shape", first=len(size) - 3)
    patches = _validate.array(cols, "cols", (2, 3, 4))
    dtype = _validate.working_dtype(cols=patches)
    layout = Layout.of(patches, data_format)._replace(ndim=len(size))
    s = _patch_shape(layout.nhwc_shape(size), kernel_size, stride, padding, dilation)
    wanted = (s.n, s.f, s.oh * s.ow) if layout.channels_first else s.y
    _validate.same_shape(patches.shape, wanted if layout.ndim == 4 else wanted[1:], "cols", "the shape that im2col gives,")
    _validate.addressable(s.x, np.dtype(np.float64), "input_shape")
    if layout.channels_first:
        patches = patches.reshape(s.n, s.c, s.kh * s.kw, s.oh * s.ow).transpose(0, 3, 2, 1)
    x = empty(s.x, dtype)
    _core.col2im(s, _validate.contiguous(patches, dtype), x)
    return layout.from_nhwc(x)
