"""Every public kernel with arrays for it, in one table: what tests of threads, memory, forks, signals and leaks run."""

import functools
import hashlib

import numpy as np
from compare import assert_same_bits
from kernels import signed

import fastcnn
from fastcnn import _core, layers, models, optimizers, random

CONVOLUTION = {"stride": (2, 1), "padding": "same"}
POOLING = {"pool_size": 3, "stride": 2, "padding": 1}


def max_pool_gradient(x, dy, **options):
    """The gradient of a maximum pooling, with the winners of a pooling of x."""
    _, indices = fastcnn.max_pool2d(x, return_indices=True, **options)
    return fastcnn.max_pool2d_backward(dy, indices, x.shape)


def cross_entropy(logits):
    """The loss of labels 0, 1, 2, ... and its gradient."""
    loss, gradient = fastcnn.softmax_cross_entropy(logits, np.arange(len(logits)) % logits.shape[1])
    return np.array(loss, gradient.dtype), gradient


#: name: (a function, the shapes of its arrays). Each is more than one chunk of work.
OPERATIONS = {
    "conv2d": (functools.partial(fastcnn.conv2d, activation="relu", **CONVOLUTION), [(5, 14, 13, 3), (3, 3, 3, 17), (17,)]),
    "conv2d, wide": (fastcnn.conv2d, [(5, 6, 7, 300), (3, 3, 300, 40), (40,)]),
    "conv2d, grouped": (functools.partial(fastcnn.conv2d, groups=3, dilation=2), [(5, 12, 13, 6), (3, 2, 2, 9), (9,)]),
    "conv2d, depthwise": (functools.partial(fastcnn.conv2d, groups=9, **CONVOLUTION), [(5, 14, 13, 9), (3, 3, 1, 9), (9,)]),
    "conv2d, depthwise, long pixels": (functools.partial(fastcnn.conv2d, groups=600, padding=1), [(3, 6, 9, 600), (3, 3, 1, 600), (600,)]),
    "conv2d, groups of four": (functools.partial(fastcnn.conv2d, groups=9, **CONVOLUTION), [(5, 14, 13, 36), (3, 3, 4, 36), (36,)]),
    "conv2d_backward": (functools.partial(fastcnn.conv2d_backward, **CONVOLUTION), [(5, 7, 13, 17), (5, 14, 13, 3), (3, 3, 3, 17)]),
    "conv2d_backward, wide": (fastcnn.conv2d_backward, [(5, 4, 5, 40), (5, 6, 7, 150), (3, 3, 150, 40)]),
    "conv2d_backward, one row of weights": (fastcnn.conv2d_backward, [(5, 30, 31, 3), (5, 30, 31, 1), (1, 1, 1, 3)]),
    "conv2d_backward, depthwise": (
        functools.partial(fastcnn.conv2d_backward, groups=9, **CONVOLUTION),
        [(5, 7, 13, 9), (5, 14, 13, 9), (3, 3, 1, 9)],
    ),
    "conv2d_backward, groups of four": (
        functools.partial(fastcnn.conv2d_backward, groups=9, **CONVOLUTION),
        [(5, 7, 13, 36), (5, 14, 13, 36), (3, 3, 4, 36)],
    ),
    "conv2d, Winograd": (functools.partial(fastcnn.conv2d, padding=1), [(3, 17, 16, 64), (3, 3, 64, 40), (40,)]),
    "conv2d, channels first": (
        functools.partial(fastcnn.conv2d, data_format="channels_first", **CONVOLUTION),
        [(5, 3, 14, 13), (3, 3, 3, 17), (17,)],
    ),
    "conv2d_backward, Winograd": (
        functools.partial(fastcnn.conv2d_backward, padding=1),
        [(3, 17, 16, 40), (3, 17, 16, 64), (3, 3, 64, 40)],
    ),
    "conv2d_backward, of images": (functools.partial(fastcnn.conv2d_backward, stride=2), [(5, 12, 11, 32), (5, 25, 23, 3), (3, 3, 3, 32)]),
    "conv2d_backward, channels first": (
        functools.partial(fastcnn.conv2d_backward, data_format="channels_first", **CONVOLUTION),
        [(5, 17, 7, 13), (5, 3, 14, 13), (3, 3, 3, 17)],
    ),
    "conv2d_transpose": (functools.partial(fastcnn.conv2d_transpose, stride=2), [(5, 7, 9, 5), (3, 2, 6, 5), (6,)]),
    "conv2d_transpose_backward": (
        functools.partial(fastcnn.conv2d_transpose_backward, stride=2),
        [(5, 15, 18, 6), (5, 7, 9, 5), (3, 2, 6, 5)],
    ),
    "dense": (fastcnn.dense, [(70, 300), (300, 40), (40,)]),
    "dense_backward": (fastcnn.dense_backward, [(700, 40), (700, 30), (30, 40)]),
    "max_pool2d": (functools.partial(fastcnn.max_pool2d, return_indices=True, **POOLING), [(5, 14, 13, 9)]),
    "max_pool2d_backward": (functools.partial(max_pool_gradient, **POOLING), [(5, 14, 13, 70), (5, 7, 7, 70)]),
    "avg_pool2d": (functools.partial(fastcnn.avg_pool2d, **POOLING), [(5, 14, 13, 9)]),
    "avg_pool2d_backward": (functools.partial(fastcnn.avg_pool2d_backward, input_shape=(5, 14, 13, 9), **POOLING), [(5, 7, 7, 9)]),
    "max_pool2d, channels first": (functools.partial(fastcnn.max_pool2d, data_format="channels_first", **POOLING), [(5, 9, 14, 13)]),
    "avg_pool2d, channels first": (functools.partial(fastcnn.avg_pool2d, data_format="channels_first", **POOLING), [(5, 9, 14, 13)]),
    "im2col": (functools.partial(fastcnn.im2col, kernel_size=3, **CONVOLUTION), [(5, 14, 13, 9)]),
    "col2im": (functools.partial(fastcnn.col2im, input_shape=(5, 14, 13, 9), kernel_size=3, **CONVOLUTION), [(5, 7, 13, 81)]),
    "relu": (fastcnn.relu, [(40_000,)]),
    "relu_backward": (fastcnn.relu_backward, [(40_000,), (40_000,)]),
    "softmax": (fastcnn.softmax, [(1100, 9)]),
    "softmax_cross_entropy": (cross_entropy, [(1100, 9)]),
}
#: name: (how many of its arrays, the first ones, hold a batch; which of its results do).
BATCHED = {
    "conv2d": (1, [0]),
    "conv2d, wide": (1, [0]),
    "conv2d, grouped": (1, [0]),
    "conv2d, depthwise": (1, [0]),
    "conv2d, depthwise, long pixels": (1, [0]),
    "conv2d, groups of four": (1, [0]),
    "conv2d_backward": (2, [0]),
    "conv2d_backward, wide": (2, [0]),
    "conv2d_backward, depthwise": (2, [0]),
    "conv2d_backward, groups of four": (2, [0]),
    "conv2d, Winograd": (1, [0]),
    "conv2d, channels first": (1, [0]),
    "conv2d_backward, Winograd": (2, [0]),
    "conv2d_backward, of images": (2, [0]),
    "conv2d_backward, channels first": (2, [0]),
    "conv2d_transpose": (1, [0]),
    "conv2d_transpose_backward": (2, [0]),
    "dense": (1, [0]),
    "dense_backward": (2, [0]),
    "max_pool2d": (1, [0, 1]),
    "max_pool2d_backward": (2, [0]),
    "avg_pool2d": (1, [0]),
    "max_pool2d, channels first": (1, [0]),
    "avg_pool2d, channels first": (1, [0]),
    "im2col": (1, [0]),
    "softmax": (1, [0]),
}


def network():
    """A small network, always with the same weights, of all layers that have kernels of their own."""
    begin = fastcnn.Input((14, 13, 3))
    tensor = layers.MaxPooling2D(2)(layers.Conv2D(16, 3, activation="relu")(begin))
    tensor = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(layers.BatchNormalization()(tensor))
    tensor = layers.AveragePooling2D(2)(layers.Conv2D(40, 3, padding="same", groups=4)(tensor))
    tensor = layers.Dense(20, activation="silu")(layers.Flatten()(tensor))
    model = models.Model(begin, layers.Dense(9, activation="softmax")(tensor))
    rng = np.random.default_rng(3)
    model.set_weights([rng.random(weight.shape, np.float32) / len(weight) for weight in model.get_weights()])
    return model


def row_network():
    """A small network, always with the same weights, that is trained in one row of kernels."""
    between = [layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(9, 3, padding="same"), layers.ReLU()]
    between += [layers.AveragePooling2D(2), layers.Flatten(), layers.Dropout(0.5), layers.Dense(9, activation="softmax")]
    model = models.Sequential([layers.Input((14, 13, 3)), *between])
    rng = np.random.default_rng(4)
    model.set_weights([rng.random(weight.shape, np.float32) / len(weight) for weight in model.get_weights()])
    return model


def trained(x, make=network):
    """The weights and the optimizer's slots after two steps."""
    random.set_seed(8)
    model = make()
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    for _ in range(2):
        model.train_on_batch(x, np.arange(len(x)) % 9)
    return (*model.get_weights(), *model.optimizer.slots.values())


@functools.cache
def session(isa, winograd):
    """A session for these kernels: its calls, from any thread, run beside each other."""
    return fastcnn.InferenceSession(network(), batch_size=2)


def predicted(x):
    return session(_core.selected_isa(), _core.get_winograd()).run(x)


#: Whole networks, which work in float32 alone.
NETWORKS = {
    "a training step": (trained, [(5, 14, 13, 3)]),
    "a training step in passes": (functools.partial(trained, make=row_network), [(5, 14, 13, 3)]),
    "a session": (predicted, [(5, 14, 13, 3)]),
}


@functools.cache
def arrays_of(name, dtype):
    return signed(np.random.default_rng(1), dtype, *(OPERATIONS | NETWORKS)[name][1])


def results_of(name, arrays):
    """All results of an operation as a tuple."""
    results = (OPERATIONS | NETWORKS)[name][0](*arrays)
    return results if isinstance(results, tuple) else (results,)


def assert_all_same_bits(results, expected):
    for ours, theirs in zip(results, expected, strict=True):
        assert_same_bits(ours, theirs)


def digest(name):
    """A digest of the bits of an operation's results: for other processes, which must be able to import this."""
    found = hashlib.sha256()
    for result in results_of(name, arrays_of(name, np.float32)):
        found.update(np.ascontiguousarray(result).tobytes())
    return found.hexdigest()
