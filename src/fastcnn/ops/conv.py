"""Convolution, its gradients and its transpose."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn._validate import Axis, CanonicalPadding, IntOrPair, Padding
from fastcnn.ops._images import SHAPES_KEPT, Layout, empty, outputs, plain

ACTIVATIONS = (None, "relu")


class Conv2DShape(NamedTuple):
    """The fields of the C structure of the same name, in its order."""

    n: int
    h: int
    w: int
    c: int
    f: int
    kh: int
    kw: int
    oh: int
    ow: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    groups: int

    @property
    def x(self) -> tuple[int, int, int, int]:
        """The input's shape."""
        return self.n, self.h, self.w, self.c

    @property
    def y(self) -> tuple[int, int, int, int]:
        """The output's shape."""
        return self.n, self.oh, self.ow, self.f

    @classmethod
    def of(cls, n: int, c: int, f: int, groups: int, height: Axis, width: Axis) -> Conv2DShape:
        """Collect the fields."""
        return cls(
            *(n, height.size, width.size, c, f, height.window, width.window, height.out, width.out, height.stride, width.stride),
            *(height.dilation, width.dilation, height.before, width.before, groups),
        )


def forward_shape(
    layout: Layout, x: np.ndarray, w: np.ndarray, stride: IntOrPair, padding: Padding, dilation: IntOrPair, groups: int
) -> Conv2DShape:
    """The shapes of a convolution, with everything about them checked."""
    groups = _validate.integer(groups, "groups", 1)
    geometry = _validate.pair(stride, "stride", 1), _validate.pair(dilation, "dilation", 1), _validate.padding(padding)
    return canonical_shape(layout, x.shape, w.shape, groups, *geometry)


@functools.lru_cache(SHAPES_KEPT)
def canonical_shape(
    layout: Layout,
    x: tuple[int, ...],
    w: tuple[int, ...],
    groups: int,
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: CanonicalPadding,
) -> Conv2DShape:
    """The same for images and filters of shapes `x` and `w`, and parameters in canonical form."""
    _validate.not_empty(x, "x", first=len(x) - 3)
    _validate.not_empty(w, "w")
    if len(x) != layout.ndim:
        raise ValueError(f"x must have {layout.ndim} dimensions, got {len(x)} (shape {x})")
    n, h, width, c = layout.nhwc_shape(x)
    kh, kw, channels, f = w
    if c % groups or f % groups:
        raise ValueError(f"groups must divide the channels of x and the filters of w, got {groups} groups, {c} channels, {f} filters")
    if channels * groups != c:
        raise ValueError(f"w must have shape (KH, KW, C // groups, F) with C // groups = {c // groups}, got {w} for x {x}")
    shape = Conv2DShape.of(n, c, f, groups, *_validate.axes((h, width), (kh, kw), stride, dilation, padding))
    _validate.addressable(shape.y, np.dtype(np.float64), "the result")
    return shape


def checked_bias(b: ArrayLike | None, length: int, dtype: np.dtype) -> np.ndarray | None:
    """The bias, contiguous, or None."""
    if b is None:
        return None
    bias = _validate.array(b, "b", (1,))
    _validate.same_shape(bias.shape, (length,), "b", "one number a filter, shape")
    with np.errstate(over="ignore"):  # what is beyond the largest number of `dtype` is Inf, as in the result, and no warning
        return _validate.contiguous(bias, dtype)


def forward(shape: Conv2DShape, x: np.ndarray, w: np.ndarray, b: ArrayLike | None, relu: bool) -> np.ndarray:
    """The convolution of a checked shape, through a ReLU if wanted, in the dtype of `w`, which is contiguous."""
    y = empty(shape.y, w.dtype)
    _core.conv2d(shape, plain(x, w.dtype), w, checked_bias(b, shape.f, w.dtype), relu, y)
    return y


def backward(
    shape: Conv2DShape, dy: np.ndarray, x: np.ndarray, w: np.ndarray, input_grad: bool, out: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """The gradients by x (None without `input_grad`), w and the bias of such a convolution, the latter in `out` as far as it goes."""
    if dy.size != math.prod(shape.y):
        raise ValueError(f"dy must have as many numbers as the result, {shape.y}, got shape {dy.shape}")
    dw, db = outputs(out, w.dtype, dw=w.shape, db=(shape.f,))
    dy = plain(dy, w.dtype)
    _core.conv2d_weight_gradient(shape, dy, plain(x, w.dtype), dw, db)
    if not input_grad:
        return None, dw, db
    dx = empty(shape.x, w.dtype)
    _core.conv2d_input_gradient(shape, dy, w, None, False, dx)
    return dx, dw, db


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
    """Convolve images with filters.

    As in all such libraries this is a correlation: filters are not flipped.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with channels_first
        The images; one image may come without N.
    w : array_like, shape (KH, KW, C // groups, F)
        The filters, as Keras stores them, in both layouts. With ``groups == C`` this is depthwise convolution.
    b : array_like, shape (F,), optional
        The bias.
    stride, dilation : int or (int, int)
        Pixels from one window, one tap, to the next; for height and width.
    padding : int, (int, int), ((int, int), (int, int)), "valid" or "same"
        Pixels around the image that add nothing: for both axes, for each, before and after on each; "valid" is none, "same" gives
        ``ceil(H / stride)`` rows by TensorFlow's rule, the odd one after.
    groups : int
        Cut channels and filters into so many groups that do not see each other.
    activation : {None, "relu"}
        What to apply to the result, in the same pass. The ReLU keeps NaN.
    data_format : {"channels_last", "channels_first"}
        Where `x` and the result have their channels.

    Returns
    -------
    ndarray, shape (N, OH, OW, F), or (N, F, OH, OW) with channels_first
        In ``np.result_type(x, w, np.float32)``, float32 or float64. The same bits for any number of threads, any memory order of the
        arguments, and an image alone or in a batch.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind: not real numbers, or a parameter that is not an integer.
    ValueError
        If shapes or parameters do not fit; the message names the argument.
    MemoryError
        If there is no room for the result.

    References
    ----------
    The method is im2col [1]_, tile by tile, into a register-blocked matrix product [2]_.

    .. [1] K. Chellapilla, S. Puri, P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.
    .. [2] K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> w = np.ones((3, 3, 1, 1))
    >>> fastcnn.conv2d(x, w)[0, :, :, 0]
    array([[45., 54.],
           [81., 90.]])
    >>> fastcnn.conv2d(x, w, stride=2, padding="same").shape
    (1, 2, 2, 1)
    """
    images, filters = _validate.array(x, "x", (3, 4)), _validate.array(w, "w", (4,))
    dtype = _validate.working_dtype(x=images, w=filters)
    layout = Layout.of(images, data_format)
    shape = forward_shape(layout, images, filters, stride, padding, dilation, groups)
    relu = _validate.choice(activation, "activation", ACTIVATIONS) == "relu"
    return layout.from_nhwc(forward(shape, layout.to_nhwc(images, dtype), _validate.contiguous(filters, dtype), b, relu))


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
    out: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Compute the gradients of ``sum(dy * conv2d(x, w, b))`` by x, w and b.

    Parameters
    ----------
    dy : array_like, shape of the result of `conv2d`
        The gradient by the convolution's result, before any activation.
    x, w, stride, padding, dilation, groups, data_format
        As they were given to `conv2d`.
    input_grad : bool
        Whether to compute the gradient by `x`; the first layer of a network has no use for it.
    out : sequence of up to two ndarrays
        Where dw, and db, are written to, if not to new arrays: C-contiguous, of the result's dtype, sharing no memory with the arguments.

    Returns
    -------
    dx : ndarray, shape of x, or None
        None without `input_grad`.
    dw : ndarray, shape of w
        Sums run in an order that depends on the shapes alone.
    db : ndarray, shape (F,)
        In ``np.result_type(dy, x, w, np.float32)``, as `dx` and `dw`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if `dy` has not the shape of the result.

    References
    ----------
    The gradients of convolutional networks are told in [1]_.

    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE
       86(11), 1998.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x, w = np.arange(9.0).reshape(1, 3, 3, 1), np.ones((2, 2, 1, 1))
    >>> dx, dw, db = fastcnn.conv2d_backward([[[[1.0], [0.0]], [[0.0], [-2.0]]]], x, w)
    >>> dw[:, :, 0, 0], db
    (array([[ -8.,  -9.],
           [-11., -12.]]), array([-1.]))
    >>> dx[0, :, :, 0]
    array([[ 1.,  1.,  0.],
           [ 1., -1., -2.],
           [ 0., -2., -2.]])
    """
    images, filters = _validate.array(x, "x", (3, 4)), _validate.array(w, "w", (4,))
    gradient = _validate.array(dy, "dy", (images.ndim,))
    dtype = _validate.working_dtype(dy=gradient, x=images, w=filters)
    layout = Layout.of(images, data_format)
    shape = forward_shape(layout, images, filters, stride, padding, dilation, groups)
    _validate.same_shape(gradient.shape, layout.shape_of(*shape.y), "dy", "the shape of the convolution's result,")
    wants_dx = _validate.boolean(input_grad, "input_grad")
    pixels, images = layout.to_nhwc(gradient, dtype), layout.to_nhwc(images, dtype)
    dx, dw, db = backward(shape, pixels, images, _validate.contiguous(filters, dtype), wants_dx, out)
    return None if dx is None else layout.from_nhwc(dx), dw, db


def convolve2d(image: ArrayLike, kernel: ArrayLike, bias: float = 0, stride: int = 1) -> np.ndarray:
    """Slide one kernel over one image: the step that a convolutional network begins with.

    Parameters
    ----------
    image : array_like, shape (H, W)
        The image.
    kernel : array_like, shape (KH, KW)
        The filter.
    bias : float
        Added to each result.
    stride : int
        Pixels from one window to the next, down and across.

    Returns
    -------
    ndarray, shape ((H - KH) // stride + 1, (W - KW) // stride + 1)
        The feature map, in ``np.result_type(image, kernel, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    Windows, strides and sizes are drawn in [1]_.

    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.convolve2d([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0]], [[1, 0], [0, 1]], bias=-1)
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.]])
    """
    plane, window = _validate.array(image, "image", (2,)), _validate.array(kernel, "kernel", (2,))
    _validate.not_empty(plane.shape, "image")
    _validate.not_empty(window.shape, "kernel")
    _validate.array(bias, "bias", (0,))
    step = _validate.integer(stride, "stride", 1)
    _validate.working_dtype(image=plane, kernel=window)
    _validate.axes(plane.shape, window.shape, (step, step), (1, 1), "valid", names="kernel image padding")
    return conv2d(plane[None, :, :, None], window[:, :, None, None], [bias], stride=step)[0, :, :, 0]


def _transposed_shape(
    layout: Layout,
    x: np.ndarray,
    w: np.ndarray,
    stride: IntOrPair,
    padding: Padding,
    output_padding: IntOrPair,
    dilation: IntOrPair,
    groups: int,
) -> Conv2DShape:
    """The shapes of the convolution that a transposed one turns round: its input is our result, its output our x."""
    groups = _validate.integer(groups, "groups", 1)
    _validate.not_empty(x.shape, "x", first=x.ndim - 3)
    _validate.not_empty(w.shape, "w")
    n, h, width, c = layout.nhwc_shape(x.shape)
    kh, kw, filters, channels = w.shape
    if channels != c:
        raise ValueError(f"w must have shape (KH, KW, F // groups, C) with C = {c}, got {w.shape} for x {x.shape}")
    if c % groups:
        raise ValueError(f"groups must divide the channels of x, got {groups} groups and {c} channels")
    height, across = _validate.transposed_axes(
        (h, width),
        (kh, kw),
        _validate.pair(stride, "stride", 1),
        _validate.pair(dilation, "dilation", 1),
        _validate.padding(padding),
        _validate.pair(output_padding, "output_padding", 0),
    )
    shape = Conv2DShape.of(n, filters * groups, c, groups, height, across)
    _validate.addressable(shape.x, np.dtype(np.float64), "the result")
    return shape


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
    """Convolve the other way: each pixel of `x` stamps the filters, weighted, on the result.

    It is the gradient of `conv2d` by its input, and undoes its change of shape.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with channels_first
        The images; one image may come without N.
    w : array_like, shape (KH, KW, F // groups, C)
        The filters, as Keras stores them: the shape that `conv2d` from the result back to `x` would take.
    b : array_like, shape (F,), optional
        The bias.
    stride : int or (int, int)
        Pixels of the result from one stamp to the next.
    padding : int, (int, int), ((int, int), (int, int)), "valid" or "same"
        How much of the stamped plane's rim to cut off, as PyTorch counts: the result has
        ``(H - 1) * stride + (KH - 1) * dilation + 1 - before - after + output_padding`` rows. By Keras's rules, "same" gives
        ``H * stride`` rows, and "valid" cuts nothing and has at least as many.
    output_padding : int or (int, int)
        Rows and columns to add after the last stamp; less than `stride` or `dilation`.
    dilation, groups, data_format
        As for `conv2d`.

    Returns
    -------
    ndarray, shape (N, OH, OW, F), or (N, F, OH, OW) with channels_first
        In ``np.result_type(x, w, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, chapter 4.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    >>> fastcnn.conv2d_transpose(x, np.ones((2, 2, 1, 1)), stride=2)[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.],
           [3., 3., 4., 4.],
           [3., 3., 4., 4.]])
    """
    images, filters = _validate.array(x, "x", (3, 4)), _validate.array(w, "w", (4,))
    dtype = _validate.working_dtype(x=images, w=filters)
    layout = Layout.of(images, data_format)
    shape = _transposed_shape(layout, images, filters, stride, padding, output_padding, dilation, groups)
    bias = checked_bias(b, shape.c, dtype)
    y = empty(shape.x, dtype)
    _core.conv2d_input_gradient(shape, layout.to_nhwc(images, dtype), _validate.contiguous(filters, dtype), bias, False, y)
    return layout.from_nhwc(y)


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
    out: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Compute the gradients of ``sum(dy * conv2d_transpose(x, w, b))`` by x, w and b.

    Parameters
    ----------
    dy : array_like, shape of the result of `conv2d_transpose`
        The gradient by the result.
    x, w, stride, padding, output_padding, dilation, groups, data_format
        As they were given to `conv2d_transpose`.
    input_grad : bool
        Whether to compute the gradient by `x`.
    out : sequence of up to two ndarrays
        Where dw, and db, are written to, if not to new arrays: C-contiguous, of the result's dtype, sharing no memory with the arguments.

    Returns
    -------
    dx : ndarray, shape of x, or None
        None without `input_grad`. It is the convolution of `dy` with `w`.
    dw : ndarray, shape of w
    db : ndarray, shape (F,)
        In ``np.result_type(dy, x, w, np.float32)``, as `dx` and `dw`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if `dy` has not the shape of the result.

    References
    ----------
    What a convolution, transposed, reads and writes is drawn in [1]_.

    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x, w = np.ones((1, 2, 2, 1)), np.arange(4.0).reshape(2, 2, 1, 1)
    >>> dy = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> dx, dw, db = fastcnn.conv2d_transpose_backward(dy, x, w)
    >>> dx[0, :, :, 0]
    array([[19., 25.],
           [37., 43.]])
    """
    images, filters = _validate.array(x, "x", (3, 4)), _validate.array(w, "w", (4,))
    gradient = _validate.array(dy, "dy", (images.ndim,))
    dtype = _validate.working_dtype(dy=gradient, x=images, w=filters)
    layout = Layout.of(images, data_format)
    shape = _transposed_shape(layout, images, filters, stride, padding, output_padding, dilation, groups)
    _validate.same_shape(gradient.shape, layout.shape_of(*shape.x), "dy", "the shape of the transposed convolution's result,")
    wants_dx = _validate.boolean(input_grad, "input_grad")

    dw, db = outputs(out, dtype, dw=filters.shape, db=(shape.c,))
    pixels = layout.to_nhwc(gradient, dtype)
    _core.conv2d_weight_gradient(shape, layout.to_nhwc(images, dtype), pixels, dw, None)
    _core.column_sums(pixels.size // shape.c, shape.c, pixels, db)
    if not wants_dx:
        return None, dw, db
    dx = empty(shape.y, dtype)
    _core.conv2d(shape, pixels, _validate.contiguous(filters, dtype), None, False, dx)
    return layout.from_nhwc(dx), dw, db
