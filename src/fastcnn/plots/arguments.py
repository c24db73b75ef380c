"""What pictures are made of: planes, images, batches of a model's inputs, names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _validate
from fastcnn.models import Model


def plane(value: ArrayLike, name: str) -> np.ndarray:
    """Return `value` as a plane (H, W), which may have been written (H, W, 1)."""
    array = _validate.array(value, name, (2, 3))
    if array.ndim == 3:
        if array.shape[-1] != 1:
            raise ValueError(f"{name} must have the shape (H, W), got {array.shape}")
        array = array[..., 0]
    _validate.not_empty(array.shape, name)
    return array


def images(value: ArrayLike, name: str = "x") -> np.ndarray:
    """Return `value` as images (N, H, W, C), if they can be shown."""
    array = _validate.array(value, name, (4,))
    _validate.not_empty(array.shape, name)
    if array.shape[-1] not in (1, 3):
        raise ValueError(f"{name} must be images of 1 or 3 channels to be drawn, got shape {array.shape}")
    return array


def batch(model: Model, x: Any) -> np.ndarray:
    """Return `x` as a batch of a model's inputs; it may be one input alone, without the batch."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be a fastcnn model, got {model!r:.100} of type {type(model).__name__}")
    array = _validate.array(x, "x", range(1, 33))
    if len(model.inputs) != 1:
        raise ValueError(f"model must have one input, got {len(model.inputs)}")
    wanted = model.input_shape[1:]
    if array.shape == wanted or (wanted[-1] == 1 and array.shape == wanted[:-1]):
        array = array[None]
    result = model._check_inputs(array)[0]
    _validate.not_empty(result.shape, "x")
    return result


def class_names(model: Model | None, names: Sequence[str] | None, classes: int) -> list[str]:
    """Return the names of a model's classes: those given, or its own, or numbers."""
    if names is None:
        own = model.class_names if model is not None else []
        return list(own) if len(own) == classes else [str(number) for number in range(classes)]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"class_names must be strings, got {names!r:.100}")
    if len(names) != classes:
        raise ValueError(f"class_names must be {classes}, got {len(names)}")
    return list(names)
