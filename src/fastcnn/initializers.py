"""The first values of weights, with Keras's names and defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _registry, _validate, random
from fastcnn._settings import Choice, OptionalInteger, Real, choice, integer, optional, real


class Initializer(_registry.Configurable):
    """Makes the first value of a weight: ``initializer(shape)`` is a float32 array.

    References
    ----------
    ``keras.initializers.Initializer``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.initializers import Initializer
    >>> class Halves(Initializer):
    ...     def __call__(self, shape):
    ...         return np.full(shape, 0.5, np.float32)
    >>> Halves()((2,))
    array([0.5, 0.5], dtype=float32)
    """

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of `shape`."""
        raise NotImplementedError


class Zeros(Initializer):
    """Zeros, as for biases.

    References
    ----------
    ``keras.initializers.Zeros``.

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

    References
    ----------
    ``keras.initializers.Ones``.

    Examples
    --------
    >>> from fastcnn.initializers import Ones
    >>> Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of ones."""
        return np.ones(shape, np.float32)


class Constant(Initializer):
    """One number everywhere.

    Parameters
    ----------
    value : float, default 0

    Raises
    ------
    TypeError, ValueError
        For a `value` that is no number.

    References
    ----------
    ``keras.initializers.Constant``.

    Examples
    --------
    >>> from fastcnn.initializers import Constant
    >>> Constant(0.5)((2,))
    array([0.5, 0.5], dtype=float32)
    """

    value: Real = real(-math.inf, math.inf, 0.0)

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array of that number."""
        return np.full(shape, self.value, np.float32)


_SEED: OptionalInteger = optional(integer(0, maximum=2**64 - 1))


class _Random(Initializer):
    """Draws from the next stream of `fastcnn.random` in each call or, with a seed of its own, the same values each time."""

    seed = _SEED  # a subclass declares it in its place, as the last argument

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return a new float32 array."""
        rng = random.next_weight_stream() if self.seed is None else random.stream("weights", 0, self.seed)
        return self._draw(rng, tuple(shape)).astype(np.float32)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        raise NotImplementedError


class RandomUniform(_Random):
    """Uniform in [minval, maxval).

    Parameters
    ----------
    minval, maxval : float, default -0.05 and 0.05
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For what is no number, a `maxval` below `minval`, or a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    ``keras.initializers.RandomUniform``.

    Examples
    --------
    >>> from fastcnn.initializers import RandomUniform
    >>> bool((RandomUniform(1, 2, seed=3)((9,)) >= 1).all())
    True
    """

    minval: Real = real(-math.inf, math.inf, -0.05)
    maxval: Real = real(-math.inf, math.inf, 0.05)
    seed: OptionalInteger = _SEED

    def __post_init__(self) -> None:
        super().__post_init__()
        _validate.real(self.maxval, "maxval", self.minval, math.inf)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(self.minval, self.maxval, shape)


class RandomNormal(_Random):
    """Normal, with a mean and a standard deviation.

    Parameters
    ----------
    mean : float, default 0
    stddev : float, default 0.05
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For what is no number, a negative `stddev`, or a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    ``keras.initializers.RandomNormal``.

    Examples
    --------
    >>> from fastcnn.initializers import RandomNormal
    >>> RandomNormal(stddev=0.01, seed=3)((2, 3)).shape
    (2, 3)
    """

    mean: Real = real(-math.inf, math.inf, 0.0)
    stddev: Real = real(0, math.inf, 0.05)
    seed: OptionalInteger = _SEED

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal, but what is farther than two standard deviations from the mean is drawn again.

    Parameters
    ----------
    mean : float, default 0
    stddev : float, default 0.05
        Before anything is drawn again.
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For what is no number, a negative `stddev`, or a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    ``keras.initializers.TruncatedNormal``.

    Examples
    --------
    >>> from fastcnn.initializers import TruncatedNormal
    >>> bool((abs(TruncatedNormal(stddev=1, seed=3)((99,))) <= 2).all())
    True
    """

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return self.mean + self.stddev * random.truncated_normal(rng, shape)


class VarianceScaling(_Random):
    """With a variance of `scale` divided by the number of a unit's inputs, outputs, or the mean of both.

    Parameters
    ----------
    scale : float, default 1
    mode : {"fan_in", "fan_out", "fan_avg"}
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
    seed : int, optional
        Without it, each call draws from the next stream of `fastcnn.random`; with it, each call gives the same values.

    Raises
    ------
    TypeError, ValueError
        For a `scale` that is no number from 0 on, another `mode` or `distribution`, or a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    The names and the numbers are those of ``keras.initializers.VarianceScaling``.

    Examples
    --------
    >>> from fastcnn.initializers import VarianceScaling
    >>> kernel = VarianceScaling(3, "fan_avg", "uniform", seed=1)((3, 3, 1, 32))
    >>> bool(abs(kernel).max() < (9 / ((9 + 288) / 2)) ** 0.5)
    True
    """

    scale: Real = real(0, math.inf, 1.0)
    mode: Choice = choice("fan_in", "fan_out", "fan_avg")
    distribution: Choice = choice("truncated_normal", "untruncated_normal", "uniform")
    seed: OptionalInteger = _SEED

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = _fans(shape)
        variance = self.scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return rng.normal(0, math.sqrt(variance), shape)
        return math.sqrt(variance) / _TRUNCATED_STDDEV * random.truncated_normal(rng, shape)


#: The standard deviation of a normal distribution of 1 without what is farther than 2 from its mean.
_TRUNCATED_STDDEV = 0.87962566103423978


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return the inputs and outputs of a unit, as Keras counts them: the last axis has the outputs, the one before it the inputs."""
    window = math.prod(shape[:-2])
    fan_in, fan_out = (shape[0], shape[0]) if len(shape) == 1 else (shape[-2] * window, shape[-1] * window)
    return max(1, fan_in), max(1, fan_out)


class _Scaling(VarianceScaling):
    """Variance scaling under a name of its own, with these arguments."""

    _scaling = (1.0, "fan_in", "truncated_normal")
    _not_configured = frozenset({"scale", "mode", "distribution"})

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._scaling, seed=seed)


class GlorotUniform(_Scaling):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)): variances stay level forwards and backwards. Keras's default for kernels.

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

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

    _scaling = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaling):
    """Truncated normal, with the variance of `GlorotUniform`.

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    That of `GlorotUniform`; ``keras.initializers.GlorotNormal``.

    Examples
    --------
    >>> from fastcnn.initializers import GlorotNormal
    >>> GlorotNormal(seed=1)((6, 64)).shape
    (6, 64)
    """

    _scaling = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaling):
    """Uniform in ±sqrt(6 / fan_in): variances stay level through layers with ReLU.

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.

    Examples
    --------
    >>> from fastcnn.initializers import HeUniform
    >>> bool(abs(HeUniform(seed=1)((6, 64))).max() < 1)
    True
    """

    _scaling = (2.0, "fan_in", "uniform")


class HeNormal(_Scaling):
    """Truncated normal, with the variance of `HeUniform`.

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    That of `HeUniform`; ``keras.initializers.HeNormal``.

    Examples
    --------
    >>> from fastcnn.initializers import HeNormal
    >>> HeNormal(seed=1)((6, 64)).shape
    (6, 64)
    """

    _scaling = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaling):
    """Uniform in ±sqrt(3 / fan_in).

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller: Efficient backprop. 1998.

    Examples
    --------
    >>> from fastcnn.initializers import LecunUniform
    >>> bool(abs(LecunUniform(seed=1)((3, 64))).max() < 1)
    True
    """

    _scaling = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaling):
    """Truncated normal, with the variance of `LecunUniform`.

    Parameters
    ----------
    seed : int, optional
        See `VarianceScaling`.

    Raises
    ------
    TypeError, ValueError
        For a `seed` that is not an integer from 0 to 2**64 - 1.

    References
    ----------
    That of `LecunUniform`; ``keras.initializers.LecunNormal``.

    Examples
    --------
    >>> from fastcnn.initializers import LecunNormal
    >>> LecunNormal(seed=1)((6, 64)).shape
    (6, 64)
    """

    _scaling = (1.0, "fan_in", "truncated_normal")


_CLASSES = _registry.table(*_registry.defined(__name__, Initializer))
__all__ = ["Initializer", "get", *(cls.__name__ for cls in _registry.defined(__name__, Initializer))]


def get(identifier: Any) -> Initializer:
    """Return the initializer that `identifier` stands for: an `Initializer`, or a name such as "glorot_uniform".

    Parameters
    ----------
    identifier : Initializer or str

    Raises
    ------
    TypeError, ValueError
        For what is neither, or an unknown name.

    References
    ----------
    ``keras.initializers.get``.

    Examples
    --------
    >>> from fastcnn import initializers
    >>> initializers.get("zeros")((1,))
    array([0.], dtype=float32)
    """
    return _registry.resolve(identifier, _CLASSES, "initializer", Initializer)
