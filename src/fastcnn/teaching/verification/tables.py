"""Which bugs are tried for which operation."""

from __future__ import annotations

from collections.abc import Mapping

from .bugs_convolution import BIAS_BUGS, CONVOLUTION_BUGS, KERNEL_BUGS
from .bugs_gradients import (
    AVG_POOL_GRADIENT_BUGS,
    CONVOLUTION_GRADIENT_BUGS,
    DENSE_GRADIENT_BUGS,
    MAX_POOL_GRADIENT_BUGS,
    overwritten,
)
from .bugs_pooling import AVG_POOL_BUGS, MAX_POOL_BUGS
from .bugs_rows import (
    COL2IM_BUGS,
    CROSS_ENTROPY_BUGS,
    DENSE_BUGS,
    IM2COL_BUGS,
    RELU_BUGS,
    RELU_GRADIENT_BUGS,
    SOFTMAX_BUGS,
)
from .bugs_windows import PLACE_BUGS
from .causes import Bug

BUGS: Mapping[str, tuple[Bug, ...]] = {
    "conv2d": CONVOLUTION_BUGS,
    "conv2d_backward": CONVOLUTION_GRADIENT_BUGS,
    "conv2d_transpose": (
        *KERNEL_BUGS,
        *BIAS_BUGS,
        *PLACE_BUGS,
        Bug(
            "overwritten",
            "where pixels paint over each other, each overwrites what the others left: it must be added (= in place of +=)",
            overwritten("x"),
        ),
    ),
    "max_pool2d": MAX_POOL_BUGS,
    "max_pool2d_backward": MAX_POOL_GRADIENT_BUGS,
    "avg_pool2d": AVG_POOL_BUGS,
    "avg_pool2d_backward": AVG_POOL_GRADIENT_BUGS,
    "im2col": IM2COL_BUGS,
    "col2im": COL2IM_BUGS,
    "dense": DENSE_BUGS,
    "dense_backward": DENSE_GRADIENT_BUGS,
    "relu": RELU_BUGS,
    "relu_backward": RELU_GRADIENT_BUGS,
    "softmax": SOFTMAX_BUGS,
    "softmax_cross_entropy": CROSS_ENTROPY_BUGS,
}
