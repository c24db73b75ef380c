"""Bugs of everything that slides a window: stride, padding, dilation, the result's size, and which window goes where.

All arrays have all axes here: images are (N, H, W, C), filters (KH, KW, C, F).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .causes import Bug, after, before
from .operations import Results, Run

Pair = tuple[int, int]
Paddings = tuple[Pair, Pair]


def _window(arguments: dict[str, Any]) -> Pair:
    """Return the taps of a window along each axis."""
    return arguments["w"].shape[:2] if "w" in arguments else arguments.get("pool_size") or arguments["kernel_size"]


def _span(arguments: dict[str, Any], axis: int) -> int:
    """Return how many pixels there are from a window's first tap to its last."""
    dilation: int = arguments.get("dilation", (1, 1))[axis]
    return (_window(arguments)[axis] - 1) * dilation + 1


def _padded(arguments: dict[str, Any], axis: int) -> int:
    return arguments["x"].shape[1 + axis] + sum(arguments["padding"][axis])


def resized(y: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return images cropped, or filled up with zeros, to a size."""
    result = np.zeros((len(y), max(height, 0), max(width, 0), *y.shape[3:]))
    cut = y[:, : max(height, 0), : max(width, 0)]
    result[:, : cut.shape[1], : cut.shape[2]] = cut
    return result


def _sized(size: Any) -> Any:
    """Return the change of a result to the size that `size` makes of (padded length, span, stride, padding) along each axis."""

    def change(y: np.ndarray, **arguments: Any) -> np.ndarray:
        lengths = [
            size(_padded(arguments, axis), _span(arguments, axis), arguments["stride"][axis], sum(arguments["padding"][axis]))
            for axis in (0, 1)
        ]
        return resized(y, *lengths)

    return after(change)


def _positions_at_stride_1(run: Run) -> Run:
    """Make as many windows as there should be, but let them start at pixels 0, 1, 2, ..."""

    def twin(**arguments: Any) -> Results:
        right = run(**arguments)[0]
        dense = run(**{**arguments, "stride": (1, 1)})[0]
        return (dense[:, : right.shape[1], : right.shape[2]],)

    return twin


def _exchanged(pair: Any) -> Any:
    return (pair[1], pair[0])


def _padding(change: Any) -> Any:
    """Return a twin with other padding: what `change` makes of (before, after) of each axis."""
    return before(lambda padding, **_: {"padding": tuple(change(*pair) for pair in padding)})


def padded_with(**how: Any) -> Any:
    """Return a twin that pads with something else than nothing: with what `numpy.pad` makes of `how`."""

    def change(x: np.ndarray, padding: Paddings, **_: Any) -> dict[str, Any]:
        return {"x": np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)), **how), "padding": ((0, 0), (0, 0))}

    return before(change)


def _last_lost(y: np.ndarray, **_: Any) -> np.ndarray:
    y = y.copy()
    y[:, -1] = y[:, :, -1] = 0
    return y


def _only(image: int) -> Any:
    def change(y: np.ndarray, **_: Any) -> np.ndarray:
        result = np.zeros(y.shape)
        result[image] = y[image]
        return result

    return after(change)


def _same_by_default(padding: Paddings, **arguments: Any) -> dict[str, Any]:
    spans = (_span(arguments, 0) - 1, _span(arguments, 1) - 1)
    return {"padding": padding if np.any(padding) else tuple((span // 2, span - span // 2) for span in spans)}


def _full_by_default(padding: Paddings, **arguments: Any) -> dict[str, Any]:
    spans = (_span(arguments, 0) - 1, _span(arguments, 1) - 1)
    return {"padding": padding if np.any(padding) else tuple((span, span) for span in spans)}


#: Where windows lie: for everything that has windows, and for the gradients.
PLACE_BUGS = (
    Bug("stride ignored", "the stride is ignored: windows start at every pixel", before(lambda **_: {"stride": (1, 1)})),
    Bug(
        "stride on the height alone",
        "the stride is used for the height alone: along the width windows start at every pixel",
        before(lambda stride, **_: {"stride": (stride[0], 1)}),
    ),
    Bug(
        "stride on the width alone",
        "the stride is used for the width alone: along the height windows start at every pixel",
        before(lambda stride, **_: {"stride": (1, stride[1])}),
    ),
    Bug(
        "stride of the height for both",
        "the stride of the height is used for both axes",
        before(lambda stride, **_: {"stride": (stride[0], stride[0])}),
    ),
    Bug(
        "stride of the width for both",
        "the stride of the width is used for both axes",
        before(lambda stride, **_: {"stride": (stride[1], stride[1])}),
    ),
    Bug(
        "strides exchanged",
        "the strides of height and width are exchanged",
        before(lambda stride, **_: {"stride": _exchanged(stride)}),
    ),
    Bug("padding ignored", "the padding is ignored", before(lambda **_: {"padding": ((0, 0), (0, 0))})),
    Bug(
        "padding before alone",
        "the padding is put before the image alone, above and to the left, or the result's length counts it once: it is on both sides",
        _padding(lambda before, after: (before, 0)),
    ),
    Bug(
        "padding after alone",
        "the padding is put after the image alone, below and to the right: it belongs on both sides",
        _padding(lambda before, after: (0, after)),
    ),
    Bug(
        "all padding before",
        "the padding of both sides is put before the image, above and to the left",
        _padding(lambda before, after: (before + after, 0)),
    ),
    Bug(
        "all padding after",
        "the padding of both sides is put after the image, below and to the right",
        _padding(lambda before, after: (0, before + after)),
    ),
    Bug(
        "padding sides exchanged",
        'the padding is on the wrong side: where it is uneven, as with "same", the larger part goes after the image',
        _padding(lambda before, after: (after, before)),
    ),
    Bug(
        "padding on the height alone",
        "the height alone is padded, the width is not",
        before(lambda padding, **_: {"padding": (padding[0], (0, 0))}),
    ),
    Bug(
        "padding on the width alone",
        "the width alone is padded, the height is not",
        before(lambda padding, **_: {"padding": ((0, 0), padding[1])}),
    ),
    Bug(
        "paddings exchanged",
        "the paddings of height and width are exchanged",
        before(lambda padding, **_: {"padding": _exchanged(padding)}),
    ),
    Bug("padded twice", "there is twice as much padding as there should be", _padding(lambda before, after: (2 * before, 2 * after))),
    Bug("dilation ignored", "the dilation is ignored", before(lambda **_: {"dilation": (1, 1)})),
    Bug(
        "dilation one too large",
        "the dilation is taken for the number of pixels between taps: it is the distance from a tap to the next, one more",
        before(lambda dilation, **_: {"dilation": tuple(d + 1 for d in dilation) if max(dilation) > 1 else dilation}),
    ),
    Bug(
        "dilations exchanged",
        "the dilations of height and width are exchanged",
        before(lambda dilation, **_: {"dilation": _exchanged(dilation)}),
    ),
)

#: How many windows there are, what is in the padding, and what becomes of the results: for what gives images.
WINDOW_BUGS = (
    *PLACE_BUGS,
    Bug(
        "stride in the size alone",
        "the stride counts in the result's size, but not in where windows start: window i must start at pixel i * stride",
        _positions_at_stride_1,
    ),
    Bug(
        "one window too few",
        "the result is a window short along each axis: its length is (length - window) // stride + 1, and the + 1 is missing",
        _sized(lambda length, span, stride, padding: (length - span) // stride),
    ),
    Bug(
        "one window too few if pixels are left over",
        "the last window is missing where the windows end at the last pixel: range(0, length - window, stride) stops before it, "
        "it must be range(0, length - window + 1, stride)",
        _sized(lambda length, span, stride, padding: -(-(length - span) // stride)),
    ),
    Bug(
        "size divided after adding 1",
        "the result's length is computed as (length - window + 1) // stride; it is (length - window) // stride + 1",
        _sized(lambda length, span, stride, padding: (length - span + 1) // stride),
    ),
    Bug(
        "size of the image",
        "the result is made as large as the image, and what no window fills stays 0: its length is (length - window) // stride + 1",
        _sized(lambda length, span, stride, padding: length - padding),
    ),
    Bug(
        "length over stride",
        "the result's length is computed as length // stride, without regard to the window: it is (length - window) // stride + 1",
        _sized(lambda length, span, stride, padding: length // stride),
    ),
    Bug(
        "size without the stride",
        "the result's length is computed without the stride, so that zeros are left at its end: it is (length - window) // stride + 1",
        _sized(lambda length, span, stride, padding: length - span + 1),
    ),
    Bug(
        "size without the padding",
        "the result's length does not count the padding: it is (length + 2 * padding - window) // stride + 1",
        _sized(lambda length, span, stride, padding: (length - padding - span) // stride + 1),
    ),
    Bug(
        "last row and column left 0",
        "the last row and the last column of the result are never computed: a range ends too early",
        after(_last_lost),
    ),
    Bug(
        '"same" by default',
        'the image is padded though nobody asked for it, so that the result is as large as the image ("same")',
        before(_same_by_default),
    ),
    Bug("first image alone", "the first image of a batch alone is computed, the others stay 0", _only(0)),
    Bug("last image alone", "the last image of a batch alone is computed, the others stay 0", _only(-1)),
    Bug(
        "first image for all",
        "every image of a batch gets the result of the first",
        after(lambda y, **_: np.repeat(y[:1], len(y), axis=0)),
    ),
    Bug(
        "height and width exchanged",
        "height and width are exchanged: the result is transposed",
        after(lambda y, **_: y.swapaxes(1, 2)),
    ),
    Bug(
        "height and width of the result exchanged",
        "height and width of the result are exchanged in its shape: it holds the right numbers in rows of the wrong length",
        after(lambda y, **_: y.reshape(len(y), y.shape[2], y.shape[1], *y.shape[3:])),
    ),
    Bug("edges repeated", "the padding repeats the image's edge: it must add nothing, as zeros do", padded_with(mode="edge")),
    Bug("image mirrored", "the padding mirrors the image: it must add nothing, as zeros do", padded_with(mode="reflect")),
    Bug("padded with ones", "the padding is ones: it must add nothing, as zeros do", padded_with(constant_values=1.0)),
)

#: For convolutions alone: NumPy's and SciPy's own ways.
FULL = Bug(
    '"full" by default',
    'the image is padded though nobody asked for it, by all a kernel can reach ("full", the default of scipy.signal.convolve2d)',
    before(_full_by_default),
)
