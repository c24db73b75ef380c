"""Losses, with Keras's names and numerics: the mean over a batch, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _validate, ops

__all__ = ["CategoricalCrossentropy", "Loss", "MeanSquaredError", "SparseCategoricalCrossentropy", "get"]

#: Keras keeps probabilities this far from 0 and 1 before it takes their logarithm.
EPSILON = np.float32(1e-7)


class Loss(_registry.Configurable):
    """The base of all losses. A subclass gives `check_targets` and `value_and_gradient`."""

    def check_targets(self, y_true: ArrayLike, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """Return `y_true` in the form that `value_and_gradient` takes, if it fits outputs of `output_shape` (None, ...)."""
        raise NotImplementedError

    def value_and_gradient(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss and its gradient by `y_pred`; `y_true` has passed `check_targets`."""
        raise NotImplementedError

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """Return the mean loss of the predictions `y_pred` for the targets `y_true`."""
        predictions = _validate.contiguous(_validate.array(y_pred, "y_pred", range(1, 33)), np.float32)
        targets = self.check_targets(y_true, (None, *predictions.shape[1:]))
        if len(targets) != len(predictions):
            raise ValueError(f"y_true must have as many entries as y_pred, got {len(targets)} and {len(predictions)}")
        return self.value_and_gradient(targets, predictions)[0]

    def fused_with(self, activation: str) -> Loss | None:
        """Return this loss as a function of what goes into `activation`, or None where that is no better.

        The gradient through a softmax and a cross-entropy is p - t, exact where p itself has underflowed.
        """
        return None


class _Crossentropy(Loss):
    """Cross-entropy of classes along the last axis."""

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = _validate.boolean(from_logits, "from_logits")

    def fused_with(self, activation: str) -> Loss | None:
        """Return this loss of the logits, if `activation` is "softmax"."""
        return type(self)(from_logits=True) if activation == "softmax" and not self.from_logits else None


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy, with the number of the true class as the target.

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are what goes into a softmax, rather than probabilities.

    Notes
    -----
    Targets (N, ...) of integers from 0 to C - 1, or (N, ..., 1); predictions (N, ..., C). Probabilities are kept within 1e-7 of 0
    and 1 and made to sum to 1 again, as ``keras.losses.SparseCategoricalCrossentropy`` does with TensorFlow.

    Examples
    --------
    >>> from fastcnn.losses import SparseCategoricalCrossentropy
    >>> round(SparseCategoricalCrossentropy()([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)
    1.1769
    """

    def check_targets(self, y_true: ArrayLike, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """Return `y_true` as int64 (N, ...)."""
        labels = _validate.array(y_true, "y", range(1, 33))
        if labels.ndim == len(output_shape) and labels.shape[-1] == 1:
            labels = labels[..., 0]
        if labels.shape[1:] != output_shape[1:-1]:
            raise ValueError(
                f"y must be the numbers of classes, of shape {('N', *output_shape[1:-1])}, got shape {labels.shape}; "
                "for targets with one entry a class, use categorical_crossentropy"
            )
        with np.errstate(invalid="ignore"):  # a NaN is found out just below
            numbers = labels.astype(np.int64)
        classes = output_shape[-1] or 0
        wrong = labels[(numbers != labels) | (numbers < 0) | (numbers >= classes)]
        if wrong.size:
            raise ValueError(f"y must hold whole numbers from 0 to {classes - 1}, got {wrong[0]}")
        return numbers

    def value_and_gradient(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss and its gradient by `y_pred`."""
        rows, labels = y_pred.reshape(-1, y_pred.shape[-1]), y_true.reshape(-1)
        if self.from_logits:
            loss, gradient = ops.softmax_cross_entropy(rows, labels)
            return float(loss), gradient.reshape(y_pred.shape)
        clipped, inside = _clip(rows)
        total, true = clipped.sum(axis=1), clipped[np.arange(len(rows)), labels]
        gradient = np.repeat(1 / total[:, None], rows.shape[1], axis=1)
        gradient[np.arange(len(rows)), labels] -= 1 / true
        gradient *= inside
        gradient /= len(rows)
        return float(np.mean(np.log(total) - np.log(true))), gradient.reshape(y_pred.shape)


class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy, with a probability for each class as the target ("one-hot", or softer).

    Parameters
    ----------
    from_logits : bool, default False
        Whether predictions are what goes into a softmax, rather than probabilities.

    Notes
    -----
    Targets and predictions (N, ..., C). Probabilities are made to sum to 1 and kept within 1e-7 of 0 and 1, as
    ``keras.losses.CategoricalCrossentropy`` does.

    Examples
    --------
    >>> from fastcnn.losses import CategoricalCrossentropy
    >>> round(CategoricalCrossentropy()([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)
    1.1769
    """

    def check_targets(self, y_true: ArrayLike, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """Return `y_true` as float32 (N, ..., C)."""
        return _dense_targets(y_true, output_shape)

    def value_and_gradient(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss and its gradient by `y_pred`."""
        count = y_pred.size // y_pred.shape[-1]
        if self.from_logits:
            shifted = y_pred - y_pred.max(axis=-1, keepdims=True)
            logarithms = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
            gradient = np.exp(logarithms) * y_true.sum(axis=-1, keepdims=True) - y_true
        else:
            total = y_pred.sum(axis=-1, keepdims=True)
            probabilities = y_pred / total
            clipped, inside = _clip(probabilities)
            logarithms = np.log(clipped)
            slope = -y_true / clipped * inside
            gradient = (slope - np.sum(slope * probabilities, axis=-1, keepdims=True)) / total
        return float(-np.sum(y_true * logarithms) / count), gradient / count


class MeanSquaredError(Loss):
    """The mean of the squared differences.

    Notes
    -----
    Targets and predictions of one shape; targets may lack a last axis of length 1. Conventions are those of
    ``keras.losses.MeanSquaredError``.

    Examples
    --------
    >>> from fastcnn.losses import MeanSquaredError
    >>> MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [1, 0]])
    0.5
    """

    def check_targets(self, y_true: ArrayLike, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """Return `y_true` as float32 in the predictions' shape."""
        return _dense_targets(y_true, output_shape)

    def value_and_gradient(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss and its gradient by `y_pred`."""
        difference = y_pred - y_true
        return float(np.mean(difference * difference)), difference * (2 / difference.size)


def _dense_targets(y_true: ArrayLike, output_shape: tuple[int | None, ...]) -> np.ndarray:
    """Return `y_true` as float32 in the shape of the predictions, of which it may lack a last axis of length 1."""
    targets = _validate.array(y_true, "y", range(1, 33))
    if targets.ndim == len(output_shape) - 1 and output_shape[-1] == 1:
        targets = targets[..., None]
    if targets.ndim != len(output_shape) or targets.shape[1:] != output_shape[1:]:
        raise ValueError(f"y must have the shape of the model's outputs, {('N', *output_shape[1:])}, got {targets.shape}")
    return _validate.contiguous(targets, np.float32)


def _clip(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities kept from 0 and 1, and where they needed no keeping (elsewhere the gradient is 0)."""
    clipped = np.clip(probabilities, EPSILON, 1 - EPSILON)
    return clipped, clipped == probabilities


_CLASSES = _registry.table(SparseCategoricalCrossentropy, CategoricalCrossentropy, MeanSquaredError, mse=MeanSquaredError)


def get(identifier: Any) -> Loss:
    """Return the loss that `identifier` stands for: a `Loss`, or the name of one with its defaults.

    Examples
    --------
    >>> from fastcnn import losses
    >>> losses.get("mse")([[1.0]], [[3.0]])
    4.0
    """
    return _registry.resolve(identifier, _CLASSES, "loss", Loss)
