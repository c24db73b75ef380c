"""Convolutions in two steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcnn import _validate, initializers, ops, regularizers
from fastcnn.graph import Shape
from fastcnn.layers.activated import LinearGradients
from fastcnn.layers.base import Gradients, WeightSpec
from fastcnn.layers.conv import DepthwiseLayer
from fastcnn.random import Draws


class SeparableConv2D(DepthwiseLayer):
    """Convolution of each channel by itself, then of all channels of a pixel: a `DepthwiseConv2D` and a `Conv2D` of 1x1 pixels.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or pair of int
    strides : int or pair of int, default (1, 1)
    padding : {"valid", "same"}
    dilation_rate : int or pair of int, default (1, 1)
        The distance between a filter's taps.
    depth_multiplier : int, default 1
        The number of channels between the two for each input channel.
    activation : {"linear", "relu", "softmax"}, optional
    use_bias : bool, default True
    depthwise_initializer, pointwise_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform twice, and zeros.
    depthwise_regularizer, pointwise_regularizer, bias_regularizer : str or Regularizer, optional
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a size below 1 or an unknown name; in a call, ValueError for inputs that are not (N, H, W, C), or
        smaller than a window.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, filters); the weights are `depthwise_kernel` (KH, KW, C, depth_multiplier),
    `pointwise_kernel` (1, 1, C · depth_multiplier, filters) and `bias` (filters,).

    References
    ----------
    F. Chollet: Xception: deep learning with depthwise separable convolutions. CVPR 2017; as ``keras.layers.SeparableConv2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.SeparableConv2D(32, 3, activation="relu").compute_output_shape((None, 28, 28, 8))
    (None, 26, 26, 32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = (1, 1),
        depth_multiplier: int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: str | initializers.Initializer = "glorot_uniform",
        pointwise_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        pointwise_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size=kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate, depth_multiplier=depth_multiplier,
            activation=activation, use_bias=use_bias, depthwise_initializer=depthwise_initializer, bias_initializer=bias_initializer,
            **kwargs,
        )  # fmt: skip
        self.filters = _validate.integer(filters, "filters", 1)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        return (*super().compute_output_shape(input_shape)[:3], self.filters)

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the two kernels."""
        depthwise = self._depthwise_spec(input_shape)
        return {
            "depthwise_kernel": depthwise,
            "pointwise_kernel": self._spec("pointwise", 1, 1, depthwise.shape[2] * self.depth_multiplier, self.filters),
        }

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output for `x`, and what `backward` needs to know."""
        y, cache = super().forward(self.convolve(x, self._weights["depthwise_kernel"]), training)
        return y, (x, cache)

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the output for `x`."""
        return super().infer(self.convolve(x, self._weights["depthwise_kernel"]))

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of both kernels and the bias."""
        x, cache = cache
        between, gradients = super().backward(dy, cache, True, out[1:])
        assert between is not None
        dx, dw, _ = self.convolve_backward(between, x, self._weights["depthwise_kernel"], input_grad, out[:1])
        return dx, (dw, *gradients)[: len(self._weights)]

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the convolution of 1x1 pixels of `x`, what lies between the two, clamped where `activation` is "relu"."""
        return ops.conv2d(x, self._weights["pointwise_kernel"], self._weights.get("bias"), activation=activation)

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return the gradients of what lies between the two, of the second kernel and of the bias."""
        return ops.conv2d_backward(dz, x, self._weights["pointwise_kernel"], input_grad=input_grad, out=out)
