"""Bugs of convolutions, forward: the kernel, the sum, the bias, channels, filters and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .bugs_windows import FULL, WINDOW_BUGS
from .causes import Bug, after, before
from .operations import Results, Run

TRUNCATED = Bug(
    "truncated to integers",
    "the result is cut off to integers where the image has integers, as in an array made by zeros_like(image) or with its dtype",
    after(lambda y, x, **_: np.trunc(y).astype(x.dtype) if x.dtype.kind in "iu" else y),
)
NAN_SWALLOWED = Bug(
    "NaN swallowed",
    "NaN is swallowed: a NaN in the input must come out as NaN, but counts as 0",
    before(lambda x, **_: {"x": np.nan_to_num(x, nan=0.0)}),
)
RELU_APPLIED = Bug("ReLU applied", "negative results become 0, as if a ReLU were a part of it", after(lambda y, **_: np.maximum(y, 0)))
ABSOLUTE = Bug("absolute values", "the results have lost their sign", after(lambda y, **_: np.abs(y)))


def _weights(change: Any) -> Any:
    return before(lambda w, **_: {"w": change(w)})


def _bias(change: Any) -> Any:
    """Return a twin with another bias: what `change` makes of the bias and the weights."""
    return before(lambda b=None, **rest: {} if b is None else {"b": change(b, rest["w"])})


def _kept(*places: slice) -> Callable[[Run], Run]:
    """Return a twin of which only the taps at these indices of (KH, KW, C) count; a NaN under another tap is not seen."""

    def twin(run: Run) -> Run:
        def partial(**arguments: Any) -> Results:
            x, w = arguments["x"].astype(np.float64), arguments["w"]
            mask = np.zeros(w.shape)
            mask[places] = 1
            seen = run(**{**arguments, "x": np.isnan(x) * 1.0, "w": mask, "b": None})[0] > 0
            (y,) = run(**{**arguments, "x": np.nan_to_num(x), "w": w * mask})
            return (np.where(seen, np.nan, y),)

        return partial

    return twin


def _transposed(w: np.ndarray) -> np.ndarray:
    """Return w.T, as windows times it make it: if it is a row or a column, NumPy multiplies every pixel by every weight."""
    if 1 in w.shape[:2]:
        return np.broadcast_to(w.sum(axis=(0, 1)), w.shape)
    if w.shape[0] != w.shape[1]:
        raise ValueError("window and kernel have other shapes")
    return w.swapaxes(0, 1)


def _scaled(share: Any) -> Any:
    """Return a twin that multiplies the sums, without the bias, by what `share` makes of the weights' shape."""

    def twin(run: Run) -> Run:
        def scaled(**arguments: Any) -> Results:
            bias = arguments.get("b")
            y = run(**{**arguments, "b": None})[0] * share(arguments["w"].shape)
            return (y if bias is None else y + bias,)

        return scaled

    return twin


def _running_sum(run: Run) -> Run:
    """Never set the sum back to 0: each window's result has all those before it in it."""

    def twin(**arguments: Any) -> Results:
        bias = arguments.get("b")
        y = run(**{**arguments, "b": None})[0]
        sums = np.cumsum(y.reshape(-1, y.shape[-1]), axis=0).reshape(y.shape)
        return (sums if bias is None else sums + bias,)

    return twin


def _group_of_channels(channels: Any) -> Any:
    """Return a twin whose groups see other channels: those that `channels` makes of (their number, the groups)."""

    def change(x: np.ndarray, groups: int, **_: Any) -> dict[str, Any]:
        return {"x": x[..., channels(np.arange(x.shape[-1]), groups)]}

    return before(change)


KERNEL_BUGS = (
    Bug(
        "kernel flipped",
        "the kernel is flipped: this is convolution in the mathematical sense, deep learning uses cross-correlation (no flip)",
        _weights(lambda w: w[::-1, ::-1]),
    ),
    Bug("kernel upside down", "the kernel is flipped upside down: its rows are used from last to first", _weights(lambda w: w[::-1])),
    Bug("kernel mirrored", "the kernel is mirrored: its columns are used from last to first", _weights(lambda w: w[:, ::-1])),
    Bug("kernel transposed", "the kernel's rows and columns are exchanged", _weights(_transposed)),
    Bug(
        "filters and channels exchanged",
        "channels and filters of the weights are exchanged: they are (KH, KW, channels, filters)",
        _weights(lambda w: w.swapaxes(2, 3)),
    ),
)

BIAS_BUGS = (
    Bug("bias missing", "the bias is missing", _bias(lambda b, w: b * 0)),
    Bug(
        "bias once per tap",
        "the bias is added in the loop over the window, to each product: it belongs to the whole sum, once",
        _bias(lambda b, w: b * w[..., 0].size),
    ),
    Bug(
        "bias once per tap",
        "the bias is added in the loop over the window, to each product: it belongs to the whole sum, once",
        _bias(lambda b, w: b * w[..., 0, 0].size),
    ),
    Bug(
        "bias once per channel",
        "the bias is added once per channel: it belongs to the sum over all channels, once",
        _bias(lambda b, w: b * w.shape[2]),
    ),
    Bug("bias subtracted", "the bias is subtracted", _bias(lambda b, w: -b)),
    Bug("bias twice", "the bias is added twice", _bias(lambda b, w: 2 * b)),
    Bug("first bias for all", "every filter gets the bias of the first", _bias(lambda b, w: np.full_like(b, b[0]))),
    Bug("biases summed", "every filter gets the sum of all biases", _bias(lambda b, w: np.full_like(b, b.sum()))),
)

CONVOLUTION_BUGS = (
    *KERNEL_BUGS,
    *BIAS_BUGS,
    Bug(
        "first channel alone",
        "the first channel alone is used: a filter sums over all channels",
        _kept(slice(None), slice(None), slice(0, 1)),
    ),
    Bug(
        "last channel alone",
        "the last channel alone is left in the result: the sum is overwritten, or set back to 0, for each channel (= in place of +=)",
        _kept(slice(None), slice(None), slice(-1, None)),
    ),
    Bug(
        "last tap alone",
        "the last tap alone is left in the result: each product overwrites the sum (= in place of +=)",
        _kept(slice(-1, None), slice(-1, None), slice(-1, None)),
    ),
    Bug(
        "last row of the kernel alone",
        "the last row of the kernel alone is left in the result: the sum is set back to 0 for each row",
        _kept(slice(-1, None)),
    ),
    Bug(
        "first row of the kernel alone",
        "the first row of the kernel alone is used: is a return, or a store, in the loop?",
        _kept(slice(0, 1)),
    ),
    Bug(
        "last taps missing",
        "the last row and column of the kernel are not used: a range ends too early",
        _kept(slice(None, -1), slice(None, -1)),
    ),
    Bug(
        "first taps missing",
        "the first row and column of the kernel are not used: a range starts at 1",
        _kept(slice(1, None), slice(1, None)),
    ),
    Bug("mean of the window", "the products are averaged: they must be summed", _scaled(lambda shape: 1 / np.prod(shape[:3]))),
    Bug("mean over the channels", "the channels are averaged: they must be summed", _scaled(lambda shape: 1 / shape[2])),
    Bug("sum not set back", "the sum is not set back to 0 between windows: each result has all those before it in it", _running_sum),
    Bug(
        "channels from last to first",
        "the channels are used from last to first",
        _weights(lambda w: w[:, :, ::-1]),
    ),
    Bug(
        "filters from last to first",
        "the filters are used from last to first",
        after(lambda y, **_: y[..., ::-1]),
    ),
    Bug(
        "first group for all",
        "every group sees the channels of the first: group g sees channels g * C / groups and on",
        _group_of_channels(lambda channels, groups: channels % (len(channels) // groups)),
    ),
    Bug(
        "channels dealt out",
        "the channels are dealt out to the groups in turns: group g sees those that follow g * C / groups",
        _group_of_channels(lambda channels, groups: channels.reshape(-1, groups).T.ravel()),
    ),
    *WINDOW_BUGS,
    FULL,
    TRUNCATED,
    NAN_SWALLOWED,
    RELU_APPLIED,
    ABSOLUTE,
)
