"""Bugs of what works on numbers and rows: dense layers, ReLU, softmax, cross-entropy; and of windows laid out in rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .bugs_convolution import BIAS_BUGS, NAN_SWALLOWED, RELU_APPLIED, TRUNCATED
from .bugs_gradients import overwritten
from .bugs_windows import PLACE_BUGS, WINDOW_BUGS
from .causes import Bug, after, before, instead
from .operations import Results, Run

# --- Dense layers and ReLU ------------------------------------------------------------------------------------------------

DENSE_BUGS = (
    *BIAS_BUGS,
    Bug("w transposed", "the weights are transposed: w is (inputs, outputs), and y is x @ w", before(lambda w, **_: {"w": w.T})),
    Bug("activation ignored", "the activation is ignored", before(lambda **_: {"activation": None})),
    Bug("first row for all", "every row of the batch gets the result of the first", after(lambda y, **_: np.repeat(y[:1], len(y), axis=0))),
    TRUNCATED,
    RELU_APPLIED,
)

RELU_BUGS = (
    Bug("nothing done", "the input comes back as it is", instead(lambda x: x)),
    Bug("absolute value", "negative numbers lose their sign: they must become 0", instead(lambda x: np.abs(x))),
    Bug(
        "the wrong half",
        "negative numbers are kept and positive ones become 0: it must be the other way round",
        instead(lambda x: np.minimum(x, 0)),
    ),
    Bug("step", "positive numbers become 1: they must be kept", instead(lambda x: (x > 0) * 1.0)),
    Bug(
        "leaky by 0.01",
        "negative numbers are multiplied by 0.01 (a leaky ReLU): they must become 0",
        instead(lambda x: np.where(x < 0, 0.01 * x, x)),
    ),
    Bug(
        "leaky by 0.1",
        "negative numbers are multiplied by 0.1 (a leaky ReLU): they must become 0",
        instead(lambda x: np.where(x < 0, 0.1 * x, x)),
    ),
    Bug("cut off at 1", "numbers above 1 become 1: they must be kept", after(lambda y, **_: np.minimum(y, 1))),
    Bug("cut off at 6", "numbers above 6 become 6 (ReLU6): they must be kept", after(lambda y, **_: np.minimum(y, 6))),
    Bug("sign changed", "positive numbers change their sign", after(lambda y, **_: -y)),
    NAN_SWALLOWED,
)

RELU_GRADIENT_BUGS = (
    Bug("at 0", "dy passes where y is 0 too: the gradient at 0 is 0 (>= in place of >)", instead(lambda dy, y: np.where(y >= 0, dy, 0))),
    Bug("mask of dy", "the sign of dy decides where it passes: that of y must", instead(lambda dy, y: np.maximum(dy, 0))),
    Bug("mask of dy too", "negative dy is lost: the sign of y alone decides where dy passes", after(lambda dx, **_: np.maximum(dx, 0))),
    Bug("mask inverted", "dy passes where it must not, and not where it must", instead(lambda dy, y: np.where(y > 0, 0, dy))),
    Bug(
        "the mask alone",
        "the result is the mask of 0 and 1 alone: it must be multiplied by dy (the chain rule)",
        before(lambda dy, **_: {"dy": np.ones(dy.shape)}),
    ),
    Bug("nothing done", "dy comes back as it is", instead(lambda dy, y: dy)),
    Bug("times y", "dy is multiplied by y: it must be multiplied by 1 where y is positive", instead(lambda dy, y: dy * y)),
)

# --- Softmax --------------------------------------------------------------------------------------------------------------


def _softmax(x: np.ndarray, shift: Any, axis: int | None) -> np.ndarray:
    powers = np.exp(x - shift)
    return powers / powers.sum(axis=axis, keepdims=True)


def _on_rows(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Run], Run]:
    """Return a twin that makes of (N, K), the classes last, what `change` does."""

    def compute(x: np.ndarray, axis: int) -> np.ndarray:
        return np.moveaxis(change(np.moveaxis(x.astype(np.float64), axis, -1)), -1, axis)

    return instead(compute)


SOFTMAX_BUGS = (
    Bug(
        "overflow",
        "exp overflows for large numbers, and Inf / Inf is NaN: subtract the largest number of the row first",
        _on_rows(lambda x: _softmax(x, 0, -1)),
    ),
    Bug(
        "one maximum for all rows",
        "the largest number of the whole array is subtracted, not that of each row: rows far below it become 0 / 0",
        _on_rows(lambda x: _softmax(x, x.max(), -1)),
    ),
    Bug(
        "one sum for all rows",
        "the sum runs over the whole batch: each row must add up to 1",
        _on_rows(lambda x: _softmax(x, x.max(), None)),
    ),
    Bug(
        "one sum for all rows, overflow",
        "the sum runs over the whole batch, where each row must add up to 1; and exp overflows for large numbers",
        _on_rows(lambda x: _softmax(x, 0, None)),
    ),
    Bug("wrong axis", "the sum runs over the wrong axis", _on_rows(lambda x: _softmax(x, x.max(axis=0), 0))),
    Bug(
        "wrong axis, overflow",
        "the sum runs over the wrong axis, and exp overflows for large numbers",
        _on_rows(lambda x: _softmax(x, 0, 0)),
    ),
    Bug("axis ignored", "the axis is ignored: it is always the last", before(lambda **_: {"axis": -1})),
    Bug("without exp", "the numbers are divided by their sum, without exp", _on_rows(lambda x: x / x.sum(axis=-1, keepdims=True))),
    Bug("exp alone", "exp is not divided by the row's sum", _on_rows(np.exp)),
    Bug(
        "exp alone, of what is below the maximum",
        "exp(x - max) is not divided by the row's sum",
        _on_rows(lambda x: np.exp(x - x.max(axis=-1, keepdims=True))),
    ),
    Bug("logarithm", "the result is the logarithm of the softmax", after(lambda p, **_: np.log(p))),
    Bug(
        "of negative numbers",
        "the smallest number gets the largest share: a sign is wrong",
        before(lambda x, **_: {"x": -x.astype(np.float64)}),
    ),
    Bug("sigmoid", "each number is taken for itself: this is the sigmoid", _on_rows(lambda x: 1 / (1 + np.exp(-x)))),
)


def _loss(change: Callable[..., float]) -> Callable[[Run], Run]:
    """Return a twin with another loss: what `change` makes of the probabilities of the right classes, and of the logits and labels."""

    def spoiled(loss: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float:
        p = _softmax(logits.astype(np.float64), logits.max(axis=-1, keepdims=True), -1)
        return change(p, logits, labels)

    return after(spoiled)


def _picked(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return rows[np.arange(len(rows)), labels]


CROSS_ENTROPY_BUGS = (
    Bug("summed", "the loss is summed over the batch: it must be the mean", after(lambda loss, labels, **_: loss * len(labels))),
    Bug("sign", "the minus of -log is missing", after(lambda loss, **_: -loss)),
    Bug(
        "overflow",
        "exp overflows for large numbers: subtract the largest number of the row first",
        lambda run: after(lambda d, logits, labels: _slopes(_softmax(logits.astype(np.float64), 0, -1), labels), 1)(
            _loss(lambda p, logits, labels: -np.log(_picked(_softmax(logits.astype(np.float64), 0, -1), labels)).mean())(run)
        ),
    ),
    Bug(
        "logarithm of 0",
        "the logarithm of a probability that is rounded to 0 is -Inf: take log(sum(exp(x - max))) - (x[label] - max)",
        _loss(lambda p, logits, labels: -np.log(_picked(p, labels)).mean()),
    ),
    Bug("logarithm to base 2", "the logarithm is that to base 2: it must be the natural one", after(lambda loss, **_: loss / np.log(2))),
    Bug("logarithm to base 10", "the logarithm is that to base 10: it must be the natural one", after(lambda loss, **_: loss / np.log(10))),
    Bug(
        "logits taken for probabilities",
        "the logits are taken for probabilities: there is no softmax",
        _loss(lambda p, logits, labels: -np.log(_picked(logits.astype(np.float64), labels)).mean()),
    ),
    Bug("probability in place of its logarithm", "the logarithm is missing", _loss(lambda p, logits, labels: -_picked(p, labels).mean())),
    Bug("gradient not averaged", "dlogits is not divided by the size of the batch, as the loss is", after(lambda d, **_: d * len(d), 1)),
    Bug("gradient's sign", "dlogits has the wrong sign: it is (p - one_hot) / N", after(lambda d, **_: -d, 1)),
    Bug(
        "1 not subtracted",
        "the 1 at the right class is not subtracted from dlogits: it is (p - one_hot) / N",
        after(lambda d, logits, labels: d + np.eye(logits.shape[1])[labels] / len(d), 1),
    ),
)


def _slopes(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (p - np.eye(p.shape[1])[labels]) / len(p)


# --- Windows in rows ------------------------------------------------------------------------------------------------------


def _columns(change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Return the change of the last axis of `cols` that `change` makes of it as (..., KH, KW, C)."""

    def columns(cols: np.ndarray, x: np.ndarray, kernel_size: tuple[int, int], **_: Any) -> np.ndarray:
        return change(cols.reshape(*cols.shape[:-1], *kernel_size, x.shape[-1])).reshape(cols.shape)

    return columns


_ORDERS: tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...] = (
    (
        "channels first in a row",
        "the numbers of a window are in the order (c, kh, kw): it must be (kh, kw, c)",
        lambda a: np.moveaxis(a, -1, -3),
    ),
    ("columns first in a row", "the taps of a window are in the order (kw, kh): it must be (kh, kw)", lambda a: a.swapaxes(-2, -3)),
    ("window flipped", "the taps of a window run from last to first", lambda a: a[..., ::-1, ::-1, :]),
)

IM2COL_BUGS = (
    *(Bug(name, sentence, after(_columns(change))) for name, sentence, change in _ORDERS),
    Bug(
        "one row for each window",
        "the windows of all images lie along one axis, (N * OH * OW, KH * KW * C): it must be (N, OH, OW, KH * KW * C)",
        after(lambda cols, **_: cols.reshape(-1, cols.shape[-1])),
    ),
    Bug(
        "one row for each window of an image",
        "the windows of an image lie along one axis, (OH * OW, KH * KW * C): it must be (OH, OW, KH * KW * C)",
        after(lambda cols, **_: cols.reshape(len(cols), -1, cols.shape[-1])),
    ),
    Bug(
        "one column for each window",
        "each window is a column, (KH * KW * C, OH * OW): it must be (OH, OW, KH * KW * C)",
        after(lambda cols, **_: cols.reshape(len(cols), -1, cols.shape[-1]).swapaxes(1, 2)),
    ),
    *WINDOW_BUGS,
    TRUNCATED,
)


def _from_columns(change: Callable[..., np.ndarray]) -> Callable[[Run], Run]:
    return before(lambda **arguments: {"cols": change(**arguments)})


def _averaged(run: Run) -> Run:
    def twin(**arguments: Any) -> Results:
        counts = run(**{**arguments, "cols": np.ones(arguments["cols"].shape)})[0]
        return (run(**arguments)[0] / np.maximum(counts, 1),)

    return twin


COL2IM_BUGS = (
    Bug(
        "overwritten",
        "where windows overlap, each overwrites what the others gave: it must be added (= in place of +=)",
        overwritten("cols"),
    ),
    Bug("averaged", "where windows overlap, their numbers are averaged: they must be added", _averaged),
    *(Bug(name, sentence, _from_columns(_columns(change))) for name, sentence, change in _ORDERS),
    *PLACE_BUGS,
)
