"""What the tests of the kernels share: cases by name, signed arrays, and layouts."""

import contextlib
import os
import threading

import numpy as np
import pytest

from fastcnn import _core

#: Every function of ``fastcnn._core`` that writes arrays: how many of its arguments, the last ones, are written.
OUTPUTS = {
    "activation": 1,
    "activation_gradient": 1,
    "avg_pool2d": 1,
    "avg_pool2d_gradient": 1,
    "channel_moments": 2,
    "channel_products": 2,
    "col2im": 1,
    "column_sums": 1,
    "conv2d": 1,
    "conv2d_input_gradient": 1,
    "conv2d_max_pool2d": 2,
    "conv2d_max_pool2d_weight_gradient": 2,
    "conv2d_weight_gradient": 2,
    "dropout": 1,
    "gather_rows": 1,
    "im2col": 1,
    "max_pool2d": 2,
    "max_pool2d_gradient": 1,
    "max_pool2d_winners": 2,
    "max_pool2d_winners_gradient": 1,
    "relu": 1,
    "relu_gradient": 1,
    "scale_channels": 1,
    "scale_channels_gradient": 1,
    "softmax": 1,
    "softmax_cross_entropy": 2,
    "uniform": 1,
}

#: Numbers about which vectors, tiles and blocks of tiles end, for every kernel set: of 2 to 16 lanes, 4 to 8 rows, 2 to 4 vectors.
EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 23, 24, 25, 27, 28, 29, 31, 32, 33, 47, 48, 49, 55, 56, 57, 63, 64, 65)

#: Whether tests that repeat something do so as often as CONTRIBUTING.md says, and not for some tenths of a second.
LONG = os.environ.get("FASTCNN_LONG", "0") != "0"

DTYPES = (np.float32, np.float64)
on_both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
in_both_layouts = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


def by_name(cases):
    """Run a test for each of `cases`, which it gets by name."""
    return pytest.mark.parametrize("name", cases)


def signed(rng, dtype, *shapes):
    """Return an array of signed numbers for each of `shapes`."""
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def laid_out(array, data_format):
    """Return channels-last images, an image or a plane as a contiguous array in `data_format`."""
    return np.ascontiguousarray(np.moveaxis(array, -1, -3)) if data_format == "channels_first" and array.ndim > 2 else array


def channels_last(array, data_format):
    """Return images, an image or a plane in `data_format` with their channels last."""
    return np.moveaxis(array, -3, -1) if data_format == "channels_first" and array.ndim > 2 else array


def with_special_values(rng, array):
    """Return a copy of `array` in which one number is NaN, one is Inf and one is -Inf; of fewer than three, as many as there are."""
    special = array.copy()
    places = rng.permutation(array.size)[:3]
    special.flat[places] = np.array([np.nan, np.inf, -np.inf], array.dtype)[: len(places)]
    return special


def placed(array, offset, block=64):
    """A copy whose first byte lies so many bytes behind the beginning of a cache line, or of another block of memory."""
    memory = np.empty(array.nbytes + block + offset, np.uint8)
    start = -memory.ctypes.data % block + offset
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def spaced_out(array):
    """A view of every other number of a wider array."""
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan if array.dtype.kind == "f" else 1, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


#: How an array of at least one axis may lie in memory, beside in C order.
ORDERS = {
    "Fortran": np.asfortranarray,
    "backwards": lambda array: np.flip(np.flip(array).copy()),
    "spaced out": spaced_out,
    "transposed": lambda array: np.ascontiguousarray(np.swapaxes(array, 0, -1)).swapaxes(0, -1),
    "misaligned": lambda array: placed(array, 1),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": read_only,
    "a subclass": lambda array: array.view(np.recarray) if array.ndim == 1 else np.ma.masked_array(array),
}


@contextlib.contextmanager
def winograd(use):
    """Use Winograd's method never (0), where it is faster (1), or wherever it is possible (2), by tiles of that size (3 to 5)."""
    before = _core.get_winograd()
    _core.set_winograd(use)
    try:
        yield
    finally:
        _core.set_winograd(before)


def move_to_float64(layers):
    """Give layers weights of float64, so that they work in it: for central differences."""
    for layer in layers:
        for name, weight in layer.weights.items():
            layer.move_weight(name, weight.astype(np.float64))


@contextlib.contextmanager
def busy_with(work):
    """Repeat `work` on another thread for as long as the block runs, which begins when it was done once."""
    begun, enough = threading.Event(), threading.Event()

    def loop():
        while not enough.is_set():
            work()
            begun.set()

    thread = threading.Thread(target=loop)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        enough.set()
        thread.join()
