"""Winograd's method in float64, and on absolute values: what the bounds of its errors are made from."""

import numpy as np

#: The pairs of points of F(tile x tile, 3x3); another is infinity, and another 0 where the tile is even.
POINTS = {3: (3 / 8, 5 / 4), 4: (5 / 8, 3 / 2), 5: (1 / 4, 7 / 8, 7 / 4)}


def matrices_of(tile):
    """A, B and G: powers of the points, polynomials that are 0 at all the others, and powers divided by what these are at the point."""
    points = [0.0] * (tile % 2 == 0) + [sign * p for p in POINTS[tile] for sign in (1, -1)]
    others = [[q for q in points if q != p] for p in points]
    last = [[0.0] * (size - 1) + [1.0] for size in (tile, 3)]
    a = [*([p**k for k in range(tile)] for p in points), last[0]]
    b = [*([*np.poly(q)[::-1], 0.0] for q in others), np.poly(points)[::-1]]
    g = [*(np.array([1, p, p**2]) / np.prod(p - np.array(q)) for p, q in zip(points, others, strict=True)), last[1]]
    return np.array(a), np.array(b).T, np.array(g)


TILES = tuple(POINTS)
MATRICES = {tile: matrices_of(tile) for tile in TILES}
#: Roundings of numbers below this one are as large as of this one.
LEAST_NORMAL = float(np.finfo(np.float32).smallest_normal)
#: Additions on the way of a number through the transforms, in two dimensions: there, and back.
TRANSFORM_TERMS = 40


def tiles_of(images, size, step, before, rows, cols):
    """The tiles of `size` x `size` pixels, `step` apart, of images (N, H, W, C) in zeros: (N, rows, cols, size, size, C)."""
    n, h, w, c = images.shape
    padded = np.zeros((n, step * rows + size, step * cols + size, c))
    padded[:, before[0] : before[0] + h, before[1] : before[1] + w] = images
    tiles = [[padded[:, step * i :, step * j :][:, :size, :size] for j in range(cols)] for i in range(rows)]
    return np.moveaxis(np.array(tiles), 2, 0)


def by_winograd(x, w, before, shape, matrices):
    """The correlation of x (N, H, W, C), padded by `before`, with w (3, 3, C, F) to `shape` (N, OH, OW, F), in float64."""
    a, b, g = matrices
    patch, tile = a.shape
    rows, cols = -(-shape[1] // tile), -(-shape[2] // tile)
    v = np.einsum("pu,nijpqc,qv->nijuvc", b, tiles_of(x, patch, tile, before, rows, cols), b, optimize=True)
    u = np.einsum("up,pqcf,vq->uvcf", g, w, g, optimize=True)
    y = np.einsum("pu,nijpqc,pqcf,qv->niujvf", a, v, u, a, optimize=True)
    return y.reshape(shape[0], tile * rows, tile * cols, shape[3])[:, : shape[1], : shape[2]]


def weights_by_winograd(x, dy, before, matrices):
    """The gradient by w (3, 3, C, F) for dy (N, OH, OW, F), in float64."""
    a, b, g = matrices
    patch, tile = a.shape
    rows, cols = -(-dy.shape[1] // tile), -(-dy.shape[2] // tile)
    v = np.einsum("pu,nijpqc,qv->nijuvc", b, tiles_of(x, patch, tile, before, rows, cols), b, optimize=True)
    m = np.einsum("up,nijpqf,vq->nijuvf", a, tiles_of(dy, tile, tile, (0, 0), rows, cols), a, optimize=True)
    return np.einsum("up,nijuvc,nijuvf,vq->pqcf", g, v, m, g, optimize=True)


def absolute(*arrays):
    return [np.abs(array.astype(np.float64)) for array in arrays]
