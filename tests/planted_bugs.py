"""Functions as students write them: right ones in several styles, and wrong ones, each with the names of its bugs in `fastcnn.verify`."""

import numpy as np

WRONG = []
RIGHT = []


def wrong(*bugs, like):
    """Plant a function with bugs of these names."""

    def plant(function):
        WRONG.append((function, like, bugs))
        return function

    return plant


def right(like):
    """Keep a function that has no bug."""

    def keep(function):
        RIGHT.append((function, like))
        return function

    return keep


# --- The tutorial's convolution -------------------------------------------------------------------------------------------


@right("convolve2d")
def from_the_tutorial(image, kernel, bias=0, stride=1):
    height = (image.shape[0] - kernel.shape[0]) // stride + 1
    width = (image.shape[1] - kernel.shape[1]) // stride + 1
    feature_map = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            region = image[i * stride : i * stride + kernel.shape[0], j * stride : j * stride + kernel.shape[1]]
            feature_map[i, j] = np.sum(region * kernel) + bias
    return feature_map


@right("convolve2d")
def four_loops(img, k):
    out = np.zeros((img.shape[0] - k.shape[0] + 1, img.shape[1] - k.shape[1] + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(k.shape[0]):
                for b in range(k.shape[1]):
                    out[i, j] += img[i + a, j + b] * k[a, b]
    return out


@right("convolve2d")
def windows_at_once(image, kernel, bias=0, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.einsum("ijkl,kl->ij", windows, kernel) + bias


@right("convolve2d")
def lists(image, kernel):
    rows = []
    for i in range(len(image) - len(kernel) + 1):
        row = []
        for j in range(len(image[0]) - len(kernel[0]) + 1):
            row.append(sum(image[i + a][j + b] * kernel[a][b] for a in range(len(kernel)) for b in range(len(kernel[0]))))
        rows.append(row)
    return rows


@wrong("kernel flipped", like="convolve2d")
def flips(image, kernel, bias=0, stride=1):
    return from_the_tutorial(image, np.flip(kernel), bias, stride)


@wrong("kernel flipped", like="convolve2d")
def flips_by_index(image, kernel):
    kh, kw = kernel.shape
    out = np.zeros((image.shape[0] - kh + 1, image.shape[1] - kw + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kh):
                for b in range(kw):
                    out[i, j] += image[i + a, j + b] * kernel[kh - 1 - a, kw - 1 - b]
    return out


@wrong("kernel mirrored", like="convolve2d")
def mirrors(image, kernel, bias=0, stride=1):
    return from_the_tutorial(image, kernel[:, ::-1], bias, stride)


@wrong("kernel transposed", like="convolve2d")
def transposes(image, kernel, bias=0, stride=1):
    height = (image.shape[0] - kernel.shape[0]) // stride + 1
    width = (image.shape[1] - kernel.shape[1]) // stride + 1
    feature_map = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            region = image[i * stride : i * stride + kernel.shape[0], j * stride : j * stride + kernel.shape[1]]
            feature_map[i, j] = np.sum(region * kernel.T) + bias
    return feature_map


@wrong("one window too few", like="convolve2d")
def forgets_plus_one(image, kernel, bias=0, stride=1):
    height = (image.shape[0] - kernel.shape[0]) // stride
    width = (image.shape[1] - kernel.shape[1]) // stride
    feature_map = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            region = image[i * stride : i * stride + kernel.shape[0], j * stride : j * stride + kernel.shape[1]]
            feature_map[i, j] = np.sum(region * kernel) + bias
    return feature_map


@wrong("one window too few if pixels are left over", like="convolve2d")
def range_ends_early(image, kernel, bias=0, stride=1):
    rows = []
    for i in range(0, image.shape[0] - kernel.shape[0], stride):
        row = []
        for j in range(0, image.shape[1] - kernel.shape[1], stride):
            row.append(np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel) + bias)
        rows.append(row)
    return np.array(rows).reshape(len(rows), -1 if rows else len(range(0, image.shape[1] - kernel.shape[1], stride)))


@wrong("stride ignored", like="convolve2d")
def ignores_stride(image, kernel, bias=0, stride=1):
    return from_the_tutorial(image, kernel, bias)


@wrong("stride on the height alone", like="convolve2d")
def strides_down_only(image, kernel, bias=0, stride=1):
    height = (image.shape[0] - kernel.shape[0]) // stride + 1
    width = image.shape[1] - kernel.shape[1] + 1
    feature_map = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            region = image[i * stride : i * stride + kernel.shape[0], j : j + kernel.shape[1]]
            feature_map[i, j] = np.sum(region * kernel) + bias
    return feature_map


@wrong("stride in the size alone", like="convolve2d")
def steps_by_one(image, kernel, bias=0, stride=1):
    height = (image.shape[0] - kernel.shape[0]) // stride + 1
    width = (image.shape[1] - kernel.shape[1]) // stride + 1
    feature_map = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            feature_map[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel) + bias
    return feature_map


@wrong("size without the stride", like="convolve2d")
def leaves_zeros(image, kernel, bias=0, stride=1):
    feature_map = np.zeros((image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1))
    for i in range(0, image.shape[0] - kernel.shape[0] + 1, stride):
        for j in range(0, image.shape[1] - kernel.shape[1] + 1, stride):
            region = image[i : i + kernel.shape[0], j : j + kernel.shape[1]]
            feature_map[i // stride, j // stride] = np.sum(region * kernel) + bias
    return feature_map


@wrong("size of the image", like="convolve2d")
def keeps_the_size(image, kernel):
    feature_map = np.zeros(image.shape)
    for i in range(image.shape[0] - kernel.shape[0] + 1):
        for j in range(image.shape[1] - kernel.shape[1] + 1):
            feature_map[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel)
    return feature_map


@wrong("last row and column left 0", like="convolve2d")
def stops_a_row_early(image, kernel, bias=0):
    height, width = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    feature_map = np.zeros((height, width))
    for i in range(height - 1):
        for j in range(width - 1):
            feature_map[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel) + bias
    return feature_map


@wrong("bias missing", like="convolve2d")
def forgets_bias(image, kernel, bias=0, stride=1):
    return from_the_tutorial(image, kernel, 0, stride)


@wrong("bias once per tap", like="convolve2d")
def adds_bias_in_the_loop(image, kernel, bias=0):
    out = np.zeros((image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    out[i, j] += image[i + a, j + b] * kernel[a, b] + bias
    return out


@wrong("bias once per tap", like="convolve2d")
def adds_bias_inside_the_sum(image, kernel, bias=0, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.sum(windows * kernel + bias, axis=(2, 3))


@wrong("last tap alone", like="convolve2d")
def overwrites(image, kernel):
    out = np.zeros((image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    out[i, j] = image[i + a, j + b] * kernel[a, b]
    return out


@wrong("sum not set back", like="convolve2d")
def never_resets(image, kernel, bias=0):
    out = np.zeros((image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1))
    total = 0
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    total += image[i + a, j + b] * kernel[a, b]
            out[i, j] = total + bias
    return out


@wrong("mean of the window", like="convolve2d")
def averages(image, kernel, bias=0, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.mean(windows * kernel, axis=(2, 3)) + bias


@wrong("truncated to integers", like="convolve2d")
def keeps_the_images_dtype(image, kernel, bias=0, stride=1):
    right = from_the_tutorial(image, kernel, bias, stride)
    feature_map = np.zeros(right.shape, image.dtype)
    feature_map[:] = right
    return feature_map


@wrong("height and width exchanged", like="convolve2d")
def columns_first(image, kernel, bias=0):
    return np.array(
        [
            [
                np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel) + bias
                for i in range(image.shape[0] - kernel.shape[0] + 1)
            ]
            for j in range(image.shape[1] - kernel.shape[1] + 1)
        ]
    )


@wrong("NaN swallowed", like="convolve2d")
def sums_without_nan(image, kernel, bias=0, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.nansum(windows * kernel, axis=(2, 3)) + bias


# --- Convolutions with padding, channels and batches ----------------------------------------------------------------------


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


# --- Pooling --------------------------------------------------------------------------------------------------------------


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


# --- Gradients ------------------------------------------------------------------------------------------------------------


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


# --- Dense layers, ReLU, softmax, windows in rows -------------------------------------------------------------------------


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
