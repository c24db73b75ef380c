"""Gradients of convolutions."""

import numpy as np

from planted_bugs import right, wrong


@right("conv2d_backward")
def gradient_by_loops(dy, x, w, stride=1, padding=0):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            down, right = i * stride, j * stride
            window = np.s_[:, down : down + w.shape[0], right : right + w.shape[1]]
            dw += np.einsum("nklc,nf->klcf", x[window], dy[:, i, j])
            dx[window] += np.einsum("nf,klcf->nklc", dy[:, i, j], w)
    inside = np.s_[:, padding : x.shape[1] - padding, padding : x.shape[2] - padding]
    return dx[inside], dw, dy.sum(axis=(0, 1, 2))


@right("conv2d_backward")
def gradient_of_weights_first(x, w, dout):
    return gradient_by_loops(dout, x, w)[:2]


@right("convolve2d_backward")
def gradient_of_a_plane(dy, image, kernel):
    dx, dw = np.zeros(image.shape), np.zeros(kernel.shape)
    for i, j in np.ndindex(dy.shape):
        dx[i : i + kernel.shape[0], j : j + kernel.shape[1]] += dy[i, j] * kernel
        dw += dy[i, j] * image[i : i + kernel.shape[0], j : j + kernel.shape[1]]
    return dx, dw


@wrong("dy taken for ones", like="conv2d_backward")
def takes_dy_for_ones(dy, x, w, stride=1, padding=0):
    return gradient_by_loops(np.ones(dy.shape), x, w, stride, padding)


@wrong("dx with the kernel flipped", like="conv2d_backward")
def forgets_to_flip(dy, x, w):
    _, dw, db = gradient_by_loops(dy, x, w)
    kh, kw = w.shape[:2]
    padded = np.pad(dy, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(1, 2))
    return np.einsum("nijfkl,klcf->nijc", windows, w), dw, db


@wrong("dw of the last image", like="conv2d_backward")
def forgets_the_batch(dy, x, w, stride=1, padding=0):
    dx, _, db = gradient_by_loops(dy, x, w, stride, padding)
    for n in range(len(x)):
        dw = gradient_by_loops(dy[n : n + 1], x[n : n + 1], w, stride, padding)[1]
    return dx, dw, db


@wrong("dw and db averaged", like="conv2d_backward")
def averages_the_batch(dy, x, w, stride=1, padding=0):
    dx, dw, db = gradient_by_loops(dy, x, w, stride, padding)
    return dx, dw / len(x), db / len(x)


@wrong("db for each image", like="conv2d_backward")
def sums_pixels_alone(dy, x, w, stride=1, padding=0):
    dx, dw, _ = gradient_by_loops(dy, x, w, stride, padding)
    return dx, dw, dy.sum(axis=(1, 2))


@wrong("dx overwritten", like="conv2d_backward")
def overwrites_dx(dy, x, w, stride=1):
    dx = np.zeros(x.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            window = np.s_[:, i * stride : i * stride + w.shape[0], j * stride : j * stride + w.shape[1]]
            dx[window] = np.einsum("nf,klcf->nklc", dy[:, i, j], w)
    return dx, *gradient_by_loops(dy, x, w, stride)[1:]


@wrong("padding not cut off", like="conv2d_backward")
def leaves_the_padding(dy, x, w, stride=1, padding=0):
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return gradient_by_loops(dy, padded, w, stride)


@wrong("stride ignored", like="conv2d_backward")
def ignores_stride_backwards(dy, x, w, stride=1):
    return gradient_by_loops(dy, x, w)
