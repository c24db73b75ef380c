"""Names: of layers in a model, and of their weights in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn.layers.base import Layer


def keyed_layers(listed: Sequence[Layer]) -> dict[str, Layer]:
    """Return layers by names that are unique in a model: "conv2d", "conv2d_1" for those that were not given one."""
    given = Counter(layer.name for layer in listed if layer.name_is_given)
    if doubled := sorted(name for name, count in given.items() if count > 1):
        raise ValueError(f"name must be unique in a model, got several layers called {', '.join(map(repr, doubled))}")
    keys: dict[Layer, str] = {}
    taken = set(given)
    for layer in sorted(listed, key=lambda layer: layer.created):
        key, number = layer.name, 0
        while not layer.name_is_given and key in taken:
            number += 1
            key = f"{layer.name}_{number}"
        keys[layer] = key
        taken.add(key)
    keyed = {keys[layer]: layer for layer in listed}
    for key, layer in keyed.items():
        if not layer.is_named:  # the first model decides; another one may know the layer by another name
            layer.name, layer.is_named = key, True
    return keyed


def under(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays with "folder/" before their names."""
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def below(folder: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays whose names begin with "folder/", without that."""
    return {name.removeprefix(f"{folder}/"): array for name, array in arrays.items() if name.startswith(f"{folder}/")}
