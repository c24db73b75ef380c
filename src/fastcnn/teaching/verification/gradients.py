"""Gradients by central differences: what a number of the input moves, and so what the gradient must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .operations import Arrays

#: A power of 2, so that x + STEP is exact; small beside what lies between two pixels, for the same one to win its window.
STEP = 2.0**-10

Forward = Callable[[Arrays], np.ndarray]


def slope(forward: Forward, arrays: Arrays, name: str, index: tuple[int, ...], dy: Any) -> float:
    """Return how much ``sum(dy * forward(arrays))`` grows per unit of one number of the array `name`, in float64."""
    ends = []
    for step in (STEP, -STEP):
        moved = {key: np.array(array, np.float64) for key, array in arrays.items()}
        moved[name][index] += step
        ends.append(float(np.sum(dy * forward(moved))))
    return (ends[0] - ends[1]) / (2 * STEP)


def gradient(forward: Forward, arrays: Arrays, name: str, dy: Any) -> np.ndarray:
    """Return all slopes of the array `name`: the gradient."""
    shape = arrays[name].shape
    slopes = [slope(forward, arrays, name, index, dy) for index in np.ndindex(shape)]
    return np.array(slopes).reshape(shape)
