"""Where the windows of an operation lie on a plane: the rules of window size, stride, dilation and padding.

A window with 3 taps, stride 2 and dilation 2, on a row of 7 pixels with one pixel of padding before and after::

    padded plane      0   1   2   3   4   5   6   7   8
    pixels            .   0   1   2   3   4   5   6   .
    window 0          ^       ^       ^
    window 1                  ^       ^       ^
    window 2                          ^       ^       ^

Examples
--------
>>> row = window_axis(size=7, window=3, stride=2, dilation=2, padding=(1, 1))
>>> row.out, [row.pixels(index) for index in range(row.out)]
(3, [[1, 3], [1, 3, 5], [3, 5]])

References
----------
"same" is the rule of ``tf.nn.convolution``, and `ceil_mode` that of ``torch.nn.MaxPool2d``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | str | Sequence[int] | Sequence[Sequence[int]]


class Axis(NamedTuple):
    """The height or the width of a plane, and the windows along it.

    Examples
    --------
    >>> axis = Axis(size=4, out=3, before=1, after=1, window=2, stride=2, dilation=1)
    >>> axis.padded, axis.tap(1, 0), axis.taps(0), axis.pixels(0)
    (6, 2, [(1, 0)], [0])
    """

    size: int  # pixels of the plane
    out: int  # windows
    before: int  # padding before the first pixel
    after: int  # padding after the last one
    window: int  # taps of a window
    stride: int  # from a window to the next
    dilation: int  # from a tap to the next

    @property
    def padded(self) -> int:
        """The size of the padded plane."""
        return self.before + self.size + self.after

    def tap(self, index: int, k: int) -> int:
        """Return where tap `k` of window `index` lies in the padded plane."""
        return index * self.stride + k * self.dilation

    def taps(self, index: int) -> list[tuple[int, int]]:
        """Return the taps of window `index` that lie on a pixel, each with its pixel; those on padding are left out."""
        places = [(k, self.tap(index, k) - self.before) for k in range(self.window)]
        return [(k, place) for k, place in places if 0 <= place < self.size]

    def pixels(self, index: int) -> list[int]:
        """Return the pixels under window `index`, padding left out."""
        return [pixel for _, pixel in self.taps(index)]


def as_pair(value: Any) -> tuple[Any, Any]:
    """Return `value`, one for both or a pair, as a pair (height, width).

    Examples
    --------
    >>> as_pair(3), as_pair((2, 1))
    ((3, 3), (2, 1))
    """
    if np.ndim(value) == 0:
        return value, value
    height, width = value
    return height, width


def as_paddings(padding: Padding) -> tuple[Any, Any]:
    """Return the padding of the height and of the width, each a rule's name or (before, after).

    Examples
    --------
    >>> as_paddings("same"), as_paddings(1), as_paddings((1, 2)), as_paddings(((0, 1), (2, 3)))
    (('same', 'same'), ((1, 1), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (2, 3)))
    """
    if isinstance(padding, str):
        return padding, padding
    height, width = as_pair(padding)
    return as_pair(height), as_pair(width)


def window_axis(size: int, window: int, stride: int, dilation: int, padding: str | tuple[int, int]) -> Axis:
    """Return the windows along an axis of `size` pixels: as many as fit into the padded plane.

    "valid" pads nothing. "same" makes ``ceil(size / stride)`` windows and pads what they need, the odd pixel after (TensorFlow).

    Examples
    --------
    >>> window_axis(28, 3, 2, 1, (0, 0)).out
    13
    >>> window_axis(28, 3, 2, 1, "same")
    Axis(size=28, out=14, before=0, after=1, window=3, stride=2, dilation=1)
    """
    span = _span(window, dilation)
    if padding == "same":
        out = -(-size // stride)
        total = max((out - 1) * stride + span - size, 0)
        return Axis(size, out, total // 2, total - total // 2, window, stride, dilation)
    before, after = (0, 0) if isinstance(padding, str) else padding
    out = (before + size + after - span) // stride + 1
    return Axis(size, out, before, after, window, stride, dilation)


def window_axes(shape: Sequence[int], window: IntOrPair, stride: IntOrPair, dilation: IntOrPair, padding: Padding) -> tuple[Axis, Axis]:
    """Return the windows along the height and along the width of images of shape (N, H, W, C).

    Examples
    --------
    >>> [axis.out for axis in window_axes((1, 28, 20, 3), window=(3, 5), stride=1, dilation=1, padding="valid")]
    [26, 16]
    """
    height, width = zip(as_pair(window), as_pair(stride), as_pair(dilation), as_paddings(padding), strict=True)
    return window_axis(shape[1], *height), window_axis(shape[2], *width)


def pool_axes(
    shape: Sequence[int], pool_size: IntOrPair, stride: IntOrPair | None, dilation: IntOrPair, padding: Padding, ceil_mode: bool
) -> tuple[Axis, Axis]:
    """Return the windows of a pooling, of which the last ones must not cover padding alone; `stride` None means `pool_size`.

    With `ceil_mode`, a last window counts even if it hangs over the padded plane (PyTorch).

    Examples
    --------
    >>> [axis.out for axis in pool_axes((1, 28, 21, 3), 2, None, 1, "valid", ceil_mode=False)]
    [14, 10]
    >>> [axis.out for axis in pool_axes((1, 28, 21, 3), 2, None, 1, "valid", ceil_mode=True)]
    [14, 11]
    """
    height, width = window_axes(shape, pool_size, pool_size if stride is None else stride, dilation, padding)
    return _pool_axis(height, ceil_mode), _pool_axis(width, ceil_mode)


def _pool_axis(axis: Axis, ceil_mode: bool) -> Axis:
    room = axis.padded - _span(axis.window, axis.dilation)  # how far the window can move
    out = -(-room // axis.stride) + 1 if ceil_mode else axis.out
    last = max(index for index in range(out) if axis.pixels(index))
    return axis._replace(out=last + 1)


def transpose_axes(
    shape: Sequence[int], window: IntOrPair, stride: IntOrPair, dilation: IntOrPair, padding: Padding, output_padding: IntOrPair
) -> tuple[Axis, Axis]:
    """Return the axes of the result of a transposed convolution of images of shape (N, H, W, C): each input pixel is a window of it.

    "same" and "valid" are Keras's rules: `stride` pixels of the result for each of the input, and with "valid" what the last window
    needs beyond them.

    Examples
    --------
    >>> [axis.size for axis in transpose_axes((1, 14, 10, 3), 3, 2, 1, "same", 0)]
    [28, 20]
    >>> [axis.size for axis in transpose_axes((1, 14, 10, 3), (3, 1), 2, 1, "valid", 0)]
    [29, 20]
    >>> [axis.size for axis in transpose_axes((1, 14, 10, 3), 3, 2, 1, 1, (0, 1))]
    [27, 20]
    """
    height, width = zip(as_pair(window), as_pair(stride), as_pair(dilation), as_paddings(padding), as_pair(output_padding), strict=True)
    return _transpose_axis(shape[1], *height), _transpose_axis(shape[2], *width)


def _transpose_axis(out: int, window: int, stride: int, dilation: int, padding: str | tuple[int, int], output_padding: int) -> Axis:
    if isinstance(padding, str):
        if padding == "same":
            return window_axis(out * stride, window, stride, dilation, "same")
        return Axis(out * stride + max(_span(window, dilation) - stride, 0), out, 0, 0, window, stride, dilation)
    before, after = padding
    size = (out - 1) * stride + _span(window, dilation) - before - after + output_padding
    return Axis(size, out, before, after, window, stride, dilation)


def _span(window: int, dilation: int) -> int:
    """Return how many pixels lie from the first tap of a window to its last."""
    return (window - 1) * dilation + 1


def taps(height: Axis, width: Axis, oh: int, ow: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (kh, kw, row, column) for each tap of window (oh, ow) that lies on a pixel: the tap, and that pixel.

    Examples
    --------
    >>> row = Axis(size=2, out=3, before=1, after=0, window=2, stride=1, dilation=1)
    >>> list(taps(row, row, 0, 1))
    [(1, 0, 0, 0), (1, 1, 0, 1)]
    """
    for kh, row in height.taps(oh):
        for kw, column in width.taps(ow):
            yield kh, kw, row, column
