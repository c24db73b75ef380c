"""What the cases are about: the shapes, with all axes, the options, and the kind of numbers, from the simplest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .operations import Operation

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Spec:
    """A case before its form is known: shapes with all axes."""

    title: str
    shapes: Mapping[str, Shape]
    options: Mapping[str, Any]
    numbers: str = "plain"
    optional: bool = False
    needs: frozenset[str] = frozenset()


def _spec(title: str, numbers: str = "plain", optional: bool = False, needs: str = "", *, shapes: dict[str, Shape], **options: Any) -> Spec:
    return Spec(title, shapes, options, numbers, optional, frozenset(needs.split()))


def _conv_specs(gradient: bool) -> Iterator[Spec]:
    def one(title: str, x: Shape, w: Shape, *how: Any, bias: bool = False, **options: Any) -> Spec:
        return _spec(title, *how, shapes={"x": x, "w": w, **({"b": w[-1:]} if bias else {})}, **options)

    yield one("one pixel, one tap", (1, 1, 1, 1), (1, 1, 1, 1))
    yield one("one tap", (1, 2, 3, 1), (1, 1, 1, 1))
    yield one("a square image and kernel", (1, 3, 3, 1), (2, 2, 1, 1))
    yield one("a kernel as large as the image", (1, 3, 2, 1), (3, 2, 1, 1))
    yield one("neither image nor kernel square", (1, 4, 6, 1), (2, 3, 1, 1))
    yield one("a tall kernel on a tall image", (1, 6, 4, 1), (3, 1, 1, 1))
    yield one("negative numbers", (1, 3, 4, 1), (2, 2, 1, 1), "negative")
    if not gradient:
        yield one("a bias", (1, 3, 4, 1), (2, 2, 1, 1), "plain", False, "b", bias=True)
    yield one("stride 2", (1, 5, 7, 1), (3, 3, 1, 1), stride=2)
    yield one("stride 2 with pixels left over", (1, 6, 5, 1), (3, 2, 1, 1), stride=2)
    yield one("stride 3, more than the kernel", (1, 7, 8, 1), (2, 2, 1, 1), stride=3)
    yield one("padding", (1, 3, 4, 1), (3, 3, 1, 1), padding=1)
    yield one("padding 2 and an even kernel", (1, 3, 2, 1), (2, 4, 1, 1), padding=2)
    yield one("padding and stride", (1, 5, 4, 1), (3, 3, 1, 1), padding=1, stride=2)
    yield one("dilation", (1, 5, 6, 1), (2, 3, 1, 1), dilation=2)
    yield one("dilation, stride and padding", (1, 6, 5, 1), (2, 2, 1, 1), dilation=3, stride=2, padding=1)
    yield one("channels", (1, 3, 4, 3), (2, 2, 3, 1))
    yield one("filters", (1, 3, 4, 1), (2, 2, 1, 3), bias=True)
    yield one("as many filters as channels", (1, 3, 3, 2), (2, 2, 2, 2))
    yield one("a batch", (3, 3, 4, 2), (2, 2, 2, 3), bias=True)
    yield one("groups", (1, 3, 3, 4), (2, 2, 2, 6), groups=2)
    yield one("depthwise", (2, 3, 4, 3), (2, 2, 1, 3), groups=3)
    yield one("integers", (1, 3, 4, 1), (2, 2, 1, 1), "integers", bias=True)
    yield one("float32", (1, 3, 4, 1), (2, 2, 1, 1), "float32")
    if not gradient:
        yield one("a NaN in the image", (1, 4, 4, 1), (2, 2, 1, 1), "nan")
        yield one("8-bit pixels", (1, 3, 4, 1), (2, 2, 1, 1), "bytes")
        yield one("a ReLU behind", (1, 3, 4, 1), (2, 2, 1, 1), "plain", True, activation="relu")
    yield one("a stride for each axis", (1, 6, 7, 1), (2, 2, 1, 1), "plain", True, stride=(3, 2))
    yield one("a dilation for each axis", (1, 5, 5, 1), (2, 2, 1, 1), "plain", True, dilation=(1, 3))
    yield one("a padding for each axis", (1, 3, 4, 1), (3, 3, 1, 1), "plain", True, padding=(1, 2))
    yield one('padding "same"', (1, 4, 5, 1), (3, 3, 1, 1), "plain", True, padding="same")
    yield one('padding "same", an even kernel', (1, 4, 5, 1), (2, 4, 1, 1), "plain", True, padding="same")
    yield one('padding "same", stride 2', (1, 6, 5, 1), (3, 3, 1, 1), "plain", True, padding="same", stride=2)
    yield one('padding "valid"', (1, 4, 5, 1), (2, 3, 1, 1), "plain", True, padding="valid")


def _transpose_specs() -> Iterator[Spec]:
    def one(title: str, x: Shape, w: Shape, *how: Any, bias: bool = False, **options: Any) -> Spec:
        filters = w[2] * options.get("groups", 1)
        return _spec(title, *how, shapes={"x": x, "w": w, **({"b": (filters,)} if bias else {})}, **options)

    yield one("one pixel, one tap", (1, 1, 1, 1), (1, 1, 1, 1))
    yield one("one pixel", (1, 1, 1, 1), (2, 3, 1, 1))
    yield one("neither image nor kernel square", (1, 2, 3, 1), (3, 2, 1, 1))
    yield one("a bias", (1, 2, 3, 1), (2, 2, 1, 1), "plain", False, "b", bias=True)
    yield one("stride 2", (1, 2, 3, 1), (3, 3, 1, 1), stride=2)
    yield one("stride 3, more than the kernel", (1, 2, 3, 1), (2, 2, 1, 1), stride=3)
    yield one("padding", (1, 3, 4, 1), (3, 3, 1, 1), padding=1)
    yield one("padding and stride", (1, 2, 3, 1), (3, 3, 1, 1), padding=1, stride=2)
    yield one("output padding", (1, 2, 3, 1), (3, 3, 1, 1), stride=2, output_padding=1)
    yield one("dilation", (1, 2, 3, 1), (2, 2, 1, 1), dilation=2)
    yield one("channels and filters", (1, 2, 3, 3), (2, 2, 2, 3))
    yield one("a batch", (3, 2, 3, 2), (2, 2, 3, 2), bias=True)
    yield one("groups", (1, 2, 2, 4), (2, 2, 3, 4), groups=2)


def _pool_specs(average: bool, gradient: bool) -> Iterator[Spec]:
    def one(title: str, x: Shape, *how: Any, **options: Any) -> Spec:
        return _spec(title, *(how or ("distinct",)), shapes={"x": x}, **options)

    yield one("one pixel, a window of one", (1, 1, 1, 1), pool_size=1, stride=1)
    yield one("one window", (1, 2, 2, 1), pool_size=2, stride=2)
    yield one("windows side by side", (1, 4, 6, 1), pool_size=2, stride=2)
    yield one("pixels left over", (1, 5, 3, 1), pool_size=2, stride=2)
    yield one("negative numbers", (1, 4, 4, 1), "negative", pool_size=2, stride=2)
    if not average:
        yield one("equal pixels", (1, 4, 4, 1), "ties", pool_size=2, stride=2)
        yield one("a flat image", (1, 2, 4, 1), "equal", pool_size=2, stride=2)
        yield one("equal pixels, windows that overlap", (1, 4, 5, 1), "ties", pool_size=3, stride=1)
    yield one("windows that overlap", (1, 4, 5, 1), pool_size=3, stride=1)
    yield one("windows that overlap by one", (1, 5, 7, 1), pool_size=3, stride=2)
    yield one("windows apart", (1, 7, 6, 1), pool_size=2, stride=3)
    yield one("the stride left to be the window's size", (1, 6, 7, 1), pool_size=3)
    yield one("channels", (1, 4, 4, 3), pool_size=2, stride=2)
    yield one("a batch", (3, 4, 3, 2), pool_size=2, stride=2)
    yield one("padding", (1, 4, 5, 1), pool_size=3, stride=2, padding=1)
    yield one("padding, negative numbers", (1, 4, 4, 1), "negative", pool_size=2, stride=2, padding=1)
    yield one("dilation", (1, 5, 6, 1), pool_size=2, stride=1, dilation=2)
    yield one("ceil_mode", (1, 5, 6, 1), pool_size=3, stride=2, ceil_mode=True)
    yield one("count_include_pad", (1, 4, 4, 1), pool_size=2, stride=2, padding=1, count_include_pad=True)
    yield one("integers", (1, 4, 4, 1), "integers", pool_size=2, stride=2)
    yield one("float32", (1, 4, 4, 1), "float32", pool_size=2, stride=2)
    if not gradient:
        yield one("a NaN in the image", (1, 4, 4, 1), "nan", pool_size=2, stride=2)
        yield one("8-bit pixels", (1, 4, 4, 1), "bytes", pool_size=2, stride=2)
    yield one("a window that is not square", (1, 4, 6, 1), "distinct", True, pool_size=(2, 3), stride=(2, 3))
    yield one("a stride for each axis", (1, 5, 7, 1), "distinct", True, pool_size=2, stride=(1, 3))
    yield one('padding "same"', (1, 5, 4, 1), "distinct", True, pool_size=2, stride=2, padding="same")


def _patch_specs() -> Iterator[Spec]:
    def one(title: str, x: Shape, *how: Any, **options: Any) -> Spec:
        return _spec(title, *how, shapes={"x": x}, **options)

    yield one("one pixel, one tap", (1, 1, 1, 1), kernel_size=1)
    yield one("one window", (1, 2, 2, 1), kernel_size=2)
    yield one("an image that is not square", (1, 3, 4, 1), kernel_size=2)
    yield one("stride 2", (1, 5, 7, 1), kernel_size=3, stride=2)
    yield one("padding", (1, 3, 4, 1), kernel_size=3, padding=1)
    yield one("padding and stride", (1, 5, 4, 1), kernel_size=3, stride=2, padding=1)
    yield one("dilation", (1, 5, 4, 1), kernel_size=2, dilation=2)
    yield one("channels", (1, 3, 4, 3), kernel_size=2)
    yield one("a batch", (3, 3, 4, 2), kernel_size=2)
    yield one("a window that is not square", (1, 4, 5, 2), "plain", True, kernel_size=(2, 3))
    yield one("a stride for each axis", (1, 4, 7, 1), "plain", True, kernel_size=2, stride=(1, 3))


def _dense_specs(gradient: bool) -> Iterator[Spec]:
    def one(title: str, d: int, u: int, *how: Any, batch: int = 1, bias: bool = False, **options: Any) -> Spec:
        return _spec(title, *how, shapes={"x": (batch, d), "w": (d, u), **({"b": (u,)} if bias else {})}, **options)

    yield one("one input, one output", 1, 1)
    yield one("more outputs than inputs", 2, 3)
    yield one("as many outputs as inputs", 2, 2)
    if not gradient:
        yield one("a bias", 3, 2, "plain", False, "b", bias=True)
    yield one("a batch", 3, 2, batch=4, bias=True)
    yield one("a batch as large as the rest", 2, 2, batch=2)
    yield one("integers", 3, 2, "integers", batch=2, bias=True)
    yield one("float32", 3, 2, "float32", batch=2)
    if not gradient:
        yield one("a ReLU behind", 3, 4, "plain", True, batch=2, activation="relu")


def _elementwise_specs(gradient: bool) -> Iterator[Spec]:
    def one(title: str, shape: Shape, kind: str) -> Spec:
        return _spec(title, kind, shapes={"dy": shape, "y": shape} if gradient else {"x": shape})

    plain = "positive" if gradient else "plain"
    yield one("one number", (1,), plain)
    yield one("a row", (5,), plain)
    yield one("a plane", (4, 5), plain)
    yield one("a batch of images", (2, 3, 4, 2), plain)
    yield one("integers", (3, 4), "integers" if not gradient else plain)
    yield one("float32", (3, 4), "float32" if not gradient else plain)
    if not gradient:
        yield one("negative numbers", (2, 3), "negative")
        yield one("a NaN", (2, 3), "nan")


def _row_specs(name: str) -> Iterator[Spec]:
    def one(title: str, shape: Shape, kind: str = "logits", optional: bool = False, **options: Any) -> Spec:
        return _spec(title, kind, optional, shapes={name: shape, "labels": shape[:1]}, **options)

    yield one("one class", (1, 1))
    yield one("one row", (1, 4))
    yield one("a batch", (3, 4))
    yield one("a batch as large as there are classes", (3, 3))
    yield one("large numbers", (2, 5), "large")
    yield one("integers", (2, 3), "integers")
    yield one("float32", (2, 3), "float32")
    if name == "x":
        yield one("along the first axis", (3, 4), "logits", True, axis=0)


def specs_of(operation: Operation) -> Iterator[Spec]:
    """Return what the cases of an operation are about."""
    gradient = operation.forward is not None
    name = operation.name.removesuffix("_backward")
    if name == "conv2d":
        return _conv_specs(gradient)
    if name == "conv2d_transpose":
        return _transpose_specs()
    if "pool" in name:
        return _pool_specs("avg" in name, gradient)
    if name in ("im2col", "col2im"):
        return _patch_specs()
    if name == "dense":
        return _dense_specs(gradient)
    if name == "relu":
        return _elementwise_specs(operation.name == "relu_backward")
    return _row_specs("x" if name == "softmax" else "logits")


def timing_spec(operation: Operation, edge: int) -> Spec:
    """Return a problem to be timed: images of `edge` x `edge` pixels, or rows of as many numbers."""
    name = operation.name.removesuffix("_backward")
    shapes: dict[str, Shape] = {"x": (1, edge, edge, 4)}
    if name.startswith("conv2d"):
        shapes["w"] = (3, 3, 4, 4)
    if name == "dense":
        shapes = {"x": (16, edge), "w": (edge, edge)}
    if name in ("relu", "softmax", "softmax_cross_entropy"):
        shapes = {array: (edge, edge) if axes != "N" else (edge,) for array, axes in operation.takes.items()}
    return Spec("", shapes, {"pool_size": 2, "stride": 2} if "pool" in name else {"kernel_size": 3} if "im" in name else {})
