"""Gradient descent, and its relatives that remember where they were going."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn import _registry, _validate
from fastcnn.optimizers.base import Optimizer
from fastcnn.optimizers.schedules import LearningRateSchedule


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.01
    momentum : float, default 0.0
        In [0, 1].
    nesterov : bool, default False
        Take the gradient step ahead of the momentum's.
    **options
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a `momentum` outside of [0, 1], or what `Optimizer` refuses.

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

    def __init__(
        self, learning_rate: float | LearningRateSchedule = 0.01, momentum: float = 0.0, nesterov: bool = False, **options: Any
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = _registry.real(momentum, "momentum", 0, 1)
        self.nesterov = _validate.boolean(nesterov, "nesterov")
        self._slot_names = ("momentum" if self.momentum else None,)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        return "sgd", (rate, self.momentum, self.nesterov)


class Lion(Optimizer):
    """Steps of one length for every weight, by the sign of a running mean of its gradients.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    beta_1 : float, default 0.9
        The share of the running mean, in (0, 1], in what gives the sign; the rest is the gradient's.
    beta_2 : float, default 0.99
        The share of it that stays from step to step, in [0, 1].
    **options
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a share out of its range, or what `Optimizer` refuses.

    References
    ----------
    X. Chen et al.: Symbolic discovery of optimization algorithms. NeurIPS 2023; as ``keras.optimizers.Lion``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import Lion
    >>> weights, lion = np.zeros(3, np.float32), Lion(learning_rate=0.5)
    >>> lion.build([3])
    >>> lion.update(weights, np.array([7, 0, -0.01], np.float32))
    >>> weights
    array([-0.5,  0. ,  0.5], dtype=float32)
    """

    _slot_names = ("momentum",)

    def __init__(
        self, learning_rate: float | LearningRateSchedule = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Any
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = _registry.real(beta_1, "beta_1", math.ulp(0), 1)
        self.beta_2 = _registry.real(beta_2, "beta_2", 0, 1)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        return "lion", (rate, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2)
