"""The dense layer: every input times every weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .activations import relu
from .arrays import as_float64, ieee, working_dtype


@ieee
def dense(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, activation: str | None = None) -> np.ndarray:
    """Return ``x @ w + b``, through a ReLU if asked for: ``y[n, u] = sum over d of x[n, d] * w[d, u]``.

    Parameters
    ----------
    x : array_like, shape (..., D)
    w : array_like, shape (D, U)
    b : array_like, shape (U,), optional
    activation : {None, "relu"}

    Returns
    -------
    numpy.ndarray, shape (..., U)

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by back-propagating errors. Nature 323, 1986.

    Examples
    --------
    >>> dense([1, 2], [[1, 0, -3], [10, 1, 1]], [0.5, 0, 0])
    array([21.5,  2. , -1. ])
    >>> dense([1, 2], [[1, 0, -3], [10, 1, 1]], [0.5, 0, 0], activation="relu")
    array([21.5,  2. ,  0. ])
    """
    inputs, weights = as_float64(x), as_float64(w)
    y = np.zeros((*inputs.shape[:-1], weights.shape[1]))
    for n in np.ndindex(inputs.shape[:-1]):
        y[n] = inputs[n] @ weights
    if b is not None:
        y += as_float64(b)
    if activation == "relu":
        y = relu(y)
    return y.astype(working_dtype(x, w))


@ieee
def dense_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, *, input_grad: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the gradients of `dense` without an activation.

    Parameters
    ----------
    dy : array_like, shape (..., U)
        Gradient of the loss with respect to ``dense(x, w, b)``.
    x : array_like, shape (..., D)
    w : array_like, shape (D, U)
    input_grad : bool
        Whether `dx` is wanted.

    Returns
    -------
    dx : numpy.ndarray, shape (..., D), or None
    dw : numpy.ndarray, shape (D, U)
    db : numpy.ndarray, shape (U,)

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by back-propagating errors. Nature 323, 1986.

    Examples
    --------
    >>> dx, dw, db = dense_backward([[1, 2]], x=[[3, 4]], w=[[1, 0], [0, -1]])
    >>> dx, db
    (array([[ 1., -2.]]), array([1., 2.]))
    >>> dw
    array([[3., 6.],
           [4., 8.]])
    """
    slopes, inputs, weights = as_float64(dy), as_float64(x), as_float64(w)
    dx, dw, db = np.zeros(inputs.shape), np.zeros(weights.shape), np.zeros(weights.shape[1])
    for n in np.ndindex(inputs.shape[:-1]):
        dx[n] = weights @ slopes[n]
        dw += np.outer(inputs[n], slopes[n])
        db += slopes[n]
    dtype = working_dtype(dy, x, w)
    return dx.astype(dtype) if input_grad else None, dw.astype(dtype), db.astype(dtype)
