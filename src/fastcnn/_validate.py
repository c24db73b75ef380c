"""Every check of an argument, and the shape arithmetic of every operation.

Nothing here allocates an output or divides before its operands are known to be good; sizes are Python integers, which do not
overflow. Each function returns the argument in its one canonical form, or raises a ``TypeError`` (wrong kind of thing) or a
``ValueError`` (right kind, wrong value) whose message names the argument, what it got and what it wanted.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

#: The largest stride, dilation, padding or window that makes sense; far enough from 2**63 for sums and products to be exact in C.
MAX_PARAMETER = 2**31 - 1
#: The largest number of bytes that one array can have.
MAX_BYTES = 2**63 - 1

IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | str | Sequence[int] | Sequence[Sequence[int]]
#: Padding in canonical form: a rule's name, or (before, after) for the height and for the width.
CanonicalPadding: TypeAlias = Literal["valid", "same"] | tuple[tuple[int, int], tuple[int, int]]

Choice = TypeVar("Choice", bound=str)


# --- Scalars -----------------------------------------------------------------------------------------------------------


def integer(value: Any, name: str, minimum: int, maximum: int = MAX_PARAMETER) -> int:
    """Return `value` as an ``int`` in [minimum, maximum]; NumPy integers are integers, bools and floats are not."""
    if type(value) is int and minimum <= value <= maximum:  # nearly always
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}") from None
    if not minimum <= number <= maximum:
        raise ValueError(f"{name} must be between {minimum} and {maximum}, got {number}")
    return number


def real(value: Any, name: str, minimum: float, maximum: float) -> float:
    """Return `value` as a ``float`` in [minimum, maximum]."""
    try:
        number = float(value) if not isinstance(value, (str, bytes, bool)) else None
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    if not minimum <= number <= maximum:
        raise ValueError(f"{name} must be between {minimum:g} and {maximum:g}, got {number:g}")
    return number


def limits(value: Any, name: str, minimum: float, maximum: float) -> tuple[float, float]:
    """Return `value`, two numbers in [minimum, maximum], in order; a number f is (-f, f), or as much of it as is allowed."""
    if not isinstance(value, list | tuple):
        size = abs(real(value, name, minimum, maximum))
        return max(-size, float(minimum)), size
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or a pair, got {value!r}")
    low, high = sorted(real(each, name, minimum, maximum) for each in value)
    return low, high


def integers(value: Any, name: str, minimum: int, maximum: int) -> list[int]:
    """Return `value`, an integer or a list of them in [minimum, maximum], as a list."""
    return [integer(each, name, minimum, maximum) for each in (value if isinstance(value, list | tuple) else [value])]


def boolean(value: Any, name: str) -> bool:
    """Return `value` as a ``bool``; only bools are bools."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def instance(value: Any, kinds: type | UnionType, name: str, wanted: str) -> None:
    """Refuse what is not of one of the `kinds`."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {wanted}, got {value!r} of type {type(value).__name__}")


def choice(value: Any, name: str, options: Sequence[str | None]) -> Any:
    """Return `value` if it is one of `options`."""
    if (value is None or isinstance(value, str)) and value in options:
        return value
    wanted = ", ".join(repr(option) for option in options)
    if not (isinstance(value, str) or (value is None and None in options)):
        raise TypeError(f"{name} must be one of {wanted}, got {value!r} of type {type(value).__name__}")
    raise ValueError(f"{name} must be one of {wanted}, got {value!r}")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def pair(value: Any, name: str, minimum: int) -> tuple[int, int]:
    """Return `value`, an integer or two of them, as a pair (height, width)."""
    if not _is_sequence(value):
        number = integer(value, name, minimum)
        return number, number
    if len(value) != 2:
        raise ValueError(f"{name} must be an integer or a pair of integers, got {value!r} of length {len(value)}")
    return integer(value[0], f"{name}[0]", minimum), integer(value[1], f"{name}[1]", minimum)


def padding(value: Any, name: str = "padding") -> CanonicalPadding:
    """Return `value` as "valid", "same" or ((top, bottom), (left, right))."""
    if isinstance(value, str):
        return choice(value, name, ("valid", "same"))
    if not _is_sequence(value):
        pixels = integer(value, name, 0)
        return (pixels, pixels), (pixels, pixels)
    if len(value) != 2:
        raise ValueError(f"{name} must be an integer, a pair, a pair of pairs, 'valid' or 'same', got {value!r} of length {len(value)}")
    height, width = pair(value[0], f"{name}[0]", 0), pair(value[1], f"{name}[1]", 0)
    if _is_sequence(value[0]) != _is_sequence(value[1]):
        raise ValueError(f"{name} must have two integers or two pairs, not one of each, got {value!r}")
    return height, width


def by_name(value: Any, names: Sequence[str], what: str) -> list[Any]:
    """Return an entry for each of `names` of `value`: a list of them, or a dictionary, which may lack some."""
    if isinstance(value, Mapping):
        if unknown := [name for name in value if name not in names]:
            raise ValueError(f"{what} must have keys among {list(names)}, got {unknown}")
        return [value.get(name) for name in names]
    if not isinstance(value, list | tuple) or len(value) != len(names):
        raise ValueError(f"{what} must have an entry for each of {list(names)}, got {value!r:.100}")
    return list(value)


# --- Arrays ------------------------------------------------------------------------------------------------------------


def array(value: ArrayLike, name: str, ndim: Sequence[int]) -> np.ndarray:
    """Return `value` as a plain array of real numbers (bool, integer or float) whose rank is one of `ndim`."""
    try:
        result = np.asarray(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{name} must be an array of numbers: {error}") from None
    if result.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {result.dtype}")
    if result.ndim not in ndim:
        wanted = " or ".join(str(n) for n in ndim)
        raise ValueError(f"{name} must have {wanted} dimensions, got {result.ndim} (shape {result.shape})")
    return result


def working_dtype(**arrays: np.ndarray) -> np.dtype:
    """The dtype that the work is done in: float32 or float64, as NumPy promotes the arrays and float32."""
    dtype, works = _promoted(*[a.dtype for a in arrays.values()])
    if not works:
        given = ", ".join(f"{name} {a.dtype}" for name, a in arrays.items())
        raise TypeError(f"{' and '.join(arrays)} must promote to float32 or float64, got {given}, which promote to {dtype}")
    return dtype


@functools.cache
def _promoted(*dtypes: np.dtype) -> tuple[np.dtype, bool]:
    """What NumPy promotes `dtypes` and float32 to, and whether it is one that the kernels know."""
    dtype = np.result_type(*dtypes, np.float32)
    return dtype, dtype in (np.float32, np.float64)


def contiguous(value: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return `value` in C order, aligned, in native byte order, as `dtype`; itself where it is so already."""
    result = np.ascontiguousarray(value, dtype)
    return result if result.flags.aligned else result.copy()


def not_empty(shape: Sequence[int], name: str, first: int = 0) -> None:
    """Refuse a zero among ``shape[first:]``."""
    if 0 in shape[first:]:
        raise ValueError(f"{name} must not have an empty axis{' but the batch' if first else ''}, got shape {tuple(shape)}")


def same_shape(got: Sequence[int], wanted: Sequence[int], name: str, meaning: str) -> None:
    """Refuse an array `name` whose shape is not `wanted`, which is `meaning`."""
    if tuple(got) != tuple(wanted):
        raise ValueError(f"{name} must have {meaning} {tuple(wanted)}, got {tuple(got)}")


def addressable(shape: Sequence[int], dtype: np.dtype, name: str) -> None:
    """Refuse a result too large for any machine, before anything multiplies its sizes in 64 bits."""
    count = dtype.itemsize
    for size in shape:
        count *= max(size, 1)  # a zero beside a huge axis hides nothing
    if count > MAX_BYTES:
        raise ValueError(f"{name} would have shape {tuple(shape)}, more than 2**63 bytes")


def shape(value: Any, name: str, ndim: Sequence[int]) -> tuple[int, ...]:
    """Return `value` as a shape with one of the ranks `ndim`."""
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a sequence of integers, got {value!r} of type {type(value).__name__}")
    if len(value) not in ndim:
        wanted = " or ".join(str(n) for n in ndim)
        raise ValueError(f"{name} must have {wanted} entries, got {tuple(value)!r}")
    return tuple(integer(size, f"{name}[{axis}]", 0, MAX_BYTES) for axis, size in enumerate(value))


# --- Geometry ----------------------------------------------------------------------------------------------------------


class Axis(NamedTuple):
    """One spatial axis of a window operation: `size` pixels in, `out` windows out, `before` padding pixels ahead of pixel 0."""

    size: int
    out: int
    before: int
    after: int
    window: int
    stride: int
    dilation: int

    def window_is_empty(self, index: int) -> bool:
        """Whether window `index` covers padding alone."""
        start = index * self.stride - self.before
        first = start if start >= 0 else start % self.dilation  # the first tap at or after pixel 0
        return first >= self.size or first > start + (self.window - 1) * self.dilation


def axis(
    size: int, window: int, stride: int, dilation: int, pad: str | tuple[int, int], *, ceil_mode: bool = False, names: str = "w x padding"
) -> Axis:
    """The geometry of one axis; `names` are the caller's words for the window, the input and the padding.

    "same" is TensorFlow's rule, ``out = ceil(size / stride)`` with the odd pixel of padding after; with `ceil_mode` (PyTorch's
    rule) a last, partial window counts unless it would start in the padding after the image.
    """
    window_name, input_name, padding_name = names.split()
    span = (window - 1) * dilation + 1
    if pad == "same":
        out = -(-size // stride)
        total = max((out - 1) * stride + span - size, 0)
        return Axis(size, out, total // 2, total - total // 2, window, stride, dilation)
    before, after = (0, 0) if isinstance(pad, str) else pad
    room = size + before + after - span
    if room < 0:
        raise ValueError(
            f"{window_name} must fit into the padded input: a window of {window} with dilation {dilation} spans {span} pixels, "
            f"{input_name} has {size} and {padding_name} adds {before + after}"
        )
    out = room // stride + 1
    if ceil_mode and room % stride and out * stride < size + before:
        out += 1
    return Axis(size, out, before, after, window, stride, dilation)


def axes(
    size: Sequence[int], window: Sequence[int], stride: Sequence[int], dilation: Sequence[int], pad: CanonicalPadding, **options: Any
) -> tuple[Axis, Axis]:
    """The geometry of height and width; see `axis`."""
    height, width = (pad, pad) if isinstance(pad, str) else pad
    return (
        axis(size[0], window[0], stride[0], dilation[0], height, **options),
        axis(size[1], window[1], stride[1], dilation[1], width, **options),
    )


def _transposed_axis(size: int, window: int, stride: int, dilation: int, pad: str | tuple[int, int], output_padding: int) -> Axis:
    """The geometry of one axis of a transposed convolution: see `transposed_axes`."""
    span = (window - 1) * dilation + 1
    if isinstance(pad, str):
        if output_padding:
            raise ValueError(f"output_padding must be 0 with padding {pad!r}, which fixes the result's size, got {output_padding}")
        overlap = max(span - stride, 0)
        if pad == "valid":
            return Axis(size * stride + overlap, size, 0, 0, window, stride, dilation)
        return Axis(size * stride, size, overlap // 2, overlap - overlap // 2, window, stride, dilation)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation, got {output_padding} for stride {stride}, dilation {dilation}"
        )
    result = (size - 1) * stride + span + output_padding - sum(pad)
    if result < 1:
        raise ValueError(f"padding must leave a pixel of the result, got {pad}, which leaves {result}")
    return Axis(result, size, *pad, window, stride, dilation)


def transposed_axes(
    size: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    pad: CanonicalPadding,
    output_padding: Sequence[int] = (0, 0),
) -> tuple[Axis, Axis]:
    """The geometry of a transposed convolution of `size` pixels, as that of the convolution which it turns round.

    So the result's size is the axes' `size`, and their `out` is ours. "same" and "valid" are Keras's rules; explicit padding is PyTorch's.
    """
    height, width = (pad, pad) if isinstance(pad, str) else pad
    return (
        _transposed_axis(size[0], window[0], stride[0], dilation[0], height, output_padding[0]),
        _transposed_axis(size[1], window[1], stride[1], dilation[1], width, output_padding[1]),
    )


def pool_axes(
    size: Sequence[int], window: Sequence[int], stride: Sequence[int], dilation: Sequence[int], pad: CanonicalPadding, ceil_mode: bool
) -> tuple[Axis, Axis]:
    """The geometry of a pooling; no window may cover padding alone, for it would have no maximum and no mean."""
    if not isinstance(pad, str):
        for pixels, pool in zip(pad, window, strict=True):
            if max(pixels) > pool // 2:
                raise ValueError(f"padding must be at most half of pool_size, got padding {max(pixels)} for a pool of {pool}")
    geometries = axes(size, window, stride, dilation, pad, ceil_mode=ceil_mode, names="pool_size x padding")
    for geometry in geometries:  # the last windows are never empty unless the first one is: they start before the plane's end
        for index in range(min(geometry.out, -(-geometry.before // geometry.stride) + 1)):
            if geometry.window_is_empty(index):
                raise ValueError(f"padding must leave every window a pixel of x: window {index} of pool_size covers padding alone")
    return geometries
