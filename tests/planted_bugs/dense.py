"""Dense layers, ReLU, softmax, windows in rows."""

import numpy as np

from planted_bugs import right, wrong


@right("dense")
def matmul(x, w, b=None):
    return x @ w if b is None else x @ w + b


@right("dense")
def one_row_in_loops(inputs, weights, biases):
    outputs = []
    for unit in range(weights.shape[1]):
        total = float(biases[unit])
        for i in range(len(inputs)):
            total += float(inputs[i]) * weights[i, unit]
        outputs.append(total)
    return outputs


@wrong("w transposed", like="dense")
def weights_by_output(x, w, b=None):
    return x @ w.T if b is None else x @ w.T + b


@right("dense_backward")
def gradient_of_matmul(dy, x, w):
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


@wrong("db not summed", like="dense_backward")
def forgets_the_sum(dy, x, w):
    return dy @ w.T, x.T @ dy, dy


@wrong("dw and db averaged", like="dense_backward")
def divides_by_the_batch(dy, x, w):
    return dy @ w.T, x.T @ dy / len(x), dy.mean(axis=0)


@wrong("dx and dw exchanged", like="dense_backward")
def mixes_up_the_order(dy, x, w):
    return x.T @ dy, dy @ w.T, dy.sum(axis=0)


@right("relu")
def relu_of_the_tutorial(x):
    return np.maximum(0, x)


@right("relu")
def relu_by_mask(x):
    return x * (x > 0)


@wrong("absolute value", like="relu")
def mirrors_negatives(x):
    return np.abs(x)


@wrong("NaN swallowed", like="relu")
def relu_by_where(x):
    return np.where(x > 0, x, 0)


@right("relu_backward")
def gradient_by_mask(dy, y):
    return dy * (y > 0)


@wrong("at 0", like="relu_backward")
def passes_at_zero(dy, y):
    return dy * (y >= 0)


@wrong("mask of dy", like="relu_backward")
def masks_dy(dy, y):
    return np.where(dy > 0, dy, 0)


@wrong("the mask alone", like="relu_backward")
def gives_the_mask(dy, y):
    return (y > 0).astype(float)


@right("softmax")
def stable_softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@right("softmax")
def softmax_of_a_vector(z):
    assert z.ndim == 1
    e = np.exp(z - max(z))
    return e / sum(e)


@wrong("overflow", like="softmax")
def overflows(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


@wrong("one sum for all rows, overflow", like="softmax")
def sums_the_batch(x):
    return np.exp(x) / np.sum(np.exp(x))


@wrong("wrong axis, overflow", like="softmax")
def sums_down(x):
    return np.exp(x) / np.exp(x).sum(axis=0)


@wrong("one maximum for all rows", like="softmax")
def subtracts_one_maximum(x):
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=-1, keepdims=True)


@right("cross_entropy")
def stable_loss(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


@wrong("logarithm of 0", like="cross_entropy")
def takes_the_logarithm_of_0(logits, labels):
    return -np.mean(np.log(stable_softmax(logits)[np.arange(len(labels)), labels]))


@wrong("summed", like="cross_entropy")
def sums_the_losses(logits, labels):
    return stable_loss(logits, labels) * len(labels)


@wrong("gradient not averaged", like="softmax_cross_entropy")
def does_not_average(logits, labels):
    return stable_loss(logits, labels), stable_softmax(logits) - np.eye(logits.shape[1])[labels]


@right("im2col")
def rows_of_windows(x, kernel_size, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel_size, kernel_size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)


@wrong("channels first in a row", like="im2col")
def puts_channels_first(x, kernel_size, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel_size, kernel_size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.reshape(*windows.shape[:3], -1)


@wrong("one row for each window", like="im2col")
def makes_a_matrix(x, kernel_size, stride=1):
    rows = rows_of_windows(x, kernel_size, stride)
    return rows.reshape(-1, rows.shape[-1])
