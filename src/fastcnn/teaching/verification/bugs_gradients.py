"""Bugs of gradients: of convolutions, of dense layers, of pooling, and of what is laid out in rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcnn import reference
from fastcnn.reference.windows import pool_axes

from .bugs_windows import PLACE_BUGS, Paddings, Pair
from .causes import Bug, after, before
from .operations import Results, Run

DX, DW, DB = range(3)


def _part(result: int, change: Callable[..., dict[str, Any]]) -> Callable[[Run], Run]:
    """Return a twin one of whose results comes of other arguments: those that `change` makes of them all."""

    def twin(run: Run) -> Run:
        def partly(**arguments: Any) -> Results:
            results, others = [*run(**arguments)], run(**{**arguments, **change(**arguments)})
            results[result] = others[result]
            return tuple(results)

        return partly

    return twin


def _images(kept: slice) -> Callable[..., dict[str, Any]]:
    return lambda dy, x, **_: {"dy": dy[kept], "x": x[kept]}


def overwritten(source: str) -> Callable[[Run], Run]:
    """Return a twin in which each window overwrites what those before it left, in place of adding to it; `source` is what is spread."""

    def twin(run: Run) -> Run:
        def overwriting(**arguments: Any) -> Results:
            given = arguments[source]
            result, *others = run(**arguments)
            result = np.zeros(result.shape)
            ones = {"w": np.ones(arguments["w"].shape)} if "w" in arguments else {}
            for window in np.ndindex(given.shape[:3]):
                alone = np.zeros(given.shape, bool)
                alone[window] = True
                touched = run(**{**arguments, **ones, source: alone * 1.0})[0] != 0
                result = np.where(touched, run(**{**arguments, source: np.where(alone, given, 0.0)})[0], result)
            return result, *others

        return overwriting

    return twin


def _last_window(dy: np.ndarray, **_: Any) -> dict[str, Any]:
    last = np.zeros(dy.shape)
    last[-1, -1, -1] = dy[-1, -1, -1]
    return {"dy": last}


def _with_padding(run: Run) -> Run:
    """Leave the padding around dx."""

    def twin(**arguments: Any) -> Results:
        padding = arguments["padding"]
        x = np.pad(arguments["x"].astype(np.float64), ((0, 0), *padding, (0, 0)))
        padded = run(**{**arguments, "x": x, "padding": ((0, 0), (0, 0))})
        return padded[0], *run(**arguments)[1:]

    return twin


def _exchanged(run: Run) -> Run:
    def twin(**arguments: Any) -> Results:
        dx, dw, *others = run(**arguments)
        return dw, dx, *others

    return twin


_ONES = Bug(
    "dy taken for ones",
    "dy is taken for ones: the gradient must be multiplied by it (the chain rule)",
    before(lambda dy, **_: {"dy": np.ones(dy.shape)}),
)
_NEGATED = Bug("wrong sign", "the gradient has the wrong sign", before(lambda dy, **_: {"dy": -dy}))
_OVERWRITTEN = Bug(
    "dx overwritten",
    "where windows overlap, each overwrites what the others gave to dx: it must be added (= in place of +=)",
    overwritten("dy"),
)

#: Gradients with respect to an input, weights and a bias.
_WEIGHT_BUGS = (
    _ONES,
    _NEGATED,
    Bug("dw of the last image", "dw is that of the last image: it must be summed over the batch", _part(DW, _images(slice(-1, None)))),
    Bug("dw of the first image", "dw is that of the first image: it must be summed over the batch", _part(DW, _images(slice(0, 1)))),
    Bug(
        "dw and db of the last image",
        "dw and db are those of the last image: they must be summed over the batch",
        lambda run: _part(DB, _images(slice(-1, None)))(_part(DW, _images(slice(-1, None)))(run)),
    ),
    Bug(
        "dw and db averaged",
        "dw and db are averaged over the batch: they must be summed, for a mean is the loss's business and already in dy",
        lambda run: after(lambda db, dy, **_: db / len(dy), DB)(after(lambda dw, dy, **_: dw / len(dy), DW)(run)),
    ),
    Bug("dw averaged", "dw is averaged over the batch: it must be summed", after(lambda dw, dy, **_: dw / len(dy), DW)),
    Bug("all averaged", "all gradients are divided by the size of the batch", before(lambda dy, **_: {"dy": dy / len(dy)})),
    Bug("db of the last image", "db is that of the last image: it must be summed over the batch", _part(DB, _images(slice(-1, None)))),
    Bug("db averaged over the batch", "db is averaged over the batch: it must be summed", after(lambda db, dy, **_: db / len(dy), DB)),
    Bug(
        "db averaged",
        "db is the mean of dy: it must be its sum",
        after(lambda db, dy, **_: dy.mean(axis=tuple(range(dy.ndim - 1))), DB),
    ),
    Bug("db not summed", "db is dy itself: it must be summed over all but the last axis", after(lambda db, dy, **_: dy, DB)),
    Bug("db for each image", "db is not summed over the batch", after(lambda db, dy, **_: dy.sum(axis=tuple(range(1, dy.ndim - 1))), DB)),
    Bug("db one number", "db is one number, the sum of all dy: there is one for each filter", after(lambda db, dy, **_: dy.sum(), DB)),
    Bug("dx and dw exchanged", "dx and dw are returned in the wrong order: it is dx, dw, db", _exchanged),
    Bug("dw with all axes reversed", "dw is transposed", after(lambda dw, **_: dw.T, DW)),
)

CONVOLUTION_GRADIENT_BUGS = (
    *_WEIGHT_BUGS,
    Bug(
        "dx with the kernel flipped",
        "dx has the kernel the wrong way round: x[i] got w[k] into y[i - k], so dx is dy convolved with the kernel that is flipped "
        "relative to the forward's (once more, or once less)",
        _part(DX, lambda w, **_: {"w": w[::-1, ::-1]}),
    ),
    Bug("dw flipped", "dw is flipped: its rows and columns run from last to first", after(lambda dw, **_: dw[::-1, ::-1], DW)),
    Bug("dw transposed", "rows and columns of dw are exchanged", after(lambda dw, **_: dw.swapaxes(0, 1), DW)),
    Bug(
        "dw of the last window",
        "dw is that of the last window: each overwrites those before (= in place of +=)",
        _part(DW, _last_window),
    ),
    Bug(
        "db of the last window",
        "db is the last dy: each overwrites those before (= in place of +=)",
        _part(DB, _last_window),
    ),
    _OVERWRITTEN,
    Bug("padding not cut off", "dx still has the padding around it: cut it off", _with_padding),
    *PLACE_BUGS,
)

DENSE_GRADIENT_BUGS = (
    *_WEIGHT_BUGS,
    Bug("dx without the transpose", "dx is dy @ w: it must be dy @ w.T", _part(DX, lambda w, **_: {"w": w.T})),
)


def _ties(share: Callable[[int], list[float]]) -> Callable[[Run], Run]:
    """Return a twin that gives dy to all pixels as large as the winner: to each the share that `share` makes of their number."""

    def twin(run: Run) -> Run:
        del run

        def shared(
            *, dy: np.ndarray, x: np.ndarray, pool_size: Pair, stride: Pair, padding: Paddings, dilation: Pair, ceil_mode: bool
        ) -> Results:
            height, width = pool_axes(x.shape, pool_size, stride, dilation, padding, ceil_mode)
            dx = np.zeros(x.shape)
            for n, oh, ow, c in np.ndindex(dy.shape):
                pixels = [(n, h, w, c) for h in height.pixels(oh) for w in width.pixels(ow)]
                largest = max(x[pixel] for pixel in pixels)
                winners = [pixel for pixel in pixels if x[pixel] == largest]
                for pixel, part in zip(winners, share(len(winners)), strict=True):
                    dx[pixel] += dy[n, oh, ow, c] * part
            return (dx,)

        return shared

    return twin


def _whole_window(share: bool) -> Callable[[Run], Run]:
    """Return a twin that gives dy to every pixel of its window: all of it, or a share."""

    def twin(run: Run) -> Run:
        del run

        def spread(
            *, dy: np.ndarray, x: np.ndarray, pool_size: Pair, stride: Pair, padding: Paddings, ceil_mode: bool, **_: Any
        ) -> Results:
            count = 1 if share else np.prod(pool_size)
            options: dict[str, Any] = {"padding": padding, "ceil_mode": ceil_mode, "count_include_pad": not share}
            return (reference.avg_pool2d_backward(dy * count, x.shape, pool_size, stride, **options),)

        return spread

    return twin


_POOL_ARGUMENT_BUGS = (
    Bug("stride as the window", "the stride is ignored: windows lie side by side", before(lambda pool_size, **_: {"stride": pool_size})),
    Bug(
        "window as the stride",
        "the window's size is ignored: windows are as large as the stride",
        before(lambda stride, **_: {"pool_size": stride}),
    ),
    *PLACE_BUGS,
)

MAX_POOL_GRADIENT_BUGS = (
    Bug(
        "all equal pixels",
        "of equal pixels, all get dy: one alone may, the first (as where a mask x == max is used)",
        _ties(lambda count: [1.0] * count),
    ),
    Bug("equal pixels share", "equal pixels share dy: the first alone gets it", _ties(lambda count: [1 / count] * count)),
    Bug(
        "last of equal pixels",
        "of equal pixels the last gets dy: it must be the first (>= in place of >)",
        _ties(lambda count: [0.0] * (count - 1) + [1.0]),
    ),
    Bug("whole window", "every pixel of a window gets dy: the winner alone may", _whole_window(share=False)),
    Bug(
        "whole window shares", "all pixels of a window share dy, as in average pooling: the winner alone gets it", _whole_window(share=True)
    ),
    Bug(
        "times x", "dy is multiplied by the winner's value: the gradient of a maximum is 1 at the winner", after(lambda dx, x, **_: dx * x)
    ),
    _ONES,
    _NEGATED,
    _OVERWRITTEN,
    *_POOL_ARGUMENT_BUGS,
)

AVG_POOL_GRADIENT_BUGS = (
    Bug("not divided", "dy is not divided by the number of the window's pixels", _whole_window(share=False)),
    Bug(
        "divided by one side",
        "dy is divided by the window's length, not by the number of its pixels: length * length",
        before(lambda dy, pool_size, **_: {"dy": dy * pool_size[0]}),
    ),
    Bug(
        "padding counted",
        "the padding counts as pixels of the mean: it must not, unless count_include_pad is true",
        before(lambda **_: {"count_include_pad": True}),
    ),
    Bug("count_include_pad ignored", "count_include_pad is ignored", before(lambda **_: {"count_include_pad": False})),
    _ONES,
    _NEGATED,
    _OVERWRITTEN,
    *_POOL_ARGUMENT_BUGS,
)
