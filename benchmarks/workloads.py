"""What is measured: the layers in ``shapes/*.txt``, arrays of their shapes, and what the results must be.

The results are found by NumPy, one tap of the kernel after the other: a matrix product of the pixels under that tap, or its transpose.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

SHAPES = Path(__file__).with_name("shapes")
OPS = ("forward", "input gradient", "weight gradient")


class Layer(NamedTuple):
    """A line of a file of shapes: N images of H x W pixels and C channels, F filters of K x K taps, as convolved."""

    name: str
    n: int
    h: int
    w: int
    c: int
    f: int
    k: int
    stride: int
    padding: int
    groups: int

    @property
    def is_dense(self) -> bool:
        """Whether it is a dense layer: one tap on one pixel."""
        return (self.h, self.w, self.k) == (1, 1, 1)

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """The result's shape, (N, OH, OW, F)."""
        oh, ow = ((size + 2 * self.padding - self.k) // self.stride + 1 for size in (self.h, self.w))
        return self.n, oh, ow, self.f

    @property
    def output_padding(self) -> tuple[int, int]:
        """The rows and columns of the input that no window reaches, which only a transposed convolution must be told."""
        rows, columns = ((size + 2 * self.padding - self.k) % self.stride for size in (self.h, self.w))
        return rows, columns

    @property
    def flops(self) -> int:
        """The multiplications and additions of any of the three operations, done directly, on padding too."""
        return 2 * int(np.prod(self.y_shape)) * self.k * self.k * (self.c // self.groups)

    def terms(self, op: str) -> int:
        """The products in a sum of the result of `op`, at most."""
        n, oh, ow, f = self.y_shape
        channels = {"forward": self.c, "input gradient": f}
        return n * oh * ow if op == "weight gradient" else self.k * self.k * (channels[op] // self.groups)

    def __str__(self) -> str:
        """Return the shape in words: "8x56x56x64, 64 of 3x3, stride 1"."""
        return f"{self.n}x{self.h}x{self.w}x{self.c}, {self.f} of {self.k}x{self.k}, stride {self.stride}"


def read_layers(path: Path) -> list[Layer]:
    """Return the layers in the file at `path`, each with the file's name before its own."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    return [Layer(f"{path.stem}/{name}", *map(int, numbers)) for name, *numbers in lines]


class Arrays(NamedTuple):
    """Random signed float32 arrays for a layer: x (N, H, W, C), w (K, K, C // groups, F), b (F,) and dy (N, OH, OW, F)."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    dy: np.ndarray


@functools.lru_cache(maxsize=1)
def arrays(layer: Layer) -> Arrays:
    """Return the arrays for `layer`, the same every time."""
    rng = np.random.default_rng(1)
    shapes = (layer.n, layer.h, layer.w, layer.c), (layer.k, layer.k, layer.c // layer.groups, layer.f), (layer.f,), layer.y_shape
    return Arrays(*(rng.standard_normal(shape, np.float32) for shape in shapes))


@functools.lru_cache(maxsize=len(OPS))
def expected(layer: Layer, op: str) -> np.ndarray:
    """Return what `op` makes of the arrays for `layer`."""
    x, w, b, dy = arrays(layer)
    margin = (layer.padding, layer.padding)
    padded = np.pad(x, ((0, 0), margin, margin, (0, 0)))
    y, dx, dw = np.zeros_like(dy), np.zeros_like(padded), np.zeros_like(w)
    for kh, kw, channels, filters in _taps(layer):
        rows, columns = (slice(tap, tap + (out - 1) * layer.stride + 1, layer.stride) for tap, out in ((kh, y.shape[1]), (kw, y.shape[2])))
        pixels = padded[:, rows, columns, channels]
        if op == "forward":
            y[..., filters] += pixels @ w[kh, kw, :, filters]
        elif op == "input gradient":
            dx[:, rows, columns, channels] += dy[..., filters] @ w[kh, kw, :, filters].T
        else:
            dw[kh, kw, :, filters] = np.tensordot(pixels, dy[..., filters], axes=((0, 1, 2), (0, 1, 2)))
    inside = slice(layer.padding, layer.padding + layer.h), slice(layer.padding, layer.padding + layer.w)
    return {"forward": y + b, "input gradient": dx[:, *inside], "weight gradient": dw}[op]


def _taps(layer: Layer) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield every tap of the kernel with the channels and the filters of every group."""
    channels, filters = layer.c // layer.groups, layer.f // layer.groups
    for kh, kw, group in np.ndindex(layer.k, layer.k, layer.groups):
        yield kh, kw, slice(group * channels, (group + 1) * channels), slice(group * filters, (group + 1) * filters)
