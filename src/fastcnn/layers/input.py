"""Where a network begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn.graph import Node, Shape, Tensor
from fastcnn.layers.base import Layer, batch_shape
from fastcnn.random import Draws


class InputLayer(Layer):
    """The layer that `Input` makes: it passes on what the model is given.

    Parameters
    ----------
    shape : sequence of int
        The shape of one input, without the batch.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        For a `shape` that is no sequence of positive integers, or a `name` that no layer can have.

    References
    ----------
    ``keras.layers.InputLayer``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.InputLayer((28, 28, 1)).output.shape
    (None, 28, 28, 1)
    """

    _not_configured = frozenset({"input_shape", "trainable"})

    def __init__(self, shape: Sequence[int | None], name: str | None = None) -> None:
        super().__init__(name=name)
        self.shape = tuple(batch_shape(shape, "shape")[1:])
        self.built = True
        self.nodes.append(Node(self, (), [(None, *self.shape)]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`."""
        return input_shape

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return `x`."""
        return x, None


def Input(shape: Sequence[int | None], name: str | None = None) -> Tensor:
    """Describe what a model is given.

    Parameters
    ----------
    shape : sequence of int
        The shape of one input, without the batch.
    name : str, optional

    Returns
    -------
    Tensor
        To be passed to layers, or the first entry of a `Sequential`.

    Raises
    ------
    TypeError, ValueError
        For a `shape` that is no sequence of positive integers, or a `name` that no layer can have.

    References
    ----------
    ``keras.Input``.

    Examples
    --------
    >>> import fastcnn as keras
    >>> inputs = keras.Input(shape=(28, 28, 1))
    >>> outputs = keras.layers.Flatten()(inputs)
    >>> outputs.shape
    (None, 784)
    """
    tensor: Tensor = InputLayer(shape, name).output
    return tensor
