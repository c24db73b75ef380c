"""The rules of the optimizers: gradient descent, with a memory of where it was going, or scaled by the size of gradients so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn._settings import Flag, Real, Setting, flag, real
from fastcnn.optimizers.base import LearningRate, Optimizer

_BELOW_ONE = math.nextafter(1, 0)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.01
    momentum : float, default 0.0
        In [0, 1].
    nesterov : bool, default False
        Take the gradient step ahead of the momentum's.
    weight_decay, clipnorm, clipvalue, global_clipnorm, gradient_accumulation_steps
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

    learning_rate: LearningRate = LearningRate(0.01)
    momentum: Real = real(0, 1, 0.0)
    nesterov: Flag = flag(False)

    @property
    def _slot_names(self) -> tuple[str | None, ...]:
        return ("momentum" if self.momentum else None,)

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
    weight_decay, clipnorm, clipvalue, global_clipnorm, gradient_accumulation_steps
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
    beta_1: Real = real(math.ulp(0), 1, 0.9)
    beta_2: Real = real(0, 1, 0.99)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        return "lion", (rate, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2)


class Adam(Optimizer):
    """Steps scaled by running estimates of each gradient's mean and mean square.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
        The decay of the estimates of the mean and of the mean square, in [0, 1).
    epsilon : float, default 1e-7
        Added to the root of the mean square.
    weight_decay, clipnorm, clipvalue, global_clipnorm, gradient_accumulation_steps
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a decay outside of [0, 1), a negative `epsilon`, or what `Optimizer` refuses.

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
    beta_1: Real = real(0, _BELOW_ONE, 0.9)
    beta_2: Real = real(0, _BELOW_ONE, 0.999)
    epsilon: Real = real(0, math.inf, 1e-7)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        step = self.iterations + 1
        rate *= math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return "adam", (rate, 1 - self.beta_1, 1 - self.beta_2, self.epsilon)


class AdamW(Adam):
    """Adam with weight decay.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    weight_decay : float, default 0.004
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-7
        See `Adam`.
    clipnorm, clipvalue, global_clipnorm, gradient_accumulation_steps
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a decay outside of [0, 1), a negative `epsilon`, or what `Optimizer` refuses.

    References
    ----------
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR 2019; as ``keras.optimizers.AdamW``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import AdamW
    >>> weights, adam = np.ones(2, np.float32), AdamW(learning_rate=0.1, weight_decay=0.5)
    >>> adam.build([2])
    >>> adam.update(weights, np.array([3, 0], np.float32))
    >>> weights.round(4)
    array([0.85, 0.95], dtype=float32)
    """

    weight_decay: Setting[Any, Any] = real(0, math.inf, 0.004)


class RMSprop(Optimizer):
    """Gradients divided by the root of their running mean square.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    rho : float, default 0.9
        The decay of the running means, in [0, 1].
    momentum : float, default 0.0
        The share of a step that is made again in the next, in [0, 1].
    epsilon : float, default 1e-7
        Added to the mean square, below the root.
    centered : bool, default False
        Take the square of the running mean from the mean square, which leaves the variance. Where rounding would make that less than
        nothing, it is nothing.
    weight_decay, clipnorm, clipvalue, global_clipnorm, gradient_accumulation_steps
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, `rho` or `momentum` outside of [0, 1], a negative `epsilon`, or what `Optimizer` refuses.

    References
    ----------
    G. Hinton: Neural networks for machine learning, lecture 6e. 2012; as ``keras.optimizers.RMSprop``. The centered form: A. Graves:
    Generating sequences with recurrent neural networks. arXiv:1308.0850, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.optimizers import RMSprop
    >>> weights, rmsprop = np.zeros(2, np.float32), RMSprop(learning_rate=0.1)
    >>> rmsprop.build([2])
    >>> rmsprop.update(weights, np.array([3, -0.5], np.float32))
    >>> weights.round(4)
    array([-0.3162,  0.3162], dtype=float32)
    """

    rho: Real = real(0, 1, 0.9)
    momentum: Real = real(0, 1, 0.0)
    epsilon: Real = real(0, math.inf, 1e-7)
    centered: Flag = flag(False)

    @property
    def _slot_names(self) -> tuple[str | None, ...]:
        return ("velocity", "momentum" if self.momentum else None, "average_gradient" if self.centered else None)

    def _next_step(self, rate: float) -> tuple[str, Sequence[float]]:
        return "rmsprop", (rate, self.rho, 1 - self.rho, self.momentum, self.epsilon)
