"""Dense layers, ReLU, softmax and its cross-entropy."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn.ops import conv
from fastcnn.ops._images import SHAPES_KEPT, empty
from fastcnn.ops.conv import ACTIVATIONS, Conv2DShape

_ANY_RANK = range(65)
_SOME_RANK = range(1, 65)


@functools.lru_cache(SHAPES_KEPT)
def dense_shape(x: tuple[int, ...], w: tuple[int, ...]) -> Conv2DShape:
    """The shapes of a dense layer for inputs and weights of shapes `x` and `w`, as those of a convolution of images of one pixel."""
    _validate.not_empty(x, "x", first=int(len(x) > 1))
    _validate.not_empty(w, "w")
    d, u = w
    if x[-1] != d:
        raise ValueError(f"w must have shape (D, U) with D = {x[-1]}, the last axis of x, got {w}")
    rows = math.prod(x[:-1])
    _validate.addressable((rows, u), np.dtype(np.float64), "the result")
    return Conv2DShape(rows, 1, 1, d, u, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1)


def dense_forward(shape: Conv2DShape, x: np.ndarray, w: np.ndarray, b: ArrayLike | None, relu: bool) -> np.ndarray:
    """The product of a checked shape, through a ReLU if wanted, in the dtype of `w`, which is contiguous."""
    return conv.forward(shape, x, w, b, relu).reshape(*x.shape[:-1], shape.f)


def dense_gradients(
    shape: Conv2DShape, dy: np.ndarray, x: np.ndarray, w: np.ndarray, input_grad: bool, out: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """The gradients by x (None without `input_grad`), w and the bias of such a product, the latter in `out` as far as it goes."""
    dx, dw, db = conv.backward(shape, dy, x, w, input_grad, out)
    return None if dx is None else dx.reshape(x.shape), dw, db


def dense(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, activation: str | None = None) -> np.ndarray:
    """Compute ``x @ w + b``.

    Parameters
    ----------
    x : array_like, shape (..., D)
        The inputs.
    w : array_like, shape (D, U)
        The weights, as Keras stores them.
    b : array_like, shape (U,), optional
        The bias.
    activation : {None, "relu"}
        What to apply to the result, in the same pass.

    Returns
    -------
    ndarray, shape (..., U)
        In ``np.result_type(x, w, np.float32)``. The same bits for any number of threads, and for a row alone or in a batch.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    The matrix product is blocked for caches and registers as in [1]_.

    .. [1] K. Goto, R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.dense([[1.0, -2.0]], [[1.0, 2.0], [3.0, -1.0]], [0.5, 0.5], activation="relu")
    array([[0. , 4.5]])
    """
    inputs, weights = _validate.array(x, "x", _SOME_RANK), _validate.array(w, "w", (2,))
    dtype = _validate.working_dtype(x=inputs, w=weights)
    shape = dense_shape(inputs.shape, weights.shape)
    relu = _validate.choice(activation, "activation", ACTIVATIONS) == "relu"
    return dense_forward(shape, _validate.contiguous(inputs, dtype), _validate.contiguous(weights, dtype), b, relu)


def dense_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, *, input_grad: bool = True, out: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Compute the gradients of ``sum(dy * dense(x, w, b))`` by x, w and b.

    Parameters
    ----------
    dy : array_like, shape (..., U)
        The gradient by the result, before any activation.
    x, w
        As they were given to `dense`.
    input_grad : bool
        Whether to compute the gradient by `x`.
    out : sequence of up to two ndarrays
        Where dw, and db, are written to, if not to new arrays: C-contiguous, of the result's dtype, sharing no memory with the arguments.

    Returns
    -------
    dx : ndarray, shape (..., D), or None
        None without `input_grad`.
    dw : ndarray, shape (D, U)
    db : ndarray, shape (U,)
        In ``np.result_type(dy, x, w, np.float32)``, as `dx` and `dw`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if `dy` has not the shape of the result.

    References
    ----------
    The chain rule, layer by layer, is that of [1]_.

    .. [1] D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", Nature 323, 1986.

    Examples
    --------
    >>> import fastcnn
    >>> dx, dw, db = fastcnn.dense_backward([[1.0, -1.0]], [[2.0, 3.0]], [[1.0, 2.0], [3.0, -1.0]])
    >>> dx, dw, db
    (array([[-1.,  4.]]), array([[ 2., -2.],
           [ 3., -3.]]), array([ 1., -1.]))
    """
    inputs, weights = _validate.array(x, "x", _SOME_RANK), _validate.array(w, "w", (2,))
    gradient = _validate.array(dy, "dy", (inputs.ndim,))
    dtype = _validate.working_dtype(dy=gradient, x=inputs, w=weights)
    shape = dense_shape(inputs.shape, weights.shape)
    _validate.same_shape(gradient.shape, (*inputs.shape[:-1], shape.f), "dy", "the shape of the result of dense,")
    wants_dx = _validate.boolean(input_grad, "input_grad")
    inputs, weights = _validate.contiguous(inputs, dtype), _validate.contiguous(weights, dtype)
    return dense_gradients(shape, _validate.contiguous(gradient, dtype), inputs, weights, wants_dx, out)


def relu(x: ArrayLike) -> np.ndarray:
    """Compute ``max(x, 0)``.

    Parameters
    ----------
    x : array_like, any shape
        The numbers.

    Returns
    -------
    ndarray, shape of x
        In ``np.result_type(x, np.float32)``. NaN stays.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    Networks of such units are the subject of [1]_.

    .. [1] V. Nair, G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.relu([-1.0, 0.0, 2.5])
    array([0. , 0. , 2.5])
    """
    numbers = _validate.array(x, "x", _ANY_RANK)
    _validate.not_empty(numbers.shape, "x", first=1)
    y = empty(numbers.shape, _validate.working_dtype(x=numbers))
    _core.relu(y.size, _validate.contiguous(numbers, y.dtype), y)
    return y


def relu_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Compute the gradient of ``sum(dy * relu(x))`` by x, from the result rather than from x.

    Parameters
    ----------
    dy : array_like, shape of y
        The gradient by the result.
    y : array_like, any shape
        The result of `relu`, or of an operation with ``activation="relu"``.

    Returns
    -------
    ndarray, shape of y
        `dy` where `y` is above 0 or NaN, else 0; in ``np.result_type(dy, y, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if the shapes differ.

    References
    ----------
    Networks of such units are the subject of [1]_.

    .. [1] V. Nair, G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.relu_backward([3.0, -4.0], [0.0, 2.5])
    array([ 0., -4.])
    """
    result = _validate.array(y, "y", _ANY_RANK)
    _validate.not_empty(result.shape, "y", first=1)
    gradient = _validate.array(dy, "dy", (result.ndim,))
    _validate.same_shape(gradient.shape, result.shape, "dy", "the shape of y,")
    dx = empty(result.shape, _validate.working_dtype(dy=gradient, y=result))
    _core.relu_gradient(dx.size, _validate.contiguous(gradient, dx.dtype), _validate.contiguous(result, dx.dtype), dx)
    return dx


def softmax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """Compute ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : array_like, any shape of at least one axis
        The numbers.
    axis : int
        The axis along which the result sums to 1.

    Returns
    -------
    ndarray, shape of x
        In ``np.result_type(x, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    References
    ----------
    The name, and why its outputs are probabilities, are from [1]_.

    .. [1] J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with relationships to statistical
       pattern recognition", Neurocomputing, 1990.

    Examples
    --------
    >>> import fastcnn
    >>> fastcnn.softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    numbers = _validate.array(x, "x", _SOME_RANK)
    _validate.not_empty(numbers.shape, "x", first=int(numbers.ndim > 1))
    dtype = _validate.working_dtype(x=numbers)
    where = _validate.integer(axis, "axis", -numbers.ndim, numbers.ndim - 1) % numbers.ndim
    is_last = where == numbers.ndim - 1
    last = numbers if is_last else np.moveaxis(numbers, where, -1)
    p = empty(last.shape, dtype)
    if p.size:
        _core.softmax(p.size // p.shape[-1], p.shape[-1], _validate.contiguous(last, dtype), p)
    return p if is_last else np.ascontiguousarray(np.moveaxis(p, -1, where))


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray]:
    """Compute the mean of ``-log(softmax(logits)[label])`` over a batch, and its gradient.

    Parameters
    ----------
    logits : array_like, shape (N, K)
        A row of scores for each example.
    labels : array_like of int, shape (N,)
        The right class of each example, in [0, K).

    Returns
    -------
    loss : float
        The mean; NaN for N = 0.
    dlogits : ndarray, shape (N, K)
        The gradient of `loss` by `logits`, in ``np.result_type(logits, np.float32)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`; a ValueError, too, if a label is out of range.

    References
    ----------
    Outputs of a softmax, trained by this loss, are the subject of [1]_.

    .. [1] J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with relationships to statistical
       pattern recognition", Neurocomputing, 1990.

    Examples
    --------
    >>> import fastcnn
    >>> loss, dlogits = fastcnn.softmax_cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    >>> round(loss, 6), dlogits
    (0.693147, array([[-0.25,  0.25],
           [ 0.25, -0.25]]))
    """
    scores, classes = _validate.array(logits, "logits", (2,)), _validate.array(labels, "labels", (1,))
    if classes.dtype.kind not in "iu" and classes.size:
        raise TypeError(f"labels must be integers, got dtype {classes.dtype}")
    _validate.not_empty(scores.shape, "logits", first=1)
    dtype = _validate.working_dtype(logits=scores)
    loss, _, dlogits = softmax_cross_entropies(_validate.contiguous(scores, dtype), classes)
    return loss, dlogits


def softmax_cross_entropies(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """As `softmax_cross_entropy`, for logits as C takes them and integers; between its results comes the loss of each row, shape (N,)."""
    _validate.same_shape(labels.shape, logits.shape[:1], "labels", "one label a row of logits, shape")
    labels = _validate.contiguous(labels, np.int64)
    losses, dlogits = empty(labels.shape, logits.dtype), empty(logits.shape, logits.dtype)
    rows, columns = logits.shape
    total = _core.softmax_cross_entropy(rows, columns, logits, labels, losses, dlogits)
    return total / len(losses) if len(losses) else math.nan, losses, dlogits
