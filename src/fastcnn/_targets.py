"""What losses and metrics take beside predictions: targets that fit their shape, numbers of classes, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastcnn import _validate

#: The shape of outputs, with None for a batch of any size.
OutputShape: TypeAlias = Sequence[int | None]


def _fits(shape: Sequence[int], wanted: OutputShape) -> bool:
    return len(shape) == len(wanted) and all(size in (got, None) for got, size in zip(shape, wanted, strict=True))


def _shown(shape: OutputShape) -> str:
    return str(tuple("N" if size is None else size for size in shape)).replace("'N'", "N")


def predictions(y_pred: ArrayLike) -> np.ndarray:
    """Return `y_pred` as float32, as a model gives it."""
    if isinstance(y_pred, np.ndarray) and y_pred.dtype == np.float32 and y_pred.flags.carray and y_pred.size:
        return y_pred  # as a model has given it
    result = _validate.array(y_pred, "y_pred", range(1, 33))
    _validate.not_empty(result.shape, "y_pred", first=1)
    return _validate.contiguous(result, np.float32)


def like_outputs(y_true: ArrayLike, output_shape: OutputShape, name: str = "y") -> np.ndarray:
    """Return `y_true` as float32 in `output_shape`; a last axis of length 1 may be missing, or too many."""
    targets = _validate.array(y_true, name, range(1, 33))
    if output_shape[-1] == 1 and targets.ndim == len(output_shape) - 1:
        targets = targets[..., None]
    elif targets.shape[-1] == 1 and targets.ndim == len(output_shape) + 1:
        targets = targets[..., 0]
    if not _fits(targets.shape, output_shape):
        raise ValueError(f"{name} must have the shape of the outputs, {_shown(output_shape)}, got {targets.shape}")
    return _validate.contiguous(targets, np.float32)


def labels(y_true: ArrayLike, output_shape: OutputShape, name: str = "y") -> np.ndarray:
    """Return `y_true`, numbers of classes, in `output_shape` without its last axis; it may have one of length 1 there."""
    targets = _validate.array(y_true, name, range(1, 33))
    if targets.ndim == len(output_shape) and targets.shape[-1] == 1:
        targets = targets[..., 0]
    if not _fits(targets.shape, output_shape[:-1]):
        raise ValueError(
            f"{name} must be the numbers of classes, of shape {_shown(output_shape[:-1])}, got shape {targets.shape}; "
            "for targets with one entry a class, use categorical_crossentropy, categorical_accuracy and the like"
        )
    return targets


def class_numbers(numbers: np.ndarray, classes: int, name: str = "y") -> np.ndarray:
    """Return `numbers` as int64, if they are whole and from 0 to `classes` - 1."""
    with np.errstate(invalid="ignore"):  # a NaN is found out just below
        whole = numbers.astype(np.int64)
    wrong = numbers[(whole != numbers) | (whole < 0) | (whole >= classes)]
    if wrong.size:
        raise ValueError(f"{name} must hold whole numbers from 0 to {classes - 1}, got {wrong[0]}")
    return whole


def weights(sample_weight: ArrayLike, shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Return `sample_weight` as `dtype`, spread over values of `shape` (N, ...), whose first axes its own axes are.

    So (N,) holds a weight for each sample, however many values a sample has. A last axis of length 1 more than `shape` has is ignored.
    """
    given = _validate.array(sample_weight, "sample_weight", range(33))
    result: np.ndarray = given[..., 0] if given.ndim == len(shape) + 1 and given.shape[-1] == 1 else given
    result = result.reshape(result.shape + (1,) * (len(shape) - result.ndim))
    try:
        return np.broadcast_to(result.astype(dtype, copy=False), shape)
    except ValueError:
        wanted = f"a weight for each sample or value, of shape {tuple(shape)}"
        raise ValueError(f"sample_weight must have {wanted}, got shape {given.shape}") from None


def batch_weights(sample_weight: ArrayLike | None, class_weight: Mapping[int, float] | None, labels: Any, count: int) -> np.ndarray | None:
    """Return a float32 weight for each of `count` samples, or None where all count alike; `labels` are targets of classes."""
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(count, np.float32)
    if sample_weight is not None:
        weights = _validate.contiguous(_validate.array(sample_weight, "sample_weight", range(1, 33)), np.float32)
        if len(weights) != count:
            raise ValueError(f"sample_weight must have an entry for each of the {count} samples, got {len(weights)}")
    if class_weight is None:
        return weights
    if labels is None or not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dictionary, for a model with one output, got {class_weight!r}")
    one_hot = labels.ndim > 1 and labels.shape[-1] > 1
    classes = (labels.argmax(axis=-1) if one_hot else np.rint(labels)).reshape(count)
    factors = {int(label): _validate.real(weight, "class_weight", 0, np.inf) for label, weight in class_weight.items()}
    found = np.array([factors.get(int(label), 1.0) for label in classes], np.float32)  # as in Keras, others count as 1
    return weights * found.reshape(-1, *([1] * (weights.ndim - 1)))
