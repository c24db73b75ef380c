"""Pooling and its gradients."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn._validate import Axis, CanonicalPadding, IntOrPair, Padding
from fastcnn.ops._images import SHAPES_KEPT, Layout, empty, plain


class Pool2DShape(NamedTuple):
    """The fields of the C structure of the same name, in its order."""

    n: int
    h: int
    w: int
    c: int
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
    pad_bottom: int
    pad_right: int
    count_padding: bool

    @property
    def x(self) -> tuple[int, int, int, int]:
        """The input's shape."""
        return self.n, self.h, self.w, self.c

    @property
    def y(self) -> tuple[int, int, int, int]:
        """The output's shape."""
        return self.n, self.oh, self.ow, self.c

    @classmethod
    def of(
        cls,
        nhwc: tuple[int, int, int, int],
        pool_size: IntOrPair,
        stride: IntOrPair | None,
        padding: Padding,
        dilation: IntOrPair,
        ceil_mode: bool,
        count_padding: bool,
    ) -> Pool2DShape:
        """The shapes of a pooling, with everything about them checked."""
        window = _validate.pair(pool_size, "pool_size", 1)
        if window[0] * window[1] > _validate.MAX_PARAMETER:
            raise ValueError(f"pool_size must span at most {_validate.MAX_PARAMETER} pixels, got {window}")
        return cls._of(
            nhwc,
            window,
            window if stride is None else _validate.pair(stride, "stride", 1),
            _validate.pair(dilation, "dilation", 1),
            _validate.padding(padding),
            _validate.boolean(ceil_mode, "ceil_mode"),
            _validate.boolean(count_padding, "count_include_pad"),
        )

    @classmethod
    @functools.lru_cache(SHAPES_KEPT)
    def _of(
        cls,
        nhwc: tuple[int, int, int, int],
        window: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: CanonicalPadding,
        ceil_mode: bool,
        count_padding: bool,
    ) -> Pool2DShape:
        """The same for parameters in canonical form."""
        n, h, w, c = nhwc
        height, width = _validate.pool_axes((h, w), window, stride, dilation, padding, ceil_mode)
        shape = cls._of_axes(n, c, height, width, count_padding)
        _validate.addressable(shape.y, np.dtype(np.float64), "x")
        return shape

    @classmethod
    def _of_axes(cls, n: int, c: int, height: Axis, width: Axis, count_padding: bool) -> Pool2DShape:
        return cls(
            *(n, height.size, width.size, c, height.window, width.window, height.out, width.out, height.stride, width.stride),
            *(height.dilation, width.dilation, height.before, width.before, height.after, width.after),
            count_padding,
        )


def _images(x: ArrayLike, data_format: str) -> tuple[np.ndarray, Layout]:
    """Images, one image or a plane, and how they lie."""
    images = _validate.array(x, "x", (2, 3, 4))
    _validate.not_empty(images.shape, "x", first=int(images.ndim == 4))
    return images, Layout.of(images, data_format)


@overload
def max_pool2d(
    x: ArrayLike,
    pool_size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    *,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    data_format: str = "channels_last",
) -> np.ndarray: ...
@overload
def max_pool2d(
    x: ArrayLike,
    pool_size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    *,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[True],
    data_format: str = "channels_last",
) -> tuple[np.ndarray, np.ndarray]: ...
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
    """Keep the maximum of each window.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C), or (N, C, H, W) with channels_first
        The images; one image may come without N, and a plane as (H, W).
    pool_size : int or (int, int)
        The window's height and width.
    stride : int or (int, int), optional
        Pixels from one window to the next; `pool_size` by default.
    padding : int, (int, int), ((int, int), (int, int)), "valid" or "same"
        As for `conv2d`, but at most half the window. Padding never wins.
    dilation : int or (int, int)
        Pixels from one tap of the window to the next.
    ceil_mode : bool
        Whether a last, partial window counts, by PyTorch's rule: unless it would start in the padding after the image.
    return_indices : bool
        Whether to return, too, where the maxima were.
    data_format : {"channels_last", "channels_first"}
        Where `x` and the results have their channels.

    Returns
    -------
    y : ndarray, shape (N, OH, OW, C), or as x lies
        In ``np.result_type(x, np.float32)``. NaN wins over everything.
    indices : ndarray of int64, shape of y
        With `return_indices`: ``h * W + w`` of the winning pixel in its plane. Ties go to the first in row-major order.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if a window would cover padding alone.

    References
    ----------
    Max pooling is compared with averages in [1]_.

    .. [1] D. Scherer, A. Müller, S. Behnke, "Evaluation of pooling operations in convolutional architectures for object recognition",
       ICANN 2010.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> x = np.array([[1, -2, 0, 3], [4, 0, -1, 3]])
    >>> fastcnn.max_pool2d(x, return_indices=True)
    (array([[4., 3.]]), array([[4, 3]]))
    """
    images, layout = _images(x, data_format)
    dtype = _validate.working_dtype(x=images)
    shape = Pool2DShape.of(layout.nhwc_shape(images.shape), pool_size, stride, padding, dilation, ceil_mode, False)
    wants_indices = _validate.boolean(return_indices, "return_indices")
    y = empty(shape.y, dtype)
    indices = empty(shape.y, np.int64) if wants_indices else None
    _core.max_pool2d(shape, layout.to_nhwc(images, dtype), y, indices)
    return layout.from_nhwc(y) if indices is None else (layout.from_nhwc(y), layout.from_nhwc(indices))


def max_pool2d_backward(dy: ArrayLike, indices: ArrayLike, input_shape: Sequence[int], *, data_format: str = "channels_last") -> np.ndarray:
    """Compute the gradient of ``sum(dy * max_pool2d(x))`` by x: each dy goes to the pixel that won.

    Parameters
    ----------
    dy : array_like, shape of the result of `max_pool2d`
        The gradient by the result.
    indices : array_like of int, shape of dy
        What `max_pool2d` returned with ``return_indices=True``.
    input_shape : sequence of int
        The shape of x.
    data_format : {"channels_last", "channels_first"}
        As it was given to `max_pool2d`.

    Returns
    -------
    ndarray, shape `input_shape`
        In ``np.result_type(dy, np.float32)``. Where windows overlap, their gradients add up.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if the shapes disagree or an index points outside its plane.

    References
    ----------
    Max pooling is compared with averages in [1]_.

    .. [1] D. Scherer, A. Müller, S. Behnke, "Evaluation of pooling operations in convolutional architectures for object recognition",
       ICANN 2010.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> fastcnn.max_pool2d_backward([[0.5, -2.0]], [[4, 3]], (2, 4))
    array([[ 0. ,  0. ,  0. , -2. ],
           [ 0.5,  0. ,  0. ,  0. ]])
    """
    gradient = _validate.array(dy, "dy", (2, 3, 4))
    dtype = _validate.working_dtype(dy=gradient)
    winners = _validate.array(indices, "indices", (gradient.ndim,))
    if winners.dtype.kind not in "iu":
        raise TypeError(f"indices must be integers, got dtype {winners.dtype}")
    _validate.same_shape(winners.shape, gradient.shape, "indices", "the shape of dy,")
    layout = Layout.of(gradient, data_format)
    size = _validate.shape(input_shape, "input_shape", (gradient.ndim,))
    _validate.not_empty(size, "input_shape", first=int(gradient.ndim == 4))
    _validate.not_empty(gradient.shape, "dy", first=int(gradient.ndim == 4))
    n, h, w, c = layout.nhwc_shape(size)
    dn, oh, ow, dc = layout.nhwc_shape(gradient.shape)
    _validate.same_shape((n, c), (dn, dc), "input_shape", "the batch and channels of dy,")
    _validate.addressable(size, np.dtype(np.float64), "input_shape")
    dx = empty((n, h, w, c), dtype)
    _core.max_pool2d_gradient(n, oh * ow, h * w, c, layout.to_nhwc(gradient, dtype), layout.to_nhwc(winners, np.int64), dx)
    return layout.from_nhwc(dx)


def fits_winners(pool_size: tuple[int, int]) -> bool:
    """Whether a byte can tell a window's taps apart, as `max_pool2d_winners` does."""
    return pool_size[0] * pool_size[1] <= 255


def max_pool2d_winners(
    x: np.ndarray, pool_size: tuple[int, int], stride: tuple[int, int], padding: Padding, relu: bool
) -> tuple[np.ndarray, np.ndarray]:
    """`max_pool2d` for networks: the maxima of images (N, H, W, C), through a ReLU if wanted, and which taps won, as bytes.

    The window must be one of which `fits_winners` is true.
    """
    shape = Pool2DShape.of(x.shape, pool_size, stride, padding, 1, False, False)
    x = plain(x, _validate.working_dtype(x=x))
    y, winners = empty(shape.y, x.dtype), empty(shape.y, np.uint8)
    _core.max_pool2d_winners(shape, x, relu, y, winners)
    return y, winners


def max_pool2d_winners_backward(
    dy: np.ndarray,
    y: np.ndarray | None,
    winners: np.ndarray,
    input_shape: tuple[int, int, int, int],
    pool_size: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
) -> np.ndarray:
    """Compute the gradient of `max_pool2d_winners` by x; `y` is its result where it had a ReLU, else None."""
    shape = Pool2DShape.of(input_shape, pool_size, stride, padding, 1, False, False)
    _validate.same_shape(dy.shape, shape.y, "dy", "the shape of the pooling's result,")
    dx = empty(shape.x, _validate.working_dtype(dy=dy))
    _core.max_pool2d_winners_gradient(shape, plain(dy, dx.dtype), winners, y, dx)
    return dx


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
    """Keep the mean of each window.

    Parameters
    ----------
    x, pool_size, stride, padding, ceil_mode, data_format
        As for `max_pool2d`.
    count_include_pad : bool
        Whether padding counts towards the mean, as zeros. What a last window of `ceil_mode` hangs over beyond the padding never
        does: PyTorch's rule.

    Returns
    -------
    ndarray, shape (N, OH, OW, C), or as x lies
        In ``np.result_type(x, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    References
    ----------
    Averages of windows are the subsampling of [1]_.

    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE
       86(11), 1998.

    Examples
    --------
    >>> import numpy as np, fastcnn
    >>> fastcnn.avg_pool2d(np.arange(8.0).reshape(2, 4))
    array([[2.5, 4.5]])
    """
    images, layout = _images(x, data_format)
    dtype = _validate.working_dtype(x=images)
    shape = Pool2DShape.of(layout.nhwc_shape(images.shape), pool_size, stride, padding, 1, ceil_mode, count_include_pad)
    y = empty(shape.y, dtype)
    _core.avg_pool2d(shape, layout.to_nhwc(images, dtype), y)
    return layout.from_nhwc(y)


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
    """Compute the gradient of ``sum(dy * avg_pool2d(x))`` by x: each dy is shared out among its window.

    Parameters
    ----------
    dy : array_like, shape of the result of `avg_pool2d`
        The gradient by the result.
    input_shape : sequence of int
        The shape of x.
    pool_size, stride, padding, ceil_mode, count_include_pad, data_format
        As they were given to `avg_pool2d`.

    Returns
    -------
    ndarray, shape `input_shape`
        In ``np.result_type(dy, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`; a ValueError, too, if `dy` has not the shape that `input_shape` gives.

    References
    ----------
    Averages of windows are the subsampling of [1]_.

    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE
       86(11), 1998.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.avg_pool2d_backward([[4.0, -8.0]], (2, 4))
    array([[ 1.,  1., -2., -2.],
           [ 1.,  1., -2., -2.]])
    """
    gradient = _validate.array(dy, "dy", (2, 3, 4))
    dtype = _validate.working_dtype(dy=gradient)
    layout = Layout.of(gradient, data_format)
    size = _validate.shape(input_shape, "input_shape", (gradient.ndim,))
    _validate.not_empty(size, "input_shape", first=int(gradient.ndim == 4))
    _validate.addressable(size, np.dtype(np.float64), "input_shape")
    shape = Pool2DShape.of(layout.nhwc_shape(size), pool_size, stride, padding, 1, ceil_mode, count_include_pad)
    _validate.same_shape(gradient.shape, layout.shape_of(*shape.y), "dy", "the shape of the pooling's result,")
    dx = empty(shape.x, dtype)
    _core.avg_pool2d_gradient(shape, layout.to_nhwc(gradient, dtype), dx)
    return layout.from_nhwc(dx)
