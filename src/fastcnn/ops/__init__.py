"""The public kernels: NumPy arrays in, NumPy arrays out.

Each function checks its arguments (`fastcnn._validate`), brings the arrays into the kernels' one layout, allocates the result and calls C.
"""

from fastcnn.ops.conv import conv2d, conv2d_backward, conv2d_transpose, conv2d_transpose_backward, convolve2d
from fastcnn.ops.dense import dense, dense_backward, relu, relu_backward, softmax, softmax_cross_entropy
from fastcnn.ops.explain import explain_conv
from fastcnn.ops.patches import col2im, im2col
from fastcnn.ops.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

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
    "explain_conv",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_cross_entropy",
]
