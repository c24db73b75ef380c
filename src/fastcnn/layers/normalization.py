"""Layers that bring numbers to a mean of 0 and a variance of 1, and then to a learnt mean and scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from fastcnn import _validate
from fastcnn._settings import Flag, Integer, Real, Setting, flag, integer, real
from fastcnn.graph import Shape
from fastcnn.layers.activated import Initial, Penalty, initial, penalty
from fastcnn.layers.base import Gradients, Layer, WeightSpec
from fastcnn.ops import normalize
from fastcnn.ops.elementwise import working
from fastcnn.ops.normalize import Grouping
from fastcnn.random import Draws


class _Normalization(Layer, kw_only=True):
    """What the normalizations share: epsilon, and the weights `gamma` and `beta`."""

    epsilon: Real = real(0, math.inf, 1e-3)
    center: Flag = flag(True)
    scale: Flag = flag(True)
    beta_initializer: Initial = initial("zeros")
    gamma_initializer: Initial = initial("ones")
    beta_regularizer: Penalty = penalty()
    gamma_regularizer: Penalty = penalty()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `input_shape`, which must have the axes that the layer is for."""
        self._sizes(input_shape)
        return input_shape

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return `gamma` and `beta`, as far as the layer has them."""
        names = ["gamma"] * self.scale + ["beta"] * self.center
        return {name: self._spec(name, *self._sizes(input_shape)) for name in names}

    def _learned(self, **gradients: np.ndarray) -> Gradients:
        """Return the gradients of those weights that there are."""
        return tuple(gradient.reshape(self._weights[name].shape) for name, gradient in gradients.items() if name in self._weights)

    def _sizes(self, input_shape: Shape) -> tuple[int, ...]:
        """Return the shape of `gamma` and `beta`."""
        raise NotImplementedError

    def _size(self, axis: int, input_shape: Shape) -> int:
        """Return the size of an axis of the input other than the batch."""
        if not -len(input_shape) <= axis < len(input_shape) or axis % len(input_shape) == 0:
            raise ValueError(f"axis of {self.name!r} must be one of the input's but the batch, got {axis} for shape {input_shape}")
        return input_shape[axis] or 0


class BatchNormalization(_Normalization):
    """Bring each channel to a mean of 0 and a variance of 1: those of the batch in training, and in inference those of batches past.

    Parameters
    ----------
    axis : int, default -1
        The axis of the channels.
    momentum : float, default 0.99
        In [0, 1]: how much the moving mean and variance keep of what they were, in each step of training.
    epsilon : float, default 0.001
        Added to a variance before its root is taken.
    center, scale : bool, default True
        Whether there are `beta`, which is added, and `gamma`, which is multiplied with.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        By default zeros, ones, zeros, ones.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    name, trainable, input_shape
        See `Layer`. A frozen
        layer runs as in inference.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, a negative `epsilon`, a `momentum` outside of [0, 1] or an unknown name; in a call, ValueError
        for an `axis` that is the batch's, or that the input lacks.

    Notes
    -----
    The weights are `gamma`, `beta`, `moving_mean`, `moving_variance`, (C,) each; the latter two change at the end of a training step. A
    variance is the mean of the squared deviations, as Keras has it, also for the moving one.

    References
    ----------
    S. Ioffe, C. Szegedy: Batch normalization: accelerating deep network training by reducing internal covariate shift. ICML 2015.
    Conventions are those of ``keras.layers.BatchNormalization``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.BatchNormalization(epsilon=0)([[1.0], [3.0]], training=True)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    axis: Integer = integer(-32, -1, 31)
    momentum: Real = real(0, 1, 0.99)
    _: KW_ONLY
    moving_mean_initializer: Initial = initial("zeros")
    moving_variance_initializer: Initial = initial("ones")

    def _sizes(self, input_shape: Shape) -> tuple[int, ...]:
        return (self._size(self.axis, input_shape),)

    def weight_specs(self, input_shape: Shape) -> dict[str, WeightSpec]:
        """Return `gamma` and `beta`, as far as the layer has them, and the moving mean and variance."""
        moving = {name: self._spec(name, *self._sizes(input_shape), trainable=False) for name in ("moving_mean", "moving_variance")}
        return super().weight_specs(input_shape) | moving

    def inference(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the arrays (C,) with which inference is ``(x - shift) * factor + offset``."""
        mean = self._weights["moving_mean"]
        return mean, self._factor(self._inverse(self._weights["moving_variance"])), self._weights.get("beta", np.zeros_like(mean))

    def _inverse(self, variance: np.ndarray) -> np.ndarray:
        return normalize.inverse_deviation(variance, self.epsilon)

    def _factor(self, inverse: np.ndarray) -> np.ndarray:
        gamma = self._weights.get("gamma")
        return inverse if gamma is None else inverse * gamma

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output, and what `backward` and `observe` need."""
        rows = normalize.as_rows(x, self.axis)
        if training is None or not self.trainable:
            shift, factor, offset = (array.astype(rows.dtype, copy=False) for array in self.inference())
            variance = None
        else:
            shift, variance = normalize.moments(rows)
            factor = self._factor(self._inverse(variance)).astype(rows.dtype, copy=False)
            offset = self._weights.get("beta", np.zeros_like(shift)).astype(rows.dtype, copy=False)
        y = normalize.scale(rows, shift, factor, offset)
        return normalize.from_rows(y, x.shape, self.axis), (rows, shift, variance, factor)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of `gamma` and `beta`, as far as the layer has them; none of a frozen layer."""
        rows, mean, variance, factor = cache
        dys = normalize.as_rows(dy, self.axis)
        zeros = np.zeros_like(mean)
        dx: np.ndarray | None = None
        gradients: Gradients = ()
        if self.trainable:
            sums, products = normalize.products(dys, rows, mean)
            inverse = self._inverse(self._weights["moving_variance"].astype(mean.dtype, copy=False) if variance is None else variance)
            gradients = self._learned(gamma=products * inverse, beta=sums)
        if input_grad and self.trainable and variance is not None:
            count = max(len(rows), 1)
            dx = normalize.scale_backward(dys, rows, mean, inverse * inverse * products / count, sums / count, factor)
        elif input_grad:
            dx = normalize.scale(dys, zeros, factor, zeros)
        return dx if dx is None else normalize.from_rows(dx, dy.shape, self.axis), gradients

    def observe(self, cache: Any) -> Any:
        """Return the mean and the variance of a batch in training."""
        _, mean, variance, _ = cache
        return None if variance is None else (mean, variance)

    def absorb(self, observed: Any) -> None:
        """Move the moving mean and variance towards those of a batch."""
        for name, seen in zip(("moving_mean", "moving_variance"), observed, strict=True):
            weight = self._weights[name]
            np.copyto(weight, weight * self.momentum + seen * (1 - self.momentum))
        self.version += 1


class _GroupedNormalization(_Normalization):
    """Normalization of each input by itself."""

    def _grouping(self, shape: tuple[int, ...]) -> Grouping:
        raise NotImplementedError

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, Any]:
        """Return the output, and what `backward` needs to know."""
        gamma, beta = self._weights.get("gamma"), self._weights.get("beta")
        return self._grouping(x.shape).forward(working(x), gamma, beta, self.epsilon)

    def backward(self, dy: np.ndarray, cache: Any, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray | None, Gradients]:
        """Return dx and the gradients of `gamma` and `beta`, as far as the layer has them."""
        dx, gamma, beta = self._grouping(dy.shape).backward(working(dy), self._weights.get("gamma"), cache, input_grad)
        return dx, self._learned(gamma=gamma, beta=beta)


def _axes(value: Any, name: str) -> list[int]:
    axes = _validate.integers(value, name, -32, 31)
    if not axes:
        raise ValueError(f"{name} must be at least one, got {value!r}")
    return axes


class LayerNormalization(_GroupedNormalization):
    """Bring the numbers along some axes of each input to a mean of 0 and a variance of 1.

    Parameters
    ----------
    axis : int or sequence of int, default -1
    epsilon : float, default 0.001
        Added to a variance before its root is taken.
    center, scale : bool, default True
        Whether there are `beta`, which is added, and `gamma`, which is multiplied with: a number for each place along the axes.
    beta_initializer, gamma_initializer : str or Initializer
        By default zeros and ones.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    name, trainable, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, no axis, a negative `epsilon` or an unknown name; in a call, ValueError for an `axis` that is the
        batch's, or that the input lacks.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton: Layer normalization. arXiv:1607.06450, 2016. Conventions are those of
    ``keras.layers.LayerNormalization``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.LayerNormalization(epsilon=0)([[1.0, 3.0], [5.0, 9.0]])
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    axis: Setting[int | Sequence[int], list[int]] = Setting(_axes, -1)

    def _axes(self, rank: int) -> tuple[int, ...]:
        return tuple(sorted({axis % rank for axis in self.axis}))

    def _sizes(self, input_shape: Shape) -> tuple[int, ...]:
        for axis in self.axis:
            self._size(axis, input_shape)
        return tuple(input_shape[axis] or 0 for axis in self._axes(len(input_shape)))

    def _grouping(self, shape: tuple[int, ...]) -> Grouping:
        axes = self._axes(len(shape))
        return Grouping(shape, axes, tuple(size if axis in axes else 1 for axis, size in enumerate(shape)))


def _groups(value: Any, name: str) -> int:
    groups = _validate.integer(value, name, -1)
    if groups == 0:
        raise ValueError(f"{name} must be positive, or -1 for a group a channel, got 0")
    return groups


class GroupNormalization(_GroupedNormalization):
    """Bring each group of channels of each input to a mean of 0 and a variance of 1.

    Parameters
    ----------
    groups : int, default 32
        Divides the channels; -1 for as many as there are channels.
    axis : int, default -1
        The axis of the channels.
    epsilon : float, default 0.001
        Added to a variance before its root is taken.
    center, scale : bool, default True
        Whether there are `beta`, which is added, and `gamma`, which is multiplied with: a number for each channel.
    beta_initializer, gamma_initializer : str or Initializer
        By default zeros and ones.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    name, trainable, input_shape
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind, `groups` that are 0, a negative `epsilon` or an unknown name; in a call, ValueError for an `axis`
        that is the batch's, or that the input lacks, and for `groups` that do not divide its channels.

    References
    ----------
    Y. Wu, K. He: Group normalization. ECCV 2018. Conventions are those of ``keras.layers.GroupNormalization``.

    Examples
    --------
    >>> from fastcnn import layers
    >>> layers.GroupNormalization(groups=2, epsilon=0)([[1.0, 3.0, 5.0, 9.0]])
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    groups: Integer = Setting(_groups, 32)
    axis: Integer = integer(-32, -1, 31)

    def _sizes(self, input_shape: Shape) -> tuple[int, ...]:
        channels = self._size(self.axis, input_shape)
        if channels % self.groups:
            raise ValueError(f"groups must divide the input's channels, got {self.groups} groups and {channels} channels")
        return (channels,)

    def _grouping(self, shape: tuple[int, ...]) -> Grouping:
        axis = self.axis % len(shape)
        groups = shape[axis] if self.groups == -1 else self.groups
        split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
        axes = tuple(each for each in range(1, len(split)) if each != axis)
        return Grouping(split, axes, tuple(size if each in (axis, axis + 1) else 1 for each, size in enumerate(split)))
