"""What must come of an operation: in float64 and at once what `fastcnn.reference` says in loops, and how far a result may be off.

A convolution is a list of products: which pixel meets which weight, for which result. The same list, read another way round, gives its
gradients and its transpose, and, added up in absolute values, how large the sums are on the way.
"""

from typing import NamedTuple

import numpy as np
from compare import assert_close, assert_same_bits

from fastcnn.reference.arrays import as_given


class Expected(NamedTuple):
    """A result in float64: `terms` numbers were added whose absolute values add up to `scale`; without a scale, it is exact.

    Where `reach`, or else `scale`, is beyond the largest number, sums may overflow on the way, in one order or another.
    """

    value: np.ndarray
    dtype: np.dtype
    scale: np.ndarray | None = None
    terms: int = 1
    reach: np.ndarray | None = None

    def each(self, function):
        """The same with a function, which moves numbers only, on all arrays."""
        value, scale, reach = (None if array is None else function(array) for array in (self.value, self.scale, self.reach))
        return self._replace(value=value, scale=scale, reach=reach)

    def in_layout(self, ndim, data_format):
        """Images (N, H, W, C) as they were given."""
        return self.each(lambda images: as_given(images, ndim, data_format, images.dtype))

    def relu(self):
        return self._replace(value=np.where(self.value <= 0, 0.0, self.value))

    def check(self, actual):
        """Assert that a result is this but for rounding."""
        if self.dtype == np.int64:
            assert_same_bits(actual, self.value)
            return
        if self.scale is None:
            assert_close(actual, self.value, terms=1, scale=0.0, dtype=self.dtype)
            return
        reach = self.scale if self.reach is None else self.reach
        largest = float(np.finfo(self.dtype).max)
        unsure = ~(reach < 0.999 * largest)
        unsure &= ~(np.isnan(self.value) & np.isfinite(reach))  # but NaN comes of no overflow in float64, and so must be
        actual = np.where(unsure, 0, actual) if unsure.any() and np.shape(actual) == self.value.shape else actual
        value, scale = np.where(unsure, 0.0, self.value), np.where(unsure, 0.0, self.scale)
        assert_close(actual, value, terms=self.terms, scale=scale, dtype=self.dtype)


def total(shape, dtype, to, *factors):
    """The sums of products, of which number i goes to place `to[i]` of a result."""
    size = int(np.prod(shape))
    product, finite = factors[0], np.isfinite(factors[0])
    for factor in factors[1:]:
        product, finite = product * factor, finite & np.isfinite(factor)
    value, scale = (np.bincount(to, numbers, size).reshape(shape) for numbers in (product, np.where(finite, np.abs(product), 0.0)))
    terms = int(np.bincount(to).max()) if len(to) else 1
    return Expected(value, dtype, scale, terms)


def with_bias(expected, b):
    if b is None:
        return expected
    with np.errstate(over="ignore"):
        bias = np.asarray(b).astype(expected.dtype).astype(np.float64)
    scale = expected.scale + np.where(np.isfinite(bias), np.abs(bias), 0)
    return expected._replace(value=expected.value + bias, scale=scale, terms=expected.terms + 1)


def meetings(axis):
    """Which window of an axis meets which pixel, by which tap: (windows, taps, pixels)."""
    met = []
    for index in range(axis.out):
        start = index * axis.stride - axis.before
        first, last = max(0, -(start // axis.dilation)), min(axis.window - 1, (axis.size - 1 - start) // axis.dilation)
        met += [(index, tap, start + tap * axis.dilation) for tap in range(first, last + 1)]
    return np.array(met, np.int64).reshape(-1, 3).T


class Products(NamedTuple):
    """The products of a convolution of images `x` with filters `w` to `y`: number i is of ``x.flat[x[i]]``, and so on."""

    x: np.ndarray
    w: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, height, width, n, channels, filters, groups):
        (oh, kh, h), (ow, kw, w) = meetings(height), meetings(width)
        image = np.arange(n).reshape(-1, 1, 1, 1, 1, 1)
        group = np.arange(groups).reshape(-1, 1, 1)
        c, f = np.arange(channels // groups).reshape(-1, 1), np.arange(filters // groups)

        def pixels(row, rows, column, columns):
            return (image * rows + row.reshape(-1, 1, 1, 1, 1)) * columns + column.reshape(-1, 1, 1, 1)

        place_f = group * (filters // groups) + f
        x = pixels(h, height.size, w, width.size) * channels + (group * (channels // groups) + c)
        y = pixels(oh, height.out, ow, width.out) * filters + place_f
        taps = (kh.reshape(-1, 1, 1, 1, 1) * width.window + kw.reshape(-1, 1, 1, 1)) * (channels // groups) + c
        every = np.broadcast_arrays(x, taps * filters + place_f, y)
        return cls(*(indices.ravel() for indices in every))


class Convolution(NamedTuple):
    """A convolution's list of products, and its shapes: x (N, H, W, C), w (KH, KW, C // groups, F), y (N, OH, OW, F)."""

    products: Products
    x: tuple
    w: tuple
    y: tuple

    @classmethod
    def of(cls, height, width, n, channels, filters, groups):
        shapes = (n, height.size, width.size, channels), (height.window, width.window, channels // groups, filters)
        products = Products.of(height, width, n, channels, filters, groups)
        return cls(products, *shapes, (n, height.out, width.out, filters))

    def cut_to(self, rows, columns):
        """The same without the results beyond some rows and columns."""
        places, y = np.arange(np.prod(self.y)).reshape(self.y)[:, :rows, :columns], (self.y[0], rows, columns, self.y[3])
        where = np.full(np.prod(self.y), -1)
        where[places.ravel()] = np.arange(places.size)
        moved = where[self.products.y]
        x, w, _ = (indices[moved >= 0] for indices in self.products)
        return self._replace(products=Products(x, w, moved[moved >= 0]), y=y)

    def forward(self, x, w, b, dtype):
        to = self.products
        return with_bias(total(self.y, dtype, to.y, x.ravel()[to.x], w.ravel()[to.w]), b)

    def input_gradient(self, dy, w, b, dtype):
        to = self.products
        return with_bias(total(self.x, dtype, to.x, dy.ravel()[to.y], w.ravel()[to.w]), b)

    def weight_gradient(self, dy, x, dtype):
        to = self.products
        return total(self.w, dtype, to.w, dy.ravel()[to.y], x.ravel()[to.x])


def column_sums(dy, dtype):
    """The gradient by the bias."""
    columns = np.broadcast_to(np.arange(dy.shape[-1]), dy.shape).ravel()
    return total((dy.shape[-1],), dtype, columns, dy.ravel())


def dense_of(x, w):
    """A dense layer as a convolution of images of one pixel."""
    rows, (d, u) = int(np.prod(x.shape[:-1])), w.shape
    n, i, j = np.indices((rows, d, u)).reshape(3, -1)
    return Convolution(Products(n * d + i, i * u + j, n * u + j), x.shape, w.shape, (*x.shape[:-1], u))


def pooled(x, height, width, choose):
    """What `choose` makes, (..., N, C), of each window's numbers (N, pixels, C) and of their places in the plane: (..., N, OH, OW, C)."""
    rows, columns = (
        [pixels[windows == index] for index in range(axis.out)] for axis in (height, width) for windows, _, pixels in [meetings(axis)]
    )
    flat = x.reshape(len(x), height.size * width.size, x.shape[3])
    places = [[(h[:, None] * width.size + w).ravel() for w in columns] for h in rows]
    chosen = [[choose(flat[:, place], place) for place in line] for line in places]
    return np.moveaxis(np.array(chosen), (0, 1), (2, 3))


def maxima(numbers, places):
    """The first NaN, or else the first of the largest, and where it is; both as float64, which holds both."""
    winner = numbers.argmax(axis=1, keepdims=True)
    return np.stack([np.take_along_axis(numbers, winner, 1)[:, 0], places[winner[:, 0]].astype(np.float64)])


def windows_of(height, width, n, c):
    """Which window meets which pixel: flat places in y and in x."""
    products = Products.of(height, width, n, c, c, c)
    return products.y, products.x


def counts(height, width, include_padding):
    """How many numbers a mean is of: (OH, OW, 1)."""

    def along(axis):
        if include_padding:
            return [min(axis.window, -(-(axis.padded - index * axis.stride) // axis.dilation)) for index in range(axis.out)]
        return np.bincount(meetings(axis)[0], minlength=axis.out)

    return np.multiply.outer(along(height), along(width))[:, :, None].astype(np.float64)
