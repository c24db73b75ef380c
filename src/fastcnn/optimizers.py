"""Optimizers, with Keras's names and defaults. Each updates all weights of a model at once, in one flat array, in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _registry, _validate
from fastcnn.ops import updates

__all__ = ["SGD", "Adam", "Optimizer", "get"]


class Optimizer(_registry.Configurable):
    """The base of all optimizers. A subclass gives `_slot_names` and `_step`.

    Attributes
    ----------
    learning_rate : float
        May be changed between steps.
    iterations : int
        The number of steps so far.
    """

    _slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = _registry.real(learning_rate, "learning_rate", 0, math.inf)
        self.iterations = 0
        self.slots: dict[str, np.ndarray] = {}

    def build(self, sizes: Sequence[int]) -> None:
        """Begin anew, for weights of so many elements each, one after the other in a flat array."""
        self.iterations, size = 0, sum(sizes)
        self.slots = {name: np.zeros(size, np.float32) for name in self._slot_names}

    def update(self, weights: np.ndarray, gradients: np.ndarray) -> None:
        """Make one step, in place; `weights` and `gradients` are flat float32 arrays of the size given to `build`."""
        self.iterations += 1
        self._step(weights, gradients)

    def _step(self, weights: np.ndarray, gradients: np.ndarray) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.0
        In [0, 1].
    nesterov : bool, default False
        Take the gradient step ahead of the momentum's.

    References
    ----------
    The update is that of ``keras.optimizers.SGD``; I. Sutskever, J. Martens, G. Dahl, G. Hinton: On the importance of initialization
    and momentum in deep learning. ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import SGD
    >>> weights, sgd = np.ones(2, np.float32), SGD(learning_rate=0.5)
    >>> sgd.build([2])
    >>> sgd.update(weights, np.array([1, -1], np.float32))
    >>> weights
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(learning_rate)
        self.momentum = _registry.real(momentum, "momentum", 0, 1)
        self.nesterov = _validate.boolean(nesterov, "nesterov")
        self._slot_names = ("momentum",) if self.momentum else ()

    def _step(self, weights: np.ndarray, gradients: np.ndarray) -> None:
        updates.sgd_step(weights, gradients, self.slots.get("momentum"), self.learning_rate, self.momentum, self.nesterov)


class Adam(Optimizer):
    """Steps scaled by running estimates of each gradient's mean and mean square.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
        The decay of the estimates of the mean and of the mean square, in [0, 1).
    epsilon : float, default 1e-7
        Added to the root of the mean square.

    References
    ----------
    D. P. Kingma, J. Ba: Adam: a method for stochastic optimization. ICLR 2015; the form before section 2.1, in which epsilon is
    added before the correction of the bias, as in ``keras.optimizers.Adam``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import Adam
    >>> weights, adam = np.zeros(2, np.float32), Adam(learning_rate=0.1)
    >>> adam.build([2])
    >>> adam.update(weights, np.array([3, -0.5], np.float32))
    >>> weights.round(4)
    array([-0.1,  0.1], dtype=float32)
    """

    _slot_names = ("momentum", "velocity")

    def __init__(self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        below_one = math.nextafter(1, 0)
        self.beta_1 = _registry.real(beta_1, "beta_1", 0, below_one)
        self.beta_2 = _registry.real(beta_2, "beta_2", 0, below_one)
        self.epsilon = _registry.real(epsilon, "epsilon", 0, math.inf)

    def _step(self, weights: np.ndarray, gradients: np.ndarray) -> None:
        rate = self.learning_rate * math.sqrt(1 - self.beta_2**self.iterations) / (1 - self.beta_1**self.iterations)
        mean, square = self.slots["momentum"], self.slots["velocity"]
        updates.adam_step(weights, gradients, mean, square, rate, (1 - self.beta_1, 1 - self.beta_2), self.epsilon)


_CLASSES = _registry.table(SGD, Adam)


def get(identifier: Any) -> Optimizer:
    """Return the optimizer that `identifier` stands for: an `Optimizer`, or the name of one with its defaults.

    Examples
    --------
    >>> from fastcnn import optimizers
    >>> optimizers.get("adam").learning_rate
    0.001
    """
    return _registry.resolve(identifier, _CLASSES, "optimizer", Optimizer)
