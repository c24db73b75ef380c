"""What inference makes of a convolution and the layers behind it: one convolution, with other weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from fastcnn.layers import activations
from fastcnn.layers.activated import ActivatedLayer
from fastcnn.layers.conv import Conv2D, DepthwiseConv2D
from fastcnn.layers.core import Activation
from fastcnn.layers.normalization import BatchNormalization


class FoldedWeights(Mapping[str, np.ndarray]):
    """The kernel and the bias of a convolution that does what it and a batch normalization do, as both are now."""

    def __init__(self, conv: Conv2D | DepthwiseConv2D, norm: BatchNormalization) -> None:
        self._conv, self._norm = conv, norm
        self._folded: tuple[int, dict[str, np.ndarray]] | None = None

    def _current(self) -> dict[str, np.ndarray]:
        """Return the weights, computed anew if a layer's have changed."""
        version = self._conv.version + self._norm.version  # as it is before the weights are read
        folded = self._folded
        if folded is None or folded[0] != version:
            shift, factor, offset = self._norm.inference()
            kernel, bias = self._conv.weights["kernel"], self._conv.weights.get("bias", np.zeros_like(offset))
            # The last axis of a kernel, or the last two of a depthwise one, are the output channels.
            channels = kernel.shape[2:] if isinstance(self._conv, DepthwiseConv2D) else kernel.shape[3:]
            with np.errstate(over="ignore", invalid="ignore"):
                weights = {"kernel": kernel * factor.reshape(channels), "bias": (bias - shift) * factor + offset}
            folded = self._folded = version, weights
        return folded[1]

    def __getitem__(self, name: str) -> np.ndarray:
        return self._current()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("kernel", "bias"))

    def __len__(self) -> int:
        return 2


def normalized(first: Any, second: Any) -> ActivatedLayer | None:
    """Return a linear convolution and the batch normalization of its channels as one convolution, or None if they are not such a pair."""
    if type(first) not in (Conv2D, DepthwiseConv2D) or first.activation != "linear":
        return None
    if type(second) is not BatchNormalization or second.axis not in (-1, 3):
        return None
    folded = cast(ActivatedLayer, first.without_activation())
    folded._weights = cast(dict[str, np.ndarray], FoldedWeights(first, second))
    return folded


def activated(first: Any, second: Any) -> ActivatedLayer | None:
    """Return a linear convolution and the activation behind it as one, or None if its kernel does not apply that; bits are the same."""
    if not isinstance(first, Conv2D | DepthwiseConv2D) or first.activation != "linear":
        return None
    if not isinstance(second, Activation) or second.activation not in first._fused:
        return None
    folded = first.without_activation()
    folded._function = activations.get(second.activation)
    return folded
