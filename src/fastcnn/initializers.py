"""The first values of weights, with Keras's names and defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _registry, _validate, random

__all__ = ["GlorotUniform", "HeUniform", "Initializer", "Ones", "Zeros", "get"]


class Initializer(_registry.Configurable):
    """Makes the first value of a weight: ``initializer(shape)`` is a float32 array."""

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of `shape`."""
        raise NotImplementedError


class Zeros(Initializer):
    """Zeros, as for biases.

    Examples
    --------
    >>> from fastcnn.initializers import Zeros
    >>> Zeros()((2,))
    array([0., 0.], dtype=float32)
    """

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of zeros."""
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """Ones.

    Examples
    --------
    >>> from fastcnn.initializers import Ones
    >>> Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of ones."""
        return np.ones(shape, np.float32)


class _FanUniform(Initializer):
    """Uniform in [-limit, limit), where the limit depends on the numbers of inputs and outputs of a unit.

    Parameters
    ----------
    seed : int, optional
        Without it, each call draws from the next stream of `fastcnn.random`; with it, each call gives the same values.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else _validate.integer(seed, "seed", 0, 2**64 - 1)

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array; the last axis of `shape` counts outputs, the one before it inputs, any others the window."""
        rng = random.next_weight_stream() if self.seed is None else random.stream("weights", 0, self.seed)
        limit = self._limit(*_fans(shape))
        return rng.uniform(-limit, limit, tuple(shape)).astype(np.float32)

    def _limit(self, fan_in: int, fan_out: int) -> float:
        raise NotImplementedError


class GlorotUniform(_FanUniform):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)): variances stay level forwards and backwards. Keras's default for kernels.

    Parameters
    ----------
    seed : int, optional
        Without it, each call draws from the next stream of `fastcnn.random`; with it, each call gives the same values.

    References
    ----------
    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010.

    Examples
    --------
    >>> from fastcnn.initializers import GlorotUniform
    >>> kernel = GlorotUniform(seed=1)((3, 3, 1, 32))
    >>> kernel.shape, bool(abs(kernel).max() < (6 / (9 + 288)) ** 0.5)
    ((3, 3, 1, 32), True)
    """

    def _limit(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(6 / (fan_in + fan_out))


class HeUniform(_FanUniform):
    """Uniform in ±sqrt(6 / fan_in): variances stay level through layers with ReLU.

    Parameters
    ----------
    seed : int, optional
        Without it, each call draws from the next stream of `fastcnn.random`; with it, each call gives the same values.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.

    Examples
    --------
    >>> from fastcnn.initializers import HeUniform
    >>> bool(abs(HeUniform(seed=1)((6, 64))).max() < 1)
    True
    """

    def _limit(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(6 / fan_in)


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return the inputs and outputs of a unit, as Keras counts them from a weight's shape alone."""
    window = math.prod(shape[:-2])
    fan_in, fan_out = (shape[0], shape[0]) if len(shape) == 1 else (shape[-2] * window, shape[-1] * window)
    return max(1, fan_in), max(1, fan_out)


_CLASSES = _registry.table(Zeros, Ones, GlorotUniform, HeUniform)


def get(identifier: Any) -> Initializer:
    """Return the initializer that `identifier` stands for: an `Initializer`, or a name such as "glorot_uniform".

    Examples
    --------
    >>> from fastcnn import initializers
    >>> initializers.get("zeros")((1,))
    array([0.], dtype=float32)
    """
    return _registry.resolve(identifier, _CLASSES, "initializer", Initializer)
