"""How close is close enough: the one place where the tests' tolerances live.

A result is a sum of `terms` products, and `scale` is that sum with every product replaced by its absolute value. Each of its roundings
is off by at most ``eps / 2`` of a partial sum, which is at most `scale`; so in the worst case the result is off by
``terms * eps / 2 * scale``. But roundings are as good as independent with mean zero, and then their sum exceeds
``4 * sqrt(terms) * eps / 2 * scale`` with a probability below ``2 * exp(-4**2 / 2)`` if every one of them is as large as it can be, and
hardly ever as they are. The bound is that much and ``2 * eps * scale`` more, for adding a bias, and for rounding the result and what
it is compared with: ``(2 * sqrt(terms) + 2) * eps * scale``. A product left out is seen: it is, on average, ``scale / terms``.

References
----------
N. J. Higham and T. Mary, "A new approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41 (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

#: A step that leaves central differences in float64 about as much rounding as truncation; a power of 2, for x + STEP to be exact.
STEP = 2.0**-12


def error_bound(terms: int, scale: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    """Return how far a sum of `terms` products in `dtype` may be off, where `scale` is the sum of their absolute values.

    Below the smallest normal number, rounding is off by up to a subnormal number. A `scale` of 0, Inf or NaN allows no error.
    """
    scale = np.asarray(scale, np.float64)
    if terms < 1 or np.any(scale < 0):
        raise ValueError(f"terms must be positive and scale not negative, got terms {terms} and a scale down to {scale.min()}")
    precision = np.finfo(dtype)
    allowed = (2 * np.sqrt(terms) + 2) * (float(precision.eps) * scale + float(precision.smallest_subnormal))
    return np.where(np.isfinite(scale) & (scale > 0), allowed, 0.0)


def scale_of(function: Callable[..., Any], *arrays: ArrayLike | None, **options: Any) -> Any:
    """Return what `function` makes of the absolute values of `arrays`: the `scale` of ``function(*arrays, **options)``.

    For a function that sums products of its arrays, with whatever is not such an array (shapes, indices) among the `options`.
    """
    return function(*(array if array is None else np.abs(np.asarray(array, np.float64)) for array in arrays), **options)


def assert_close(actual: ArrayLike, expected: ArrayLike, *, terms: int, scale: ArrayLike, dtype: DTypeLike | None = None) -> None:
    """Assert that `actual` is `expected` but for the rounding of `terms` additions in `dtype`, which is that of `expected` if None.

    The shapes must be equal, `actual` must have `dtype`, and its NaNs and infinities must be those of `expected` rounded to `dtype`.
    The sign of a zero does not matter. `scale` must broadcast to the shape.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    dtype = expected.dtype if dtype is None else np.dtype(dtype)
    _assert_equal(actual.shape, expected.shape, "shape")
    _assert_equal(actual.dtype, dtype, "dtype")
    bound = np.broadcast_to(error_bound(terms, scale, dtype), expected.shape)
    with np.errstate(all="ignore"):
        rounded = expected.astype(dtype)
        same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
        finite = np.isfinite(actual) & np.isfinite(rounded)
        error = np.where(finite, np.abs(actual.astype(np.float64) - expected), np.where(same, 0.0, np.inf))
    _assert_within(actual, expected, error, bound)


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    """Assert that two arrays have the same shape, the same dtype and the same bits, down to the sign of a zero and the bits of a NaN."""
    _assert_equal(actual.shape, expected.shape, "shape")
    _assert_equal(actual.dtype, expected.dtype, "dtype")
    different = _bits(actual) != _bits(expected)
    if different.any():
        index = _index(different)
        raise AssertionError(
            f"{np.count_nonzero(different)} of {different.size} elements have other bits; "
            f"the first is at {index}: got {actual[index]!r}, expected {expected[index]!r}"
        )


def numerical_gradient(f: Callable[[np.ndarray], ArrayLike], x: ArrayLike, dy: ArrayLike, step: float = STEP) -> np.ndarray:
    """Return the gradient of ``sum(dy * f(x))`` with respect to `x`, by central differences in float64."""
    x = np.array(x, np.float64)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += step
        behind[index] -= step
        difference = _float64(f(ahead)) - _float64(f(behind))
        gradient[index] = np.sum(dy * difference) / (ahead[index] - behind[index])
    return gradient


def assert_gradient(
    gradient: np.ndarray, f: Callable[[np.ndarray], ArrayLike], x: ArrayLike, dy: ArrayLike, *, terms: int, scale: ArrayLike
) -> None:
    """Assert that `gradient` is that of ``sum(dy * f(x))`` with respect to `x`; `terms` and `scale` are those of ``f(x)``.

    Central differences are off by their rounding, which is that of `f` divided by the step, and by their truncation, which grows with
    the square of the step: the differences of a step twice as long are further off by three times as much, and that is seen.
    """
    dy = np.asarray(dy, np.float64)
    fine, coarse = numerical_gradient(f, x, dy), numerical_gradient(f, x, dy, 2 * STEP)
    _assert_equal(gradient.shape, fine.shape, "shape")
    _assert_equal(gradient.dtype, fine.dtype, "dtype")
    rounding = error_bound(terms + dy.size, np.sum(np.abs(dy) * scale), np.float64) / STEP
    _assert_within(gradient, fine, np.abs(gradient - fine), np.abs(coarse - fine) + rounding)


def _assert_equal(actual: object, expected: object, what: str) -> None:
    if actual != expected:
        raise AssertionError(f"the {what} must be {expected}, got {actual}")


def _assert_within(actual: np.ndarray, expected: np.ndarray, error: np.ndarray, bound: np.ndarray) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(error == 0, 0.0, error / bound)
    wrong = ~(excess <= 1)
    if wrong.any():
        index = _index(excess)
        raise AssertionError(
            f"{np.count_nonzero(wrong)} of {wrong.size} elements are wrong; the worst is at {index}: "
            f"got {actual[index]!r}, expected {expected[index]!r}, off by {error[index]:.3g}, {excess[index]:.3g} times the bound"
        )


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}").reshape(array.shape)


def _index(array: np.ndarray) -> tuple[int, ...]:
    """Return where the largest element is: the first NaN or True, if there is one."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(array), array.shape))


def _float64(value: ArrayLike) -> np.ndarray:
    value = np.asarray(value)
    if value.dtype != np.float64:
        raise TypeError(f"f must work in float64, got a result of {value.dtype}")
    return value
