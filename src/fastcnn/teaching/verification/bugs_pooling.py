"""Bugs of pooling, forward: what is made of a window, and of how many pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcnn import reference

from .bugs_convolution import ABSOLUTE, NAN_SWALLOWED, RELU_APPLIED, TRUNCATED
from .bugs_windows import WINDOW_BUGS, Paddings, Pair, padded_with
from .causes import Bug, after, before, instead
from .operations import Results, Run


def _smaller_windows(change: Callable[[int], int]) -> Callable[[Run], Run]:
    """Return a twin with smaller windows, of which there are as many."""

    def twin(run: Run) -> Run:
        def smaller(**arguments: Any) -> Results:
            height, width = run(**arguments)[0].shape[1:3]
            size = tuple(map(change, arguments["pool_size"]))
            return (run(**{**arguments, "pool_size": size})[0][:, :height, :width],)

        return smaller

    return twin


def _larger_windows(pool_size: Pair, padding: Paddings, **_: Any) -> dict[str, Any]:
    """Make windows a pixel larger, cut off at the image's edge."""
    return {"pool_size": tuple(length + 1 for length in pool_size), "padding": tuple((before, after + 1) for before, after in padding)}


def _mean(x: np.ndarray, pool_size: Pair, stride: Pair, padding: Paddings, ceil_mode: bool, **_: Any) -> Any:
    return reference.avg_pool2d(x, pool_size, stride, padding=padding, ceil_mode=ceil_mode)


def _maximum(x: np.ndarray, pool_size: Pair, stride: Pair, padding: Paddings, ceil_mode: bool, **_: Any) -> Any:
    return reference.max_pool2d(x, pool_size, stride, padding=padding, ceil_mode=ceil_mode)


def _sum(**arguments: Any) -> Any:
    return _mean(**arguments) * _pixels(**arguments)


def _pixels(x: np.ndarray, pool_size: Pair, **rest: Any) -> Any:
    """Return how many pixels of the image each window has."""
    arguments = {name: rest[name] for name in ("stride", "padding", "ceil_mode")}
    return np.prod(pool_size) * reference.avg_pool2d(np.ones(x.shape), pool_size, **arguments, count_include_pad=True)


def _mean_of_numbers(run: Run) -> Run:
    """Leave NaN out, as numpy.nanmean does."""

    def twin(**arguments: Any) -> Results:
        nan = np.isnan(arguments["x"])
        sums, shares = (run(**{**arguments, "x": x})[0] for x in (np.where(nan, 0, arguments["x"]), 1.0 - nan))
        return (sums / shares,)

    return twin


_POOL_BUGS = (
    Bug(
        "window too small",
        "the last row and column of each window are not looked at: a range or a slice ends too early",
        _smaller_windows(lambda length: max(length - 1, 1)),
    ),
    Bug("window too large", "each window has a row and a column too many: a range or a slice ends too late", before(_larger_windows)),
    Bug("first pixel", "the first pixel of each window is the result", _smaller_windows(lambda length: 1)),
    Bug(
        "stride as the window",
        "the stride is ignored: windows lie side by side, as if the stride were the window's size",
        before(lambda pool_size, **_: {"stride": pool_size}),
    ),
    Bug(
        "window as the stride",
        "the window's size is ignored: windows are as large as the stride",
        before(lambda stride, **_: {"pool_size": stride}),
    ),
    Bug("stride always 2", "the stride is always 2", before(lambda **_: {"stride": (2, 2)})),
    Bug("window always 2", "the window is always 2 x 2", before(lambda **_: {"pool_size": (2, 2)})),
    Bug(
        "window's sides exchanged",
        "height and width of the window are exchanged",
        before(lambda pool_size, **_: {"pool_size": pool_size[::-1]}),
    ),
    Bug(
        "windows cut off at the edge",
        "a window that hangs over the image's edge counts, cut off: without ceil_mode there is none",
        before(lambda **_: {"ceil_mode": True}),
    ),
    Bug("ceil_mode ignored", "ceil_mode is ignored", before(lambda **_: {"ceil_mode": False})),
    Bug(
        "first channel for all",
        "every channel gets the result of the first",
        after(lambda y, **_: np.repeat(y[..., :1], y.shape[-1], axis=-1)),
    ),
    *WINDOW_BUGS,
    TRUNCATED,
)

MAX_POOL_BUGS = (
    Bug(
        "starts from 0",
        "the maximum starts from 0, which wins where all pixels are negative: start from -inf, or from the window's first pixel",
        RELU_APPLIED.twin,
    ),
    Bug(
        "padding wins",
        "the padding, as zeros, wins over negative pixels: it must never win, pad with -inf",
        padded_with(constant_values=0.0),
    ),
    Bug(
        "minimum",
        "the smallest pixel wins, not the largest",
        lambda run: after(lambda y, **_: -y)(before(lambda x, **_: {"x": -x.astype(np.float64)})(run)),
    ),
    Bug("mean", "the mean is taken, not the maximum", instead(_mean)),
    Bug("sum", "the sum is taken, not the maximum", instead(_sum)),
    Bug(
        "largest without sign",
        "the largest pixel without regard to its sign wins",
        before(lambda x, **_: {"x": np.abs(x.astype(np.float64))}),
    ),
    Bug(
        "maximum over the channels",
        "the maximum is taken over the channels too: every channel has its own",
        after(lambda y, **_: np.broadcast_to(y.max(axis=-1, keepdims=True), y.shape)),
    ),
    Bug(
        "maximum over the batch",
        "the maximum is taken over the images of the batch too",
        after(lambda y, **_: np.broadcast_to(y.max(axis=0), y.shape)),
    ),
    Bug(
        "NaN swallowed",
        "NaN is swallowed: nothing is larger than NaN, so that a comparison passes it over; it must win over everything",
        before(lambda x, **_: {"x": np.where(np.isnan(x), -np.inf, x)}),
    ),
    *_POOL_BUGS,
    ABSOLUTE,
)

AVG_POOL_BUGS = (
    Bug("not divided", "the sum is not divided by the number of pixels", instead(_sum)),
    Bug(
        "divided by one side",
        "the sum is divided by the window's length, not by the number of its pixels: length * length",
        instead(lambda pool_size, **rest: _sum(pool_size=pool_size, **rest) / pool_size[0]),
    ),
    Bug(
        "divided by the stride",
        "the sum is divided by stride * stride, not by the number of the window's pixels",
        instead(lambda stride, **rest: _sum(stride=stride, **rest) / np.prod(stride)),
    ),
    Bug("divided by 4", "the sum is always divided by 4, whatever the window's size", instead(lambda **arguments: _sum(**arguments) / 4)),
    Bug(
        "padding counted",
        "the padding counts as pixels in the mean: it must not, unless count_include_pad is true",
        before(lambda **_: {"count_include_pad": True}),
    ),
    Bug("count_include_pad ignored", "count_include_pad is ignored", before(lambda **_: {"count_include_pad": False})),
    Bug("maximum", "the maximum is taken, not the mean", instead(_maximum)),
    Bug(
        "integer division",
        "the sum of integers is divided by // and loses its fraction: use /",
        after(lambda y, x, **_: np.floor(y) if x.dtype.kind in "iu" else y),
    ),
    Bug(
        "mean of the means",
        "the mean is taken over the channels too",
        after(lambda y, **_: np.broadcast_to(y.mean(axis=-1, keepdims=True), y.shape)),
    ),
    Bug("NaN left out", "NaN is left out of the mean, as by numpy.nanmean: it must come out as NaN", _mean_of_numbers),
    NAN_SWALLOWED,
    *_POOL_BUGS,
    RELU_APPLIED,
    ABSOLUTE,
)
