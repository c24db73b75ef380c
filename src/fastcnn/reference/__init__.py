"""The specification: every kernel of fastcnn written as the plain loops that define it.

These functions take the arguments of the kernels of the same names and give the same results, slowly. They are here to be read, and
to test the fast ones against. They work in float64 and round once, at the end, to the working dtype: what ``numpy.result_type`` makes
of the arrays (but for a bias) and float32. They do not check their arguments.

Read them in this order::

    activations.py    relu, softmax, softmax_cross_entropy       a number at a time, a row at a time
    linear.py         dense                                      every input times every weight
    windows.py        where windows lie on a padded plane        all the rules of stride, dilation and padding
    convolution.py    convolve2d, conv2d, conv2d_transpose       a window times a filter
    pooling.py        max_pool2d, avg_pool2d                     the largest pixel of a window, the mean of a window
    patches.py        im2col, col2im                             the windows themselves, laid out in rows
    arrays.py         layouts and dtypes                         from any array to float64 images (N, H, W, C), and back

The loops count images with ``n``, windows with ``oh, ow``, the taps of a window with ``kh, kw``, channels with ``c``, filters with ``f``.

A gradient is the loop of its forward function run once more. Where the forward says ``y += x * w``, the chain rule says
``dx += dy * w`` and ``dw += x * dy``: the same loop over the same indices, with the result and an operand exchanged.

Examples
--------
>>> import numpy as np
>>> from fastcnn import reference
>>> image = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]])
>>> edges = reference.convolve2d(image, np.array([[1, 1], [1, 0]]), bias=-1)
>>> reference.max_pool2d(reference.relu(edges), pool_size=2, stride=1)
array([[1., 1.],
       [1., 1.]])
"""

from .activations import relu, relu_backward, softmax, softmax_cross_entropy
from .convolution import conv2d, conv2d_backward, conv2d_transpose, conv2d_transpose_backward, convolve2d
from .linear import dense, dense_backward
from .patches import col2im, im2col
from .pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv2d_transpose",
    "conv2d_transpose_backward",
    "convolve2d",
    "dense",
    "dense_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_cross_entropy",
]
