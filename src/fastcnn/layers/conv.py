"""Convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from fastcnn import _validate, ops
from fastcnn._settings import Choice, Integer, Pair, choice, integer, pair
from fastcnn.graph import Shape, entry_sizes
from fastcnn.layers.activated import BiasedLayer, Initial, KernelLayer, LinearGradients, Penalty, initial, penalty
from fastcnn.layers.base import Gradients, ImageLayer, Layer, WeightSpec
from fastcnn.ops import conv, steps
from fastcnn.ops._images import NHWC, plain
from fastcnn.ops.conv import Conv2DShape, canonical_shape
from fastcnn.random import Draws


class Filtered(Layer):
    """A layer of so many filters, the first of its arguments."""

    filters: Integer = integer(1)


class ConvLayer(ImageLayer, BiasedLayer):
    """What the convolutions share: their geometry."""

    kernel_size: Pair = pair(1)
    strides: Pair = pair(1, (1, 1))
    padding: Choice = choice("valid", "same")
    _: KW_ONLY
    dilation_rate: Pair = pair(1, (1, 1))

    def _output_size(self, size: list[int]) -> tuple[int, int]:
        height, width = _validate.axes(
            size, self.kernel_size, self.strides, self.dilation_rate, self.padding, names="kernel_size input padding"
        )
        return height.out, width.out

    def geometry(self) -> dict[str, Any]:
        """The arguments that kernels call stride, padding and dilation."""
        return {"stride": self.strides, "padding": self.padding, "dilation": self.dilation_rate}


class _GroupedConv(ConvLayer):
    """A convolution that works in groups of channels: a subclass says in which."""

    _fused = frozenset({"relu"})

    def _grouped(self, kernel: np.ndarray, channels: int) -> tuple[np.ndarray, int]:
        """Return the kernel as (KH, KW, channels of a group, filters), and the number of groups."""
        raise NotImplementedError

    def shape(self, x: np.ndarray, kernel: np.ndarray, groups: int) -> Conv2DShape:
        """Return the shapes of the convolution of images `x`; they are worked out once for each batch size."""
        return canonical_shape(NHWC, x.shape, kernel.shape, groups, self.strides, self.dilation_rate, self.padding)

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the algorithm of the convolution with the first kernel."""
        w, groups = self._grouped(next(iter(self._weights.values())), input_shape[-1])
        return ops.explain_conv(input_shape, w.shape, groups=groups, **self.geometry()).algorithm

    def convolve(self, x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None = None, activation: str | None = None) -> np.ndarray:
        """Return the convolution with `kernel`, clamped where `activation` is "relu"."""
        w, groups = self._grouped(kernel, x.shape[-1])
        return conv.forward(self.shape(x, w, groups), x, w, bias, activation == "relu")

    def convolve_backward(
        self, dz: np.ndarray, x: np.ndarray, kernel: np.ndarray, input_grad: bool, out: Gradients = ()
    ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return dx and the gradients of the kernel and the bias."""
        w, groups = self._grouped(kernel, x.shape[-1])
        if w is kernel:
            return conv.backward(self.shape(x, w, groups), dz, x, w, input_grad, out)
        places = (out[0].reshape(w.shape), *out[1:]) if out else ()
        dx, dw, db = conv.backward(self.shape(x, w, groups), dz, x, w, input_grad, places)
        return dx, out[0] if out else dw.reshape(kernel.shape), db

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the convolution, clamped where `activation` is "relu"."""
        return self.convolve(x, self._weights["kernel"], self._weights.get("bias"), activation)

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return dx and the gradients of the kernel and the bias."""
        return self.convolve_backward(dz, x, self._weights["kernel"], input_grad, out)


class Conv2D(_GroupedConv, KernelLayer, Filtered):
    """Convolution with learnt filters (a cross-correlation: the filters are not flipped).

    Parameters
    ----------
    filters : int
        The number of filters, which is the number of output channels.
    kernel_size : int or pair of int
    strides : int or pair of int, default (1, 1)
    padding : {"valid", "same"}
    dilation_rate : int or pair of int, default (1, 1)
        The distance between a filter's taps.
    groups : int, default 1
        Divides the input channels and the filters; each group of filters sees its own group of channels.
    activation : str, optional
        One of those of `Activation`.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        What the size of each costs.
    name, trainable, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a size below 1, an unknown name, or `groups` that do not divide `filters`; in a call, ValueError
        for inputs that are not (N, H, W, C), are smaller than a window, or have channels that `groups` does not divide.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, filters); the weights are `kernel` (KH, KW, C // groups, filters) and `bias` (filters,).

    References
    ----------
    Y. LeCun et al.: Backpropagation applied to handwritten zip code recognition. Neural Computation 1, 1989; as ``keras.layers.Conv2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Conv2D(32, (3, 3), activation="relu").compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    """

    _: KW_ONLY
    groups: Integer = integer(1, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % self.groups:
            raise ValueError(f"groups must divide filters, got {self.groups} groups and {self.filters} filters")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        *size, channels = self._image_sizes(input_shape)
        if channels % self.groups:
            raise ValueError(f"groups must divide the input's channels, got {self.groups} groups and {channels} channels")
        return (None, *self._output_size(size), self.filters)

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel, (KH, KW, C / groups, filters)."""
        channels = self._image_sizes(input_shape)[-1]
        return {"kernel": self._spec("kernel", *self.kernel_size, channels // self.groups, self.filters)}

    def _grouped(self, kernel: np.ndarray, channels: int) -> tuple[np.ndarray, int]:
        return kernel, self.groups

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep] | None:
        """Return the convolution, if it has one group."""
        return (steps.conv2d(self.shape(x, self._weights["kernel"], 1), self._weights, relu),) if self.groups == 1 else None


class DepthwiseLayer(_GroupedConv):
    """What convolutions of each channel by itself share."""

    depth_multiplier: Integer = integer(1, 1)
    _: KW_ONLY
    depthwise_initializer: Initial = initial("glorot_uniform")
    depthwise_regularizer: Penalty = penalty()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, C · depth_multiplier)."""
        *size, channels = self._image_sizes(input_shape)
        return (None, *self._output_size(size), channels * self.depth_multiplier)

    def _depthwise_spec(self, input_shape: Shape) -> WeightSpec:
        channels = self._image_sizes(input_shape)[-1]
        return self._spec("depthwise", *self.kernel_size, channels, self.depth_multiplier)

    def _grouped(self, kernel: np.ndarray, channels: int) -> tuple[np.ndarray, int]:
        return kernel.reshape(*kernel.shape[:2], 1, -1), channels  # of (KH, KW, C, M), a group of M filters for each channel


class DepthwiseConv2D(DepthwiseLayer):
    """Convolution of each channel by itself, with `depth_multiplier` filters.

    Parameters
    ----------
    kernel_size : int or pair of int
    strides : int or pair of int, default (1, 1)
    padding : {"valid", "same"}
    depth_multiplier : int, default 1
        The number of output channels for each input channel.
    dilation_rate : int or pair of int, default (1, 1)
        The distance between a filter's taps.
    activation : str, optional
        One of those of `Activation`.
    use_bias : bool, default True
    depthwise_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    depthwise_regularizer, bias_regularizer : str or Regularizer, optional
        What the size of each costs.
    name, trainable, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a size below 1 or an unknown name; in a call, ValueError for inputs that are not (N, H, W, C), or
        smaller than a window.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C · depth_multiplier); the weights are `kernel` (KH, KW, C, depth_multiplier) and `bias`
    (C · depth_multiplier,).

    References
    ----------
    A. G. Howard et al.: MobileNets: efficient convolutional neural networks for mobile vision applications. arXiv:1704.04861, 2017; as
    ``keras.layers.DepthwiseConv2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 8, 8, 5))
    (None, 6, 6, 10)
    """

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel."""
        return {"kernel": self._depthwise_spec(input_shape)}


class SeparableConv2D(DepthwiseLayer, Filtered):
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
    name, trainable, input_shape, data_format
        See `Layer`; the format must be "channels_last".

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

    _: KW_ONLY
    depth_multiplier: Integer = integer(1, 1)
    pointwise_initializer: Initial = initial("glorot_uniform")
    pointwise_regularizer: Penalty = penalty()

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


class Conv2DTranspose(ConvLayer, KernelLayer, Filtered):
    """Transposed convolution: the gradient of a convolution, as a layer that enlarges.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or pair of int
    strides : int or pair of int, default (1, 1)
        How many times larger the output is.
    padding : {"valid", "same"}
        With "same", the output is exactly `strides` times as large as the input.
    dilation_rate : int or pair of int, default (1, 1)
        The distance between a filter's taps.
    activation : str, optional
        One of those of `Activation`.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        What the size of each costs.
    name, trainable, input_shape, data_format
        See `Layer`; the format must be "channels_last".

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a size below 1 or an unknown name; in a call, ValueError for inputs that are not (N, H, W, C).

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, filters); the weights are `kernel` (KH, KW, filters, C) and `bias` (filters,).

    References
    ----------
    V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. arXiv:1603.07285, 2016; as ``keras.layers.Conv2DTranspose``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Conv2DTranspose(16, 3, strides=2, padding="same").compute_output_shape((None, 7, 7, 64))
    (None, 14, 14, 16)
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        *size, _ = self._image_sizes(input_shape)
        axes = _validate.transposed_axes(size, self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return (None, *(axis.size for axis in axes), self.filters)

    def kernel_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel, (KH, KW, filters, C)."""
        channels = self._image_sizes(input_shape)[-1]
        return {"kernel": self._spec("kernel", *self.kernel_size, self.filters, channels)}

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the algorithm: that of the input gradient which it is."""
        output = (1, *entry_sizes(self.compute_output_shape(input_shape)))
        kernel = self._weights["kernel"].shape
        return ops.explain_conv(output, kernel, op="input gradient", **self.geometry()).algorithm

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the transposed convolution."""
        kernel = self._weights["kernel"]
        return ops.conv2d_transpose(plain(x, kernel.dtype), kernel, self._weights.get("bias"), **self.geometry())

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> LinearGradients:
        """Return dx and the gradients of the kernel and the bias."""
        kernel = self._weights["kernel"]
        dz, x = plain(dz, kernel.dtype), plain(x, kernel.dtype)  # a layer of one's own may have made them
        return ops.conv2d_transpose_backward(dz, x, kernel, input_grad=input_grad, out=out, **self.geometry())
