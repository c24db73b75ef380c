"""Pooling, and its gradients."""

import numpy as np

from planted_bugs import right, wrong


@right("max_pool2d")
def pool_of_the_tutorial(feature_map, pool_size=2, stride=2):
    height, width = feature_map.shape
    pooled = np.zeros(((height - pool_size) // stride + 1, (width - pool_size) // stride + 1))
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            pooled[i, j] = np.max(feature_map[i * stride : i * stride + pool_size, j * stride : j * stride + pool_size])
    return pooled


@right("max_pool2d")
def pool_windows_at_once(x, size):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::size, ::size]
    return windows.max(axis=(4, 5))


@wrong("starts from 0", "NaN swallowed", like="max_pool2d")
def starts_from_zero(feature_map, pool_size=2, stride=2):
    height, width = feature_map.shape
    pooled = np.zeros(((height - pool_size) // stride + 1, (width - pool_size) // stride + 1))
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            best = 0
            for a in range(pool_size):
                for b in range(pool_size):
                    best = max(feature_map[i * stride + a, j * stride + b], best)
            pooled[i, j] = best
    return pooled


@wrong("NaN swallowed", like="max_pool2d")
def compares(feature_map, pool_size=2, stride=2):
    height, width = feature_map.shape
    pooled = np.zeros(((height - pool_size) // stride + 1, (width - pool_size) // stride + 1))
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            best = -np.inf
            for a in range(pool_size):
                for b in range(pool_size):
                    if feature_map[i * stride + a, j * stride + b] > best:
                        best = feature_map[i * stride + a, j * stride + b]
            pooled[i, j] = best
    return pooled


@wrong("stride as the window", like="max_pool2d")
def pools_side_by_side(feature_map, pool_size=2, stride=2):
    return pool_of_the_tutorial(feature_map, pool_size, pool_size)


@wrong("window too small", like="max_pool2d")
def leaves_out_the_last_row(feature_map, pool_size=2, stride=2):
    height, width = feature_map.shape
    pooled = np.zeros(((height - pool_size) // stride + 1, (width - pool_size) // stride + 1))
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            end = max(pool_size - 1, 1)
            pooled[i, j] = np.max(feature_map[i * stride : i * stride + end, j * stride : j * stride + end])
    return pooled


@wrong("windows cut off at the edge", like="max_pool2d")
def rounds_up(feature_map, pool_size=2):
    height, width = feature_map.shape
    pooled = np.zeros((-(-height // pool_size), -(-width // pool_size)))
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            pooled[i, j] = feature_map[i * pool_size : (i + 1) * pool_size, j * pool_size : (j + 1) * pool_size].max()
    return pooled


@wrong("mean", like="max_pool2d")
def takes_the_mean(feature_map, pool_size=2):
    height, width = feature_map.shape[0] // pool_size, feature_map.shape[1] // pool_size
    cut = feature_map[: height * pool_size, : width * pool_size]
    return cut.reshape(height, pool_size, width, pool_size).mean(axis=(1, 3))


@wrong("padding wins", like="max_pool2d")
def pads_with_zeros(x, pool_size=2, stride=2, padding=0):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (pool_size, pool_size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.max(axis=(4, 5))


@right("avg_pool2d")
def averages_windows(x, pool_size=2, stride=2):
    windows = np.lib.stride_tricks.sliding_window_view(x, (pool_size, pool_size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.mean(axis=(4, 5))


@wrong("padding counted", like="avg_pool2d")
def counts_the_padding(x, pool_size=2, stride=2, padding=0):
    return averages_windows(np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))), pool_size, stride)


@wrong("divided by one side", like="avg_pool2d")
def divides_by_the_side(x, pool_size=2, stride=2):
    return averages_windows(x, pool_size, stride) * pool_size


@wrong("not divided", like="avg_pool2d")
def sums_up(x, pool_size=2, stride=2):
    return averages_windows(x, pool_size, stride) * pool_size**2


@wrong("divided by 4", like="avg_pool2d")
def divides_by_four(x, pool_size=2, stride=2):
    return averages_windows(x, pool_size, stride) * pool_size**2 / 4


@wrong("integer division", like="avg_pool2d")
def divides_integers(feature_map, pool_size=2):
    height, width = feature_map.shape[0] // pool_size, feature_map.shape[1] // pool_size
    sums = feature_map[: height * pool_size, : width * pool_size].reshape(height, pool_size, width, pool_size).sum(axis=(1, 3))
    return sums // pool_size**2 if sums.dtype.kind in "iu" else sums / pool_size**2


@right("max_pool2d_backward")
def gradient_of_winners(dy, x, pool_size=2, stride=2):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + pool_size, j * stride : j * stride + pool_size, c]
        a, b = np.unravel_index(np.argmax(window), window.shape)
        dx[n, i * stride + a, j * stride + b, c] += dy[n, i, j, c]
    return dx


@right("max_pool2d_backward")
def gradient_by_indices(dy, indices, input_shape):
    dx = np.zeros(input_shape)
    for n, i, j, c in np.ndindex(dy.shape):
        dx[n, indices[n, i, j, c] // input_shape[2], indices[n, i, j, c] % input_shape[2], c] += dy[n, i, j, c]
    return dx


@wrong("all equal pixels", like="max_pool2d_backward")
def masks(dy, x, pool_size=2, stride=2):
    dx = np.zeros(x.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            place = np.s_[:, i * stride : i * stride + pool_size, j * stride : j * stride + pool_size]
            window = x[place]
            dx[place] += (window == window.max(axis=(1, 2), keepdims=True)) * dy[:, i : i + 1, j : j + 1]
    return dx


@wrong("last of equal pixels", like="max_pool2d_backward")
def takes_the_last(dy, x, pool_size=2, stride=2):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        best = -np.inf
        for a in range(i * stride, i * stride + pool_size):
            for b in range(j * stride, j * stride + pool_size):
                if x[n, a, b, c] >= best:
                    best, winner = x[n, a, b, c], (n, a, b, c)
        dx[winner] += dy[n, i, j, c]
    return dx


@wrong("whole window", like="max_pool2d_backward")
def gives_all(dy, x, pool_size=2, stride=2):
    dx = np.zeros(x.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            place = np.s_[:, i * stride : i * stride + pool_size, j * stride : j * stride + pool_size]
            dx[place] += dy[:, i : i + 1, j : j + 1]
    return dx


@wrong("dx overwritten", like="max_pool2d_backward")
def overwrites_winners(dy, x, pool_size=2, stride=2):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + pool_size, j * stride : j * stride + pool_size, c]
        a, b = np.unravel_index(np.argmax(window), window.shape)
        dx[n, i * stride + a, j * stride + b, c] = dy[n, i, j, c]
    return dx


@wrong("not divided", like="avg_pool2d_backward")
def does_not_divide(dy, input_shape, pool_size=2, stride=2):
    return gives_all(dy, np.zeros(input_shape), pool_size, stride)
