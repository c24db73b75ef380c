"""Convolutions of a plane, as the tutorial has them."""

import numpy as np

from planted_bugs import right, wrong


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
