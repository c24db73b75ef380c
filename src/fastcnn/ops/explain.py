"""Which method computes a convolution, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fastcnn import _core, _validate
from fastcnn._validate import IntOrPair, Padding
from fastcnn.ops._images import Layout
from fastcnn.ops.conv import Conv2DShape, forward_shape

_OPS = ("forward", "input gradient", "weight gradient")
#: In the order of the C enumerations.
_ALGORITHMS = ("direct", "winograd", "grouped")
_REASONS = (
    "",
    "Winograd's method is switched off",
    "Winograd's method serves windows of 3x3 neighbouring pixels with a stride of 1",
    "Winograd's method serves float32 only",
    "the filters, transformed for Winograd's method, would take too much memory",
    "groups of few channels, down to one, share vectors",
)


class ConvChoice(NamedTuple):
    """How a convolution is computed.

    Attributes
    ----------
    algorithm : {"direct", "winograd", "grouped"}
    reason : str
        Why, in words.
    direct_cost, winograd_cost : float
        What an image would cost by either method, in multiply-adds at the machine's peak; 0 where there was no choice.
    tile : int
        How many rows, and columns, of results Winograd's method computes at a time, where it costs the least; 0 where there was no choice.
    """

    algorithm: str
    reason: str
    direct_cost: float
    winograd_cost: float
    tile: int


def explain_conv(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    data_format: str = "channels_last",
    op: str = "forward",
    dtype: DTypeLike = np.float32,
) -> ConvChoice:
    """Say which method computes a convolution or one of its gradients, and why.

    The choice depends on the shapes of one image and of the filters, on the dtype and on `set_winograd`; never on the number of images.

    Winograd's method [1]_ computes tiles of 3x3, 4x4 or 5x5 results, whichever size costs least, by 25, 36 or 49 multiplications where
    the direct method needs 81, 144 or 225, and moves more memory. Its rounding errors are one, two or four times as large: on data
    without structure, of C channels, their root mean square is below 0.6, 1 or 1.9 times ``1e-7 * sqrt(C + 16)`` of the results', and
    the largest of some 10,000 is below 0.6, 1.2 or 2.4 times ``1e-6 * sqrt(C + 16)``, at most 5e-5 for as many channels as the method
    is used for. Where neighbouring pixels differ by many orders of magnitude, the errors of a tile are relative to the largest pixel
    under it. Where pixels are equal, results are so only up to rounding, and another may win a max pooling behind. Values that pass
    float32's range on the way, NaN and infinities give what the direct method gives.

    Parameters
    ----------
    x_shape : sequence of int
        (N, H, W, C), or (N, C, H, W) with channels_first; N may be missing.
    w_shape : sequence of int
        (KH, KW, C // groups, F).
    stride, padding, dilation, groups, data_format
        As for `conv2d`.
    op : {"forward", "input gradient", "weight gradient"}
    dtype : {float32, float64}

    Returns
    -------
    ConvChoice
        The algorithm, the reason, and the costs that were compared.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    References
    ----------
    .. [1] A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.explain_conv((1, 56, 56, 64), (3, 3, 64, 64), padding="same").algorithm
    'winograd'
    >>> fastcnn.explain_conv((1, 56, 56, 64), (3, 3, 64, 64), stride=2)[:2]
    ('direct', "Winograd's method serves windows of 3x3 neighbouring pixels with a stride of 1")
    """
    images = _stand_in(x_shape, "x_shape", (3, 4))
    filters = _stand_in(w_shape, "w_shape", (4,))
    working = np.dtype(dtype)
    if working not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {working}")
    shape = forward_shape(Layout.of(images, data_format), images, filters, stride, padding, dilation, groups)
    return choice_of(shape, _validate.choice(op, "op", _OPS), working == np.float64)


def choice_of(shape: Conv2DShape, op: str = "forward", double_precision: bool = False) -> ConvChoice:
    """Say how a convolution of a checked shape is computed, as `explain_conv` does."""
    algorithm, reason, tile, direct, winograd = _core.choose_conv2d(shape, _OPS.index(op), double_precision)
    return ConvChoice(_ALGORITHMS[algorithm], _REASONS[reason] or _compared(direct, winograd, tile), direct, winograd, tile)


def _stand_in(shape: Sequence[int], name: str, ndim: Sequence[int]) -> np.ndarray:
    """Return an array of that shape that takes no memory."""
    checked = _validate.shape(shape, name, ndim)
    _validate.addressable(checked, np.dtype(np.float64), name)
    return np.broadcast_to(np.float32(0), checked)


def _compared(direct: float, winograd: float, tile: int) -> str:
    """Put the costs of an image into words."""
    by_tiles = f"Winograd's with tiles of {tile}x{tile} results"
    return f"an image costs {direct / 1e6:.3g} million multiply-adds by the direct method, {winograd / 1e6:.3g} million by {by_tiles}"
