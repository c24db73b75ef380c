"""What drawn arguments are made of: arrays, pairs, paddings, and windows on planes so small that their products can be counted."""

import math
from dataclasses import dataclass

import numpy as np

from fuzz.calls import FLOATS, MEMORIES, OTHER_DTYPES, VALUES, Array

CHANNELS = (7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65)
LARGEST = 2**31 - 1
INTEGERS = (np.int8, np.uint16, np.int32, np.int64, np.uint64)


def channels(c):
    return c.of(CHANNELS) if c.once_in(4) else c.between(1, 5)


def numbers(c, count):
    """A dtype and a kind of values for each of `count` arrays, which are mostly the same."""
    dtype = c.of(OTHER_DTYPES) if c.once_in(10) else c.of(FLOATS)
    kind = c.of([*VALUES]) if c.once_in(2) else "plain"
    dtypes = [c.of((*FLOATS, *OTHER_DTYPES)) if c.once_in(25) else dtype for _ in range(count)]
    return [(dtype, "plain" if c.once_in(4) else kind) for dtype in dtypes]


def array(c, shape, dtype, values):
    return Array(tuple(shape), dtype, values, c.of(MEMORIES) if c.once_in(3) else "plain")


def working(*arrays):
    """The dtype of a result of arrays."""
    return np.result_type(*(array.given_dtype for array in arrays), np.float32)


def number(c, value):
    """An integer, as Python's or one of NumPy's."""
    if not c.once_in(20):
        return value
    kinds = [kind for kind in INTEGERS if np.iinfo(kind).min <= value <= np.iinfo(kind).max]
    return c.of(kinds)(value)


def pair(c, height, width):
    """Two integers in one of the forms that a pair may have."""
    if height == width and not c.once_in(4):
        return number(c, height)
    form = c.below(4)
    return [(height, width), [height, width], (number(c, height), number(c, width)), np.array([height, width])][form]


def two(c, draw):
    """Two integers for height and width, often the same."""
    first = draw()
    return (first, draw()) if c.once_in(3) else (first, first)


def padding(c, largest):
    """A padding as it is given, and ((top, bottom), (left, right)) or the name of a rule; at most `largest` for height and width."""
    kind = c.of(("valid", "same", "number", "pair", "pairs")) if not c.once_in(3) else "default"
    if kind == "default":
        return 0, ((0, 0), (0, 0))
    if kind in ("valid", "same"):
        return kind, kind
    if kind == "number":
        pixels = c.between(0, min(largest))
        return number(c, pixels), ((pixels, pixels), (pixels, pixels))
    if kind == "pair":
        top, left = (c.between(0, most) for most in largest)
        return pair(c, top, left), ((top, top), (left, left))
    pairs = tuple((c.between(0, most), c.between(0, most)) for most in largest)
    return (np.array(pairs) if c.once_in(8) else pairs), pairs


@dataclass
class Windows:
    """Windows on planes: as drawn, for height and width each; `size` is what the planes have more than is needed for one window."""

    window: tuple
    stride: tuple
    dilation: tuple
    padding: object  # as given
    pads: object  # in pairs, or a rule's name
    size: list

    @classmethod
    def drawn(cls, c, pads=(3, 3), dilated=True, huge=True):
        """Windows with at most `pads` pixels of padding, half a window if None; with strides and dilations that may be huge."""
        window = two(c, lambda: c.of((3, 1, 2, 4)))
        stride = two(c, lambda: c.of((5, 17, LARGEST) if huge else (4,)) if c.once_in(30) else c.between(1, 3))
        dilation = two(c, lambda: c.between(1, 3)) if dilated and c.once_in(3) else (1, 1)
        limit = tuple(min(w // 2, 2) for w in window) if pads is None else pads
        given, canonical = padding(c, limit)
        if huge and dilated and c.once_in(50) and (canonical == "same" or window == (1, 1)):
            dilation = (LARGEST, LARGEST)
        return cls(window, stride, dilation, given, canonical, [c.between(0, 5), c.between(0, 5)])

    def pads_of(self, axis):
        return (0, 0) if isinstance(self.pads, str) else self.pads[axis]

    def span(self, axis):
        return (self.window[axis] - 1) * self.dilation[axis] + 1

    def plane(self):
        """The size of the planes."""
        needed = [1 if self.pads == "same" else max(1, self.span(axis) - sum(self.pads_of(axis))) for axis in (0, 1)]
        return tuple(least + more for least, more in zip(needed, self.size, strict=True))

    def out(self):
        """How many windows there are."""
        plane = self.plane()
        if self.pads == "same":
            return tuple(-(-size // stride) for size, stride in zip(plane, self.stride, strict=True))
        return tuple((plane[axis] + sum(self.pads_of(axis)) - self.span(axis)) // self.stride[axis] + 1 for axis in (0, 1))

    def options(self, c, dilated=True):
        """The arguments of an operation, without those that are as they are by default, mostly."""
        options = {"stride": pair(c, *self.stride), "padding": self.padding}
        if dilated:
            options["dilation"] = pair(c, *self.dilation)
        defaults = {"stride": 1, "padding": 0, "dilation": 1}
        return {name: value for name, value in options.items() if type(value) is not int or value != defaults[name] or c.once_in(8)}


def limit(c):
    """How many products a case may have."""
    return 30_000 if c.once_in(60) else 2_000


def fit(sizes, count, most):
    """Halve the largest of `sizes`, a dict of lists or numbers by name, in place, until `count` of them is at most `most`."""
    while count(sizes) > most:
        name = max(sizes, key=sizes.get)
        if sizes[name] <= 1:
            return
        sizes[name] //= 2


def layout(c, ranks=(4, 3)):
    """The number of axes of images, and where their channels are."""
    return c.of(ranks) if c.once_in(4) else 4, c.of(("channels_last", "channels_first"))


def batch(c):
    return 0 if c.once_in(25) else c.between(1, 3)


def shape_of(n, h, w, channels, ndim, data_format):
    if ndim == 2:
        return h, w
    image = (channels, h, w) if data_format == "channels_first" else (h, w, channels)
    return image if ndim == 3 else (n, *image)


def shape(c, ranks, most=200):
    """Any shape of some number of axes, of up to `most` numbers."""
    sizes = {axis: channels(c) for axis in range(c.of(ranks))}
    fit(sizes, lambda sizes: math.prod(sizes.values()), most)
    return tuple(sizes.values())
