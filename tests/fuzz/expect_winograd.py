"""What Winograd's method makes of the bound of an error, wherever its tiles lie."""

import numpy as np
from winograd_bounds import LEAST_NORMAL, MATRICES, TILES, TRANSFORM_TERMS, absolute, by_winograd, weights_by_winograd


def uses_winograd(winograd, dtype, w, stride=1, dilation=1, **_):
    """Whether Winograd's method may compute a convolution: 0 is never, 3 to 5 is by such tiles, else by any."""
    return winograd != 0 and dtype == np.float32 and w.shape[:2] == (3, 3) and np.all(np.equal(stride, 1)) and np.all(np.equal(dilation, 1))


def rounded_by(expected, scale, terms):
    """The same with the scale of Winograd's method, where it is larger; but sums overflow as they do without."""
    terms = max(expected.terms, terms + TRANSFORM_TERMS)
    return expected._replace(scale=np.maximum(expected.scale, scale), reach=expected.scale, terms=terms)


def sizes(array):
    """Absolute values; beside a number that is not finite, a tile is computed directly."""
    return np.where(np.isfinite(array), np.abs(array), 0) + LEAST_NORMAL


def flat(images, size):
    """Images (N, size, size, C) that have everywhere the largest number of their channel."""
    return np.broadcast_to(sizes(images).max(axis=(1, 2), keepdims=True), (len(images), size, size, images.shape[3]))


def of_all_groups(w, groups):
    """(3, 3, C, F) filters that see all channels, those of other groups by zeros."""
    kh, kw, channels, filters = w.shape
    whole = np.zeros((kh, kw, groups, channels, groups, filters // groups))
    for group, part in enumerate(np.split(w, groups, axis=3)):
        whole[:, :, group, :, group] = part
    return whole.reshape(kh, kw, groups * channels, filters)


def of_each_group(whole, groups):
    """(3, 3, C // groups, F): what filters have that see a group's channels alone."""
    kh, kw, channels, filters = whole.shape
    parts = whole.reshape(kh, kw, groups, channels // groups, groups, filters // groups)
    return np.concatenate([parts[:, :, group, :, group] for group in range(groups)], axis=3)


def each_tile(winograd):
    """The sizes of tiles that may be used, with their matrices, and what becomes of the least normal number on its way to a result."""
    for tile in TILES if winograd in (1, 2) else [winograd]:
        a, b, g = absolute(*MATRICES[tile])
        yield tile, (a, b, g), LEAST_NORMAL * max(a.sum(0).max(), b.sum(1).max()) ** 2


def by_tiles(winograd, expected, images, w):
    """The result of a convolution with filters (KH, KW, C, F) that see all channels."""
    scales = [
        by_winograd(flat(images, tile + 2), sizes(w), (0, 0), (len(images), tile, tile, w.shape[3]), matrices).max((1, 2), keepdims=True)
        + least
        for tile, matrices, least in each_tile(winograd)
    ]
    return rounded_by(expected, np.max(scales, 0), w.shape[2])


def weights_by_tiles(winograd, expected, images, slopes, groups):
    """A weight gradient, which is summed over as many tiles as there may be."""
    scales = []
    for tile, matrices, least in each_tile(winograd):
        tiles = np.prod([-(-max(images.shape[axis], slopes.shape[axis]) // tile) + 1 for axis in (1, 2)])
        scales.append((weights_by_winograd(flat(images, tile + 2), flat(slopes, tile), (0, 0), matrices) + least) * tiles)
    return rounded_by(expected, of_each_group(np.max(scales, 0), groups), slopes[..., 0].size)


def by_tiles_in_phases(winograd, expected, slopes, w, stride=1, dilation=1, groups=1, **_):
    """An input gradient: with a stride, each phase of it is a convolution with every so many taps, which may be 3x3 neighbours."""
    strides, dilations = (np.broadcast_to(pair, 2).tolist() for pair in (stride, dilation))
    if not slopes.size or any(step % gap for step, gap in zip(strides, dilations, strict=True)):
        return expected
    every = [step // gap for step, gap in zip(strides, dilations, strict=True)]
    for top, left in np.ndindex(*np.minimum(every, w.shape[:2])):
        phase = w[top :: every[0], left :: every[1]]
        if uses_winograd(winograd, expected.dtype, phase):
            expected = by_tiles(winograd, expected, slopes, of_all_groups(phase, groups).swapaxes(2, 3))
    return expected
