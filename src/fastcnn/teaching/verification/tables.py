"""Which bugs are tried for which operation."""

from __future__ import annotations

from collections.abc import Mapping

from .bugs_convolution import CONVOLUTION_BUGS
from .causes import Bug

BUGS: Mapping[str, tuple[Bug, ...]] = {
    "conv2d": CONVOLUTION_BUGS,
}
