"""ReLU, softmax and cross-entropy: their arguments, and what must come of them."""

import numpy as np

from fastcnn import reference
from fastcnn.reference.arrays import working_dtype
from fuzz import geometry
from fuzz.oracle import Expected

# --- Arguments -----------------------------------------------------------------------------------------------------------


def relu_arguments(c):
    (of_x,) = geometry.numbers(c, 1)
    return {"x": geometry.array(c, geometry.shape(c, (1, 0, 2, 3, 5)), *of_x)}


def relu_backward_arguments(c):
    shape = geometry.shape(c, (1, 0, 2, 3, 5))
    of_dy, of_y = geometry.numbers(c, 2)
    return {"dy": geometry.array(c, shape, *of_dy), "y": geometry.array(c, shape, *of_y)}


def softmax_arguments(c):
    shape = geometry.shape(c, (1, 2, 3, 4))
    (of_x,) = geometry.numbers(c, 1)
    arguments = {"x": geometry.array(c, shape, *of_x)}
    if c.once_in(2):
        arguments["axis"] = geometry.number(c, c.between(0, 2 * len(shape) - 1) - len(shape))
    return arguments


def softmax_cross_entropy_arguments(c):
    n, k = geometry.batch(c), geometry.channels(c)
    (of_x,) = geometry.numbers(c, 1)
    labels = geometry.array(c, (n,), c.of(("int64", "int32", "uint8", "uint64")), k)
    return {"logits": geometry.array(c, (n, k), *of_x), "labels": labels}


# --- What must come of them ----------------------------------------------------------------------------------------------


def relu(winograd, x):
    return [Expected(reference.relu(np.asarray(x, np.float64)), working_dtype(x))]


def relu_backward(winograd, dy, y):
    return [Expected(reference.relu_backward(np.asarray(dy, np.float64), np.asarray(y, np.float64)), working_dtype(dy, y))]


def spread(x, axis):
    """How far finite numbers lie apart: an exponent that is off by so much eps puts its power off by as much."""
    finite = np.isfinite(x)
    most, least = (np.where(finite, x, beyond) for beyond in (-np.inf, np.inf))
    return np.where(finite.any(axis, keepdims=True), most.max(axis, keepdims=True) - least.min(axis, keepdims=True), 0.0)


def softmax(winograd, x, axis=-1):
    dtype, x = working_dtype(x), np.asarray(x, np.float64)
    if not x.size:
        return [Expected(x, dtype)]
    p = reference.softmax(x, axis)
    return [Expected(p, dtype, p * (2 + spread(x, axis)), x.shape[axis], reach=np.ones_like(p))]


def softmax_cross_entropy(winograd, logits, labels):
    dtype, scores, n = working_dtype(logits), np.asarray(logits, np.float64), len(labels)
    loss, dlogits = reference.softmax_cross_entropy(scores, labels)
    if not n:
        return [Expected(np.float64(loss), dtype), Expected(dlogits, dtype)]
    finite = np.where(np.isfinite(scores), np.abs(scores), 0)
    largest = 2 * finite.max() + np.log(scores.shape[1])  # the largest of a row, the logarithm of its sum, and the label's logit
    scale = (1 + (2 + spread(scores, 1)) * reference.softmax(scores)) / n
    terms = scores.shape[1]
    return [
        Expected(np.float64(loss), dtype, np.float64(largest), terms, reach=np.float64(largest * n)),
        Expected(dlogits, dtype, np.where(np.isfinite(scale), scale, 1), terms, reach=np.ones_like(scale)),
    ]
