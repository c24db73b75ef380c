"""ReLU, softmax, and the cross-entropy of a softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import as_float64, ieee, working_dtype


@ieee
def relu(x: ArrayLike) -> np.ndarray:
    """Return max(x, 0), element by element; NaN stays NaN.

    Parameters
    ----------
    x : array_like, any shape

    Returns
    -------
    numpy.ndarray, shaped as `x`

    References
    ----------
    V. Nair, G. E. Hinton: Rectified linear units improve restricted Boltzmann machines. ICML 2010.

    Examples
    --------
    >>> relu([-1, 0, 2])
    array([0., 0., 2.])
    """
    return np.where(as_float64(x) < 0, 0.0, as_float64(x)).astype(working_dtype(x))


@ieee
def relu_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the gradient of `relu`: `dy` where the ReLU let its input through, 0 where it did not.

    Parameters
    ----------
    dy : array_like
        Gradient of the loss with respect to ``relu(x)``.
    y : array_like, shaped as `dy`
        The result of the ReLU; its input does as well, for both are positive at the same places. At 0 the gradient is 0.

    Returns
    -------
    numpy.ndarray, shaped as `dy`

    References
    ----------
    V. Nair, G. E. Hinton: Rectified linear units improve restricted Boltzmann machines. ICML 2010.

    Examples
    --------
    >>> relu_backward([5, 6, 7], relu([-1, 0, 2]))
    array([0., 0., 7.])
    """
    return np.where(as_float64(y) <= 0, 0.0, as_float64(dy)).astype(working_dtype(dy, y))


@ieee
def softmax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) along `axis`.

    The largest x is subtracted first, which changes nothing but keeps exp from overflowing.

    Parameters
    ----------
    x : array_like
    axis : int
        The axis along which the results add up to 1.

    Returns
    -------
    numpy.ndarray, shaped as `x`

    References
    ----------
    J. S. Bridle: Probabilistic interpretation of feedforward classification network outputs, with relationships to statistical pattern
    recognition. Neurocomputing, 1990.

    Examples
    --------
    >>> softmax(np.log([1, 2, 5]))
    array([0.125, 0.25 , 0.625])
    """
    logits = as_float64(x)
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    p: np.ndarray = powers / powers.sum(axis=axis, keepdims=True)
    return p.astype(working_dtype(x))


@ieee
def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray]:
    """Return the mean of -log(softmax(logits)[label]) over a batch, and its gradient.

    Parameters
    ----------
    logits : array_like, shape (N, K)
        One row of K scores for each of N examples.
    labels : array_like of int, shape (N,)
        The right class of each example, in [0, K).

    Returns
    -------
    loss : float
        The mean over the batch; NaN, as for any mean of nothing, where N is 0.
    dlogits : numpy.ndarray, shape (N, K)
        Gradient of `loss` with respect to `logits`: (softmax(logits) - one_hot(labels)) / N.

    References
    ----------
    J. S. Bridle: Probabilistic interpretation of feedforward classification network outputs, with relationships to statistical pattern
    recognition. Neurocomputing, 1990.

    Examples
    --------
    >>> loss, dlogits = softmax_cross_entropy(np.log([[1, 3], [1, 1]]), [1, 0])
    >>> dlogits
    array([[ 0.125, -0.125],
           [-0.25 ,  0.25 ]])
    >>> bool(np.isclose(loss, -(np.log(3 / 4) + np.log(1 / 2)) / 2))
    True
    """
    scores = as_float64(logits)
    total, dlogits = 0.0, np.zeros(scores.shape)
    for n, label in enumerate(np.asarray(labels)):
        shifted = scores[n] - scores[n].max()
        powers = np.exp(shifted)
        total += np.log(powers.sum()) - shifted[label]
        dlogits[n] = powers / powers.sum()
        dlogits[n, label] -= 1
    batch = np.float64(len(scores))
    return float(total / batch), (dlogits / batch).astype(working_dtype(logits))
