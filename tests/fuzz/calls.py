"""A call as data: printed, it is the Python that makes it again."""

from dataclasses import dataclass, field

import numpy as np
from kernels import ORDERS

FLOATS = ("float32", "float64")
OTHER_DTYPES = ("float16", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint64", "bool")
#: What is no array of real numbers.
BAD_DTYPES = ("complex64", "object", "U3", "M8[s]", "longdouble")


def _special(rng, shape, dtype):
    return np.where(rng.random(shape) < 0.15, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape), rng.standard_normal(shape))


def _near_the_largest(rng, shape, dtype):
    return rng.choice([-1.0, 1.0, 0.5, 2.0**-10, 1e-30], shape) * float(np.finfo(dtype).max)


def _of_very_different_size(rng, shape, dtype):
    return rng.standard_normal(shape) * 2.0 ** rng.integers(-60, 60, shape)


def _subnormal(rng, shape, dtype):
    return rng.integers(-99, 99, shape) * float(np.finfo(dtype).smallest_subnormal)


def _tiny(rng, shape, dtype):
    return rng.standard_normal(shape) * float(np.finfo(dtype).tiny) ** 0.5


#: name: numbers of a shape, in float64, that a dtype of floating-point numbers holds.
VALUES = {
    "plain": lambda rng, shape, dtype: rng.standard_normal(shape),
    "integers": lambda rng, shape, dtype: rng.integers(-3, 4, shape).astype(float),
    "zeros": lambda rng, shape, dtype: np.copysign(0.0, rng.standard_normal(shape)),
    "equal": lambda rng, shape, dtype: np.full(shape, -1.5),
    "special": _special,
    "huge": _near_the_largest,
    "mixed": _of_very_different_size,
    "subnormal": _subnormal,
    "tiny": _tiny,
}
MEMORIES = ("plain", *ORDERS, "repeated", "list", "memoryview")


@dataclass(frozen=True)
class Array:
    """An array to be made: what is in it, one of `VALUES` or integers below a number, and how it lies, one of `MEMORIES`."""

    shape: tuple
    dtype: str = "float32"
    values: str | int = "plain"
    memory: str = "plain"

    @property
    def given_dtype(self):
        """What NumPy makes of it."""
        dtype = np.dtype(self.dtype)
        if self.memory != "list" or self.is_plain:
            return dtype
        return np.dtype({"f": np.float64, "b": np.bool_}.get(dtype.kind, np.int64))

    @property
    def is_plain(self):
        """Whether it lies in C order whatever `memory` says, as it is not of numbers, or of one, or of none."""
        return self.memory == "plain" or self.shape == () or 0 in self.shape or np.dtype(self.dtype).kind not in "biuf"

    def numbers(self, rng):
        """The array in C order."""
        dtype = np.dtype(self.dtype)
        if isinstance(self.values, int):
            return rng.integers(0, self.values, self.shape).astype(dtype)
        if dtype.kind not in "biuf" or dtype == np.longdouble:
            return np.zeros(self.shape, dtype)
        if dtype.kind != "f":
            low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            if self.values != "huge":
                low, high = max(low, -9), min(high, 9)
            return rng.integers(low, high, self.shape, dtype if dtype.kind != "b" else np.int8, endpoint=True).astype(dtype)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(VALUES[self.values](rng, self.shape, dtype)).astype(dtype)

    def make(self, rng):
        """The argument."""
        array = self.numbers(rng)
        if self.is_plain:
            return array
        if self.memory == "repeated":
            return np.broadcast_to(array[:1], array.shape)
        if self.memory in ORDERS:
            return ORDERS[self.memory](array)
        return array.tolist() if self.memory == "list" else memoryview(array)


@dataclass(frozen=True)
class Call:
    """A call of an operation of `fuzz.operations`, under some settings, and what must come of it: "a result", "an error", or "either"."""

    operation: str
    arguments: dict = field(default_factory=dict)
    comes: str = "a result"
    seed: int = 0
    isa: str | None = None
    threads: int = 1
    winograd: int = 1

    def make(self):
        """The arguments."""
        rng = np.random.Generator(np.random.PCG64(self.seed))
        return {name: made(value, rng) for name, value in self.arguments.items()}


def made(value, rng):
    """An argument: arrays, also those in a list, are made."""
    if isinstance(value, list):
        return [made(item, rng) for item in value]
    return value.make(rng) if isinstance(value, Array) else value


def without_numpy(value):
    """A parameter of Python's integers, in tuples: the reference computes with what it is given."""
    if isinstance(value, (list, tuple)):
        return tuple(without_numpy(item) for item in value)
    return without_numpy(value.tolist()) if isinstance(value, (np.ndarray, np.integer)) else value
