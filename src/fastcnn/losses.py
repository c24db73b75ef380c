"""Losses, with Keras's names and numerics: the mean over a batch, and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _targets, _validate
from fastcnn._settings import Flag, Real, flag, real
from fastcnn.ops.dense import softmax_cross_entropies
from fastcnn.ops.elementwise import working

#: Keras keeps probabilities this far from 0 and 1 before it takes their logarithm.
EPSILON = 1e-7


class Loss(_registry.Configurable):
    """The base of all losses. A subclass gives `losses_and_slopes`, and `check_targets` if targets have not the outputs' shape.

    Raises
    ------
    TypeError, ValueError
        In a call, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.losses.Loss``.

    Examples
    --------
    A loss of one's own:

    >>> import numpy as np
    >>> from fastcnn.losses import Loss
    >>> class LogCosh(Loss):
    ...     def losses_and_slopes(self, y_true, y_pred):
    ...         error = y_pred - y_true
    ...         return np.log(np.cosh(error)).mean(axis=-1), np.tanh(error) / error.shape[-1]
    >>> round(LogCosh()([[0.0, 1.0]], [[2.0, 1.0]]), 4)
    0.6625
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return `y_true` in the form that `losses_and_slopes` takes, here float32, if it fits outputs of `output_shape` (None, ...)."""
        return _targets.like_outputs(y_true, output_shape)

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss of each prediction, (N, ...) for `y_pred` (N, ..., C), and their derivatives by it, (N, ..., C)."""
        raise NotImplementedError

    def value_and_gradient(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: ArrayLike | None = None
    ) -> tuple[float, np.ndarray]:
        """Return the sum of the weighted losses divided by their number, and its gradient by `y_pred`.

        Parameters
        ----------
        y_true, y_pred : ndarray
            Targets that have passed `check_targets`, and predictions, of float32.
        sample_weight : array_like, optional
            A weight for each sample, (N,), or for each loss.
        """
        losses, slopes = self.losses_and_slopes(y_true, y_pred)
        if sample_weight is None:
            return _mean(losses), slopes / losses.size
        weights = _targets.weights(sample_weight, losses.shape, losses.dtype)
        return _mean(losses * weights), slopes * (weights[..., None] / losses.size)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the loss of the predictions `y_pred` for the targets `y_true`, as `value_and_gradient` does."""
        predictions = _targets.predictions(y_pred)
        _validate.not_empty(predictions.shape, "y_pred")
        return self.value_and_gradient(self.check_targets(y_true, predictions.shape), predictions, sample_weight)[0]

    def fused_with(self, activation: str) -> Loss | None:
        """Return this loss as a function of what goes into `activation`, or None where that is no better."""
        return None


def _mean(losses: np.ndarray) -> float:
    return float(losses.sum(dtype=np.float64) / losses.size)  # what NumPy's mean is, in fewer steps


class _Crossentropy(Loss):
    """A cross-entropy of probabilities, or of what goes into the activation that makes probabilities.

    The gradient through both is p - t, exact where p itself has underflowed or is 1.
    """

    _activation = "softmax"
    from_logits: Flag = flag(False)

    def fused_with(self, activation: str) -> Loss | None:
        """Return this loss of the logits, if `activation` makes probabilities of them."""
        if self.from_logits or activation != self._activation:
            return None
        return self.from_config(self.get_config() | {"from_logits": True})


class _Smoothed(_Crossentropy):
    """A cross-entropy with targets that may be moved towards what is said by none of them."""

    label_smoothing: Real = real(0, 1, 0.0)

    def _smooth(self, targets: np.ndarray, towards: float) -> np.ndarray:
        share = self.label_smoothing
        return targets * (1 - share) + share * towards if share else targets


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy, with the number of the true class as the target.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are what goes into a softmax, rather than probabilities.

    Raises
    ------
    TypeError, ValueError
        For a `from_logits` that is no bool; in a call, for targets that are no numbers of classes, and for targets, predictions and weights
        that do not fit each other.

    Notes
    -----
    Targets (N, ...) of integers from 0 to C - 1, or (N, ..., 1); predictions (N, ..., C). Probabilities are kept within 1e-7 of 0
    and 1 and made to sum to 1 again.

    References
    ----------
    ``keras.losses.SparseCategoricalCrossentropy``, on TensorFlow.

    Examples
    --------
    >>> from fastcnn.losses import SparseCategoricalCrossentropy
    >>> round(SparseCategoricalCrossentropy()([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)
    1.1769
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return `y_true` as int64 (N, ...)."""
        return _targets.class_numbers(_targets.labels(y_true, output_shape), output_shape[-1] or 0)

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses of probabilities, and their derivatives."""
        clipped, inside = _clip(y_pred)
        total, labels = clipped.sum(axis=-1, keepdims=True), y_true[..., None]
        true = np.take_along_axis(clipped, labels, axis=-1)
        slopes = inside / total
        true_slopes = np.take_along_axis(inside, labels, axis=-1) * (1 / total - 1 / true)
        np.put_along_axis(slopes, labels, true_slopes, axis=-1)
        return (np.log(total) - np.log(true))[..., 0], slopes

    def value_and_gradient(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: ArrayLike | None = None
    ) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient; of logits, both come from one kernel."""
        if not self.from_logits:
            return super().value_and_gradient(y_true, y_pred, sample_weight)
        loss, losses, gradient = softmax_cross_entropies(working(y_pred).reshape(-1, y_pred.shape[-1]), y_true.reshape(-1))
        gradient = gradient.reshape(y_pred.shape)
        if sample_weight is not None:
            weights = _targets.weights(sample_weight, y_true.shape, losses.dtype)
            loss = _mean(losses * weights.reshape(-1))
            gradient *= weights[..., None]
        return loss, gradient


class CategoricalCrossentropy(_Smoothed):
    """Cross-entropy, with a probability for each class as the target ("one-hot", or softer).

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are what goes into a softmax, rather than probabilities.
    label_smoothing : float, default 0
        How much of each target, in [0, 1], is shared out evenly among the C classes.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, or a `label_smoothing` outside of [0, 1]; in a call, for targets, predictions and weights that do
        not fit each other.

    Notes
    -----
    Targets and predictions (N, ..., C). Probabilities are made to sum to 1 and kept within 1e-7 of 0 and 1.

    References
    ----------
    ``keras.losses.CategoricalCrossentropy``.

    Examples
    --------
    >>> from fastcnn.losses import CategoricalCrossentropy
    >>> round(CategoricalCrossentropy()([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)
    1.1769
    """

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses, and their derivatives."""
        targets = self._smooth(y_true, 1 / y_pred.shape[-1])
        if self.from_logits:
            shifted = y_pred - y_pred.max(axis=-1, keepdims=True)
            logarithms = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
            slopes = np.exp(logarithms) * targets.sum(axis=-1, keepdims=True) - targets
        else:
            total = y_pred.sum(axis=-1, keepdims=True)
            probabilities = y_pred / total
            clipped, inside = _clip(probabilities)
            logarithms = np.log(clipped)
            slopes = -targets / clipped * inside
            slopes = (slopes - np.sum(slopes * probabilities, axis=-1, keepdims=True)) / total
        return -np.sum(targets * logarithms, axis=-1), slopes


class BinaryCrossentropy(_Smoothed):
    """Cross-entropy of outputs that are each a question of their own, with 0 or 1 as the target, or a probability.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are what goes into a sigmoid, rather than probabilities.
    label_smoothing : float, default 0
        How far targets, in [0, 1], are moved towards 0.5.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, or a `label_smoothing` outside of [0, 1]; in a call, for targets, predictions and weights that do
        not fit each other.

    Notes
    -----
    Targets and predictions of one shape; targets may lack a last axis of length 1. Probabilities are kept within 1e-7 of 0 and 1.

    References
    ----------
    ``keras.losses.BinaryCrossentropy``.

    Examples
    --------
    >>> from fastcnn.losses import BinaryCrossentropy
    >>> round(BinaryCrossentropy()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]), 4)
    0.8149
    """

    _activation = "sigmoid"

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses, and their derivatives."""
        targets = self._smooth(y_true, 0.5)
        if self.from_logits:
            small = np.exp(-np.abs(y_pred))
            losses = np.maximum(y_pred, 0) - y_pred * targets + np.log1p(small)
            less_likely = small / (1 + small)  # the probability of the answer that the logit's sign speaks against
            return _over_outputs(losses, np.where(y_pred >= 0, 1 - targets - less_likely, less_likely - targets))
        clipped, inside = _clip(y_pred)
        losses = -(targets * np.log(clipped) + (1 - targets) * np.log(1 - clipped))
        return _over_outputs(losses, (clipped - targets) / (clipped * (1 - clipped)) * inside)


class MeanSquaredError(Loss):
    """The mean of the squared differences.

    Raises
    ------
    TypeError, ValueError
        In a call, for targets, predictions and weights that do not fit each other.

    Notes
    -----
    Targets and predictions of one shape; targets may lack a last axis of length 1.

    References
    ----------
    ``keras.losses.MeanSquaredError``.

    Examples
    --------
    >>> from fastcnn.losses import MeanSquaredError
    >>> MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [1, 0]])
    0.5
    """

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses, and their derivatives."""
        error = y_pred - y_true
        return _over_outputs(error * error, 2 * error)


class MeanAbsoluteError(Loss):
    """The mean of the differences' sizes.

    Raises
    ------
    TypeError, ValueError
        In a call, for targets, predictions and weights that do not fit each other.

    Notes
    -----
    Targets and predictions as for `MeanSquaredError`. Where there is no difference, the gradient is 0.

    References
    ----------
    ``keras.losses.MeanAbsoluteError``.

    Examples
    --------
    >>> from fastcnn.losses import MeanAbsoluteError
    >>> MeanAbsoluteError()([[0, 1], [0, 0]], [[3, 1], [1, 0]])
    1.0
    """

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses, and their derivatives."""
        error = y_pred - y_true
        return _over_outputs(np.abs(error), np.sign(error))


class Huber(Loss):
    """Half the squared difference where it is at most `delta`, and from there on in a straight line.

    Parameters
    ----------
    delta : float, default 1

    Raises
    ------
    TypeError, ValueError
        For a `delta` that is no number, or a negative one; in a call, for targets, predictions and weights that do not fit each other.

    Notes
    -----
    Targets and predictions as for `MeanSquaredError`.

    References
    ----------
    P. J. Huber: Robust estimation of a location parameter. Ann. Math. Statist. 35 (1964); as ``keras.losses.Huber``.

    Examples
    --------
    >>> from fastcnn.losses import Huber
    >>> Huber()([[0, 1]], [[3, 2]])
    1.5
    """

    delta: Real = real(0, math.inf, 1.0)

    def losses_and_slopes(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses, and their derivatives."""
        error = y_pred - y_true
        slopes = np.clip(error, -self.delta, self.delta)
        return _over_outputs(slopes * (error - slopes / 2), slopes)


def _over_outputs(losses: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means over the last axis of losses of each output by itself, and their derivatives, of the losses' own `slopes`."""
    return losses.mean(axis=-1), slopes / losses.shape[-1]


def _clip(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities kept from 0 and 1, and where they needed no keeping (elsewhere the gradient is 0)."""
    clipped = np.clip(probabilities, EPSILON, 1 - EPSILON)
    return clipped, clipped == probabilities


_ALIASES = {"bce": BinaryCrossentropy, "mse": MeanSquaredError, "mae": MeanAbsoluteError}
_CLASSES = _registry.table(*_registry.defined(__name__, Loss), **_ALIASES)
__all__ = ["Loss", "get", *(cls.__name__ for cls in _registry.defined(__name__, Loss))]


def get(identifier: Any) -> Loss:
    """Return the loss that `identifier` stands for: a `Loss`, or the name of one with its defaults.

    Parameters
    ----------
    identifier : Loss or str

    Raises
    ------
    TypeError, ValueError
        For what is neither, or an unknown name.

    References
    ----------
    ``keras.losses.get``.

    Examples
    --------
    >>> from fastcnn import losses
    >>> losses.get("mse")([[1.0]], [[3.0]])
    4.0
    """
    return _registry.resolve(identifier, _CLASSES, "loss", Loss)
