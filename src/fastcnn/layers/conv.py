"""Convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn import _validate, initializers, ops
from fastcnn.graph import Shape
from fastcnn.layers.activated import ActivatedLayer
from fastcnn.layers.base import Gradients, ImageLayer, WeightSpec, known
from fastcnn.ops import steps


class _Conv(ImageLayer, ActivatedLayer):
    """What the convolutions share: their geometry, a bias, and the order of their weights."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int],
        padding: str,
        dilation_rate: int | tuple[int, int],
        use_bias: bool,
        bias_initializer: str | initializers.Initializer,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = _validate.pair(kernel_size, "kernel_size", 1)
        self.strides = _validate.pair(strides, "strides", 1)
        self.padding = _validate.choice(padding, "padding", ("valid", "same"))
        self.dilation_rate = _validate.pair(dilation_rate, "dilation_rate", 1)
        self.use_bias = _validate.boolean(use_bias, "use_bias")
        self.bias_initializer = initializers.get(bias_initializer)

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return the kernel and the bias."""
        specs = {"kernel": self._kernel_spec(*known(input_shape, "N H W C", self.name)[2:])}
        outputs = self.compute_output_shape(input_shape)[-1] or 0
        return specs | {"bias": WeightSpec((outputs,), self.bias_initializer)} if self.use_bias else specs

    def _kernel_spec(self, channels: int) -> WeightSpec:
        raise NotImplementedError

    def _output_size(self, size: list[int]) -> tuple[int, int]:
        height, width = _validate.axes(
            size, self.kernel_size, self.strides, self.dilation_rate, self.padding, names="kernel_size input padding"
        )
        return height.out, width.out

    def geometry(self) -> dict[str, Any]:
        """The arguments that kernels call stride, padding and dilation."""
        return {"stride": self.strides, "padding": self.padding, "dilation": self.dilation_rate}


class Conv2D(_Conv):
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
    activation : {"linear", "relu", "softmax"}, optional
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, filters); the weights are `kernel` (KH, KW, C // groups, filters) and `bias` (filters,).
    Conventions are those of ``keras.layers.Conv2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Conv2D(32, (3, 3), activation="relu").compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    """

    _fused = frozenset({"relu"})

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, use_bias, bias_initializer, activation=activation, **kwargs)
        self.filters = _validate.integer(filters, "filters", 1)
        self.groups = _validate.integer(groups, "groups", 1)
        if self.filters % self.groups:
            raise ValueError(f"groups must divide filters, got {self.groups} groups and {self.filters} filters")
        self.kernel_initializer = initializers.get(kernel_initializer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        *size, channels = known(input_shape, "N H W C", self.name)
        if channels % self.groups:
            raise ValueError(f"groups must divide the input's channels, got {self.groups} groups and {channels} channels")
        return (None, *self._output_size(size), self.filters)

    def _kernel_spec(self, channels: int) -> WeightSpec:
        return WeightSpec((*self.kernel_size, channels // self.groups, self.filters), self.kernel_initializer)

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the convolution's algorithm."""
        return ops.explain_conv(input_shape, self._weights["kernel"].shape, groups=self.groups, **self.geometry()).algorithm

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the convolution, clamped where `activation` is "relu"."""
        kernel, bias = self._weights["kernel"], self._weights.get("bias")
        return ops.conv2d(x, kernel, bias, groups=self.groups, activation=activation, **self.geometry())

    def linear_steps(self, x: np.ndarray, relu: bool) -> Sequence[steps.KernelStep] | None:
        """Return the convolution, if it has one group."""
        return (steps.conv2d(x, self._weights, self.geometry(), relu),) if self.groups == 1 else None

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the kernel and the bias."""
        kernel = self._weights["kernel"]
        dx, *gradients = ops.conv2d_backward(dz, x, kernel, groups=self.groups, input_grad=input_grad, out=out, **self.geometry())
        return dx, tuple(gradients[: len(self._weights)])


class DepthwiseConv2D(_Conv):
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
    activation : {"linear", "relu", "softmax"}, optional
    use_bias : bool, default True
    depthwise_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, C · depth_multiplier); the weights are `kernel` (KH, KW, C, depth_multiplier) and `bias`
    (C · depth_multiplier,). Conventions are those of ``keras.layers.DepthwiseConv2D``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 8, 8, 5))
    (None, 6, 6, 10)
    """

    _fused = frozenset({"relu"})

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | tuple[int, int] = (1, 1),
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, use_bias, bias_initializer, activation=activation, **kwargs)
        self.depth_multiplier = _validate.integer(depth_multiplier, "depth_multiplier", 1)
        self.depthwise_initializer = initializers.get(depthwise_initializer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, C · depth_multiplier)."""
        *size, channels = known(input_shape, "N H W C", self.name)
        return (None, *self._output_size(size), channels * self.depth_multiplier)

    def _kernel_spec(self, channels: int) -> WeightSpec:
        return WeightSpec((*self.kernel_size, channels, self.depth_multiplier), self.depthwise_initializer)

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the convolution's algorithm."""
        return ops.explain_conv(input_shape, self._grouped_kernel().shape, groups=input_shape[-1], **self.geometry()).algorithm

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the convolution, clamped where `activation` is "relu"."""
        bias, channels = self._weights.get("bias"), x.shape[-1]
        return ops.conv2d(x, self._grouped_kernel(), bias, groups=channels, activation=activation, **self.geometry())

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the kernel and the bias."""
        kernel, channels = self._grouped_kernel(), x.shape[-1]
        out = tuple(array.reshape(shape) for array, shape in zip(out, (kernel.shape, (kernel.shape[-1],)), strict=False))
        dx, dw, db = ops.conv2d_backward(dz, x, kernel, groups=channels, input_grad=input_grad, out=out, **self.geometry())
        return dx, (dw.reshape(self._weights["kernel"].shape), db)[: len(self._weights)]

    def _grouped_kernel(self) -> np.ndarray:
        """Return the kernel as one group of `depth_multiplier` filters for each channel: (KH, KW, 1, C · depth_multiplier)."""
        return self._weights["kernel"].reshape(*self.kernel_size, 1, -1)


class Conv2DTranspose(_Conv):
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
    activation : {"linear", "relu", "softmax"}, optional
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default Glorot's uniform, and zeros.
    **kwargs
        `name`, `trainable`, `input_shape`: see `Layer`; `data_format`, which must be "channels_last".

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, filters); the weights are `kernel` (KH, KW, filters, C) and `bias` (filters,).
    Conventions are those of ``keras.layers.Conv2DTranspose``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.Conv2DTranspose(16, 3, strides=2, padding="same").compute_output_shape((None, 7, 7, 64))
    (None, 14, 14, 16)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = (1, 1),
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, use_bias, bias_initializer, activation=activation, **kwargs)
        self.filters = _validate.integer(filters, "filters", 1)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (None, OH, OW, filters)."""
        *size, _ = known(input_shape, "N H W C", self.name)
        axes = _validate.transposed_axes(size, self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return (None, *(axis.size for axis in axes), self.filters)

    def _kernel_spec(self, channels: int) -> WeightSpec:
        return WeightSpec((*self.kernel_size, self.filters, channels), self.kernel_initializer)

    def algorithm(self, input_shape: tuple[int, ...]) -> str:
        """Return the name of the algorithm: that of the input gradient which it is."""
        output = (1, *(size or 0 for size in self.compute_output_shape(input_shape)[1:]))
        kernel = self._weights["kernel"].shape
        return ops.explain_conv(output, kernel, op="input gradient", **self.geometry()).algorithm

    def linear(self, x: np.ndarray, activation: str | None) -> np.ndarray:
        """Return the transposed convolution."""
        return ops.conv2d_transpose(x, self._weights["kernel"], self._weights.get("bias"), **self.geometry())

    def linear_backward(self, dz: np.ndarray, x: np.ndarray, input_grad: bool, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of the kernel and the bias."""
        dx, *gradients = ops.conv2d_transpose_backward(dz, x, self._weights["kernel"], input_grad=input_grad, out=out, **self.geometry())
        return dx, tuple(gradients[: len(self._weights)])
