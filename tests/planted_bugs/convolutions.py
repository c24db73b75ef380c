"""Convolutions with padding, channels and batches."""

import numpy as np

from planted_bugs import right, wrong


@right("conv2d")
def padded_loops(x, w, b=None, stride=1, padding=0):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    n, height, width, _ = x.shape
    kh, kw, _, f = w.shape
    out = np.zeros((n, (height - kh) // stride + 1, (width - kw) // stride + 1, f))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            window = x[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [0, 1, 2]))
    return out if b is None else out + b


@right("conv2d")
def conv_of_one_image(image, weights, bias, stride=1):
    return padded_loops(image[None], weights, bias, stride)[0] if image.ndim == 3 else image.shape.index(-1)


@right("conv2d")
def single_precision(x, w, b=None, stride=1, padding=0):
    return padded_loops(x.astype(np.float32), w.astype(np.float32), b, stride, padding).astype(np.float32)


@wrong("layout", like="conv2d")
def pytorchs_layout(x, w, b=None, stride=1, padding=0):
    assert x.shape[1] == w.shape[1]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("ncijkl,fckl->nfij", windows, w)
    return out if b is None else out + b[:, None, None]


@wrong("padding before alone", like="conv2d")
def pads_before(x, w, b=None, stride=1, padding=0):
    return padded_loops(np.pad(x, ((0, 0), (padding, 0), (padding, 0), (0, 0))), w, b, stride)


@wrong("padding ignored", like="conv2d")
def ignores_padding(x, w, b=None, stride=1, padding=0):
    return padded_loops(x, w, b, stride)


@wrong("padding on the height alone", like="conv2d")
def pads_the_height(x, w, b=None, stride=1, padding=0):
    return padded_loops(np.pad(x, ((0, 0), (padding, padding), (0, 0), (0, 0))), w, b, stride)


@wrong("edges repeated", like="conv2d")
def pads_with_the_edge(x, w, b=None, stride=1, padding=0):
    return padded_loops(np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="edge"), w, b, stride)


@wrong("padding before alone", like="conv2d")
def counts_padding_once(x, w, b=None, stride=1, padding=0):
    right = padded_loops(x, w, b, stride, padding)
    height = (x.shape[1] + padding - w.shape[0]) // stride + 1
    width = (x.shape[2] + padding - w.shape[1]) // stride + 1
    return right[:, :height, :width]


@wrong("first channel alone", like="conv2d")
def uses_one_channel(x, w, b=None, stride=1, padding=0):
    return padded_loops(x[..., :1], w[:, :, :1], b, stride, padding)


@wrong("last channel alone", like="conv2d")
def keeps_the_last_channel(x, w, b=None):
    for c in range(x.shape[3]):
        out = padded_loops(x[..., c : c + 1], w[:, :, c : c + 1])
    return out if b is None else out + b


@wrong("bias once per channel", like="conv2d")
def adds_bias_for_each_channel(x, w, b=None):
    out = 0
    for c in range(x.shape[3]):
        out = out + padded_loops(x[..., c : c + 1], w[:, :, c : c + 1], b)
    return out


@wrong("first image alone", like="conv2d")
def does_one_image(x, w, b=None, stride=1, padding=0):
    right = padded_loops(x, w, b, stride, padding)
    out = np.zeros(right.shape)
    out[0] = right[0]
    return out


@wrong("dilation ignored", like="conv2d")
def ignores_dilation(x, w, b=None, dilation=1):
    return padded_loops(x, w, b)


@wrong("strides exchanged", like="conv2d")
def exchanges_strides(x, w, b=None, stride=(1, 1)):
    down, right = (stride, stride) if isinstance(stride, int) else stride
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2], axis=(1, 2))[:, ::right, ::down]
    out = np.einsum("nijckl,klcf->nijf", windows, w)
    return out if b is None else out + b


@wrong("padding sides exchanged", like="conv2d")
def puts_the_odd_pixel_before(x, w, b=None, padding="valid"):
    if padding == "same":
        total = [w.shape[0] - 1, w.shape[1] - 1]
        x = np.pad(x, ((0, 0), *((t - t // 2, t // 2) for t in total), (0, 0)))
    return padded_loops(x, w, b)


@wrong("kernel flipped", "bias missing", like="conv2d")
def flips_and_forgets_bias(x, w, b=None, stride=1, padding=0):
    return padded_loops(x, w[::-1, ::-1], None, stride, padding)


@wrong("kernel flipped", "stride ignored", like="conv2d")
def flips_and_ignores_stride(x, w, b=None, stride=1, padding=0):
    return padded_loops(x, w[::-1, ::-1], b, 1, padding)


@wrong("bias once per tap", "padding before alone", like="conv2d")
def adds_bias_often_and_pads_before(x, w, b=None, stride=1, padding=0):
    out = padded_loops(np.pad(x, ((0, 0), (padding, 0), (padding, 0), (0, 0))), w, None, stride)
    return out if b is None else out + b * w[..., 0].size
