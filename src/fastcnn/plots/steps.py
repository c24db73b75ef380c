"""Single operations on one plane, number by number: the tutorial's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from string import ascii_lowercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fastcnn import _validate, ops
from fastcnn._validate import IntOrPair
from fastcnn.plots import arguments, style

#: The most rows or columns of a map whose windows are framed.
_FRAMED = 12


@style.drawn
def image(image: ArrayLike, title: str = "Image") -> Figure:
    """Draw an image; in a small one of one channel, the pixels' values are written.

    Parameters
    ----------
    image : array_like, shape (H, W), (H, W, 1) or (H, W, 3)
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For an image that is none.

    References
    ----------
    ``matplotlib.axes.Axes.imshow``.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.image([[0, 1], [1, 0]], "Letter X")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0', '1', '1', '0']
    """
    pixels = _validate.array(image, "image", (2, 3))
    pixels = arguments.images(pixels[None] if pixels.ndim == 3 else pixels[None, ..., None], "image")[0]
    height, width, channels = pixels.shape
    if not isinstance(title, str):
        raise TypeError(f"title must be a string, got {title!r} of type {type(title).__name__}")
    pads = style.Pads(0.15, 0.15, 0.05)
    figure, (ax,) = style.panels(1, side=3.2, pads=pads, title=f"{title} ({style.size_of((height, width))} pixels)")
    if channels == 1:
        norm = style.pixel_limits(pixels)
        style.cells(ax, pixels[..., 0], cmap=style.PIXELS, norm=norm, side=3.2)
    else:
        style.picture(ax, pixels)
    return figure


@style.drawn
def convolution_step(image: ArrayLike, kernel: ArrayLike, position: Sequence[int] = (0, 0), bias: float = 0, stride: int = 1) -> Figure:
    """Draw how one number of a feature map comes about: the patch times the kernel, the sum, the bias, and where the result lands.

    Parameters
    ----------
    image : array_like, shape (H, W)
    kernel : array_like, shape (KH, KW)
    position : pair of int, default (0, 0)
        The row and the column in the feature map; in the image, the patch begins at `stride` times them.
    bias, stride
        As for `fastcnn.convolve2d`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. arXiv:1603.07285, 2016, whose figures draw such steps.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.convolution_step([[1, 2], [3, 4]], [[1, 0], [0, -1]], bias=5)
    >>> figure.axes[3].get_xlabel()
    'sum −3 + bias 5 = 2'
    """
    pixels, weights = arguments.plane(image, "image"), arguments.plane(kernel, "kernel")
    feature_map = ops.convolve2d(pixels, weights, bias, stride)
    row, column = _position(position, feature_map.shape)
    (height, width), (top, left) = weights.shape, (stride * row, stride * column)
    patch = pixels[top : top + height, left : left + width]
    products = np.multiply(patch, weights, dtype=np.float64)
    norm = style.pixel_limits(pixels)

    figure, axes = style.panels(5, pads=style.Pads(bottom=0.35))
    style.cells(axes[0], pixels, f"Image ({style.size_of(pixels.shape)})", cmap=style.PIXELS, norm=norm)
    style.outline(axes[0], top, left, height, width)
    style.cells(axes[1], patch, f"Patch at row {top}, column {left}", cmap=style.PIXELS, norm=norm)
    style.cells(axes[2], weights, f"Kernel ({style.size_of(weights.shape)})", cmap=style.SIGNED)
    style.cells(axes[3], products, "Patch × kernel", cmap=style.SIGNED)
    total, shift, result = style.numbers([products.sum(), bias, feature_map[row, column]])
    axes[3].set_xlabel(f"sum {total} + bias {_bracketed(shift)} = {result}")
    style.cells(axes[4], feature_map, f"Feature map ({style.size_of(feature_map.shape)})")
    style.outline(axes[4], row, column)
    for ax, sign in zip(axes, "→×=→", strict=False):
        style.between(ax, sign)
    return figure


@style.drawn
def feature_map(image: ArrayLike, kernel: ArrayLike, bias: float = 0, stride: int = 1) -> Figure:
    """Draw an image, a kernel, and the feature map that their convolution gives.

    Parameters
    ----------
    image : array_like, shape (H, W)
    kernel : array_like, shape (KH, KW)
    bias, stride
        As for `fastcnn.convolve2d`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. arXiv:1603.07285, 2016, whose figures draw such steps.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.feature_map([[1, 2], [3, 4]], [[1, 0], [0, -1]], bias=5)
    >>> [ax.get_title() for ax in figure.axes]
    ['Image (2×2)', 'Kernel (2×2), bias 5', 'Feature map (1×1)']
    """
    pixels, weights = arguments.plane(image, "image"), arguments.plane(kernel, "kernel")
    result = ops.convolve2d(pixels, weights, bias, stride)
    figure, axes = style.panels(3)
    _convolution(axes, pixels, weights, bias, result)
    style.between(axes[0], "*")
    style.between(axes[1], "→")
    return figure


@style.drawn
def relu(feature_map: ArrayLike) -> Figure:
    """Draw a feature map before and after ReLU, and between the two the function with the map's values on it.

    Parameters
    ----------
    feature_map : array_like, shape (H, W)

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For a map that is none.

    References
    ----------
    V. Nair, G. E. Hinton: Rectified linear units improve restricted Boltzmann machines. ICML 2010.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.relu([[-1, 2]])
    >>> [text.get_text() for text in figure.axes[2].texts]
    ['0', '2']
    """
    before = arguments.plane(feature_map, "feature_map")
    after = ops.relu(before)
    norm = style.limits(np.stack([before, after]))
    figure, (left, middle, right) = style.panels(3, pads=style.Pads(0.55, bottom=0.5))
    style.cells(left, before, f"Before ReLU ({style.size_of(before.shape)})", norm=norm)
    style.cells(right, after, f"After ReLU ({style.size_of(after.shape)})", norm=norm)
    finite = before[np.isfinite(before)]
    reach = float(np.abs(finite).max(initial=0)) or 1.0
    line = np.array([-reach, 0, reach]) * 1.1
    middle.axhline(0, color="#808080", linewidth=0.8)
    middle.axvline(0, color="#808080", linewidth=0.8)
    middle.plot(line, ops.relu(line), color=style.BASE, linewidth=2)
    middle.plot(finite, ops.relu(finite), "o", color=style.ACCENT, markersize=5, markeredgecolor="white")
    middle.set(title="ReLU: max(0, value)", xlabel="before", ylabel="after", box_aspect=1)
    style.between(left, "→")
    style.between(middle, "→")
    return figure


@style.drawn
def max_pool(feature_map: ArrayLike, pool_size: IntOrPair = 2, stride: IntOrPair | None = None) -> Figure:
    """Draw a max pooling: the windows, framed and lettered where they begin, the winner of each, and what is left.

    Parameters
    ----------
    feature_map : array_like, shape (H, W)
    pool_size, stride
        As for `fastcnn.max_pool2d`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    D. Scherer, A. Müller, S. Behnke: Evaluation of pooling operations in convolutional architectures for object recognition. ICANN 2010.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.max_pool([[1, 2], [4, 3]])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['4', 'a']
    """
    before = arguments.plane(feature_map, "feature_map")
    pooled, winners = ops.max_pool2d(before, pool_size, stride, return_indices=True)
    size = _validate.pair(pool_size, "pool_size", 1)
    step = size if stride is None else _validate.pair(stride, "stride", 1)
    norm = style.limits(before)
    letters = list(ascii_lowercase[: pooled.size]) if pooled.size <= len(ascii_lowercase) else [""] * pooled.size
    begins = np.full(before.shape, "", "<U1")
    begins[: pooled.shape[0] * step[0] : step[0], : pooled.shape[1] * step[1] : step[1]] = np.reshape(letters, pooled.shape)

    figure, (left, right) = style.panels(2, side=2.9, pads=style.Pads(bottom=0.5))
    style.cells(left, before, f"Before pooling ({style.size_of(before.shape)})", norm=norm, side=2.9, corners=list(begins.flat))
    style.cells(right, pooled, f"Maxima ({style.size_of(pooled.shape)})", norm=norm, side=2.9, corners=letters)
    caption = f"windows of {style.size_of(size)}, {style.size_of(step)} apart"
    if max(before.shape) <= _FRAMED:
        caption += _frame_windows(left, pooled.shape, size, step)
        for winner in np.unique(winners):
            row, column = divmod(int(winner), before.shape[1])
            style.outline(left, row + 0.08, column + 0.08, 0.84, 0.84)
    left.set_xlabel(caption)
    style.between(left, "→")
    return figure


@style.drawn
def flatten(feature_map: ArrayLike) -> Figure:
    """Draw how a map becomes a vector, row by row.

    Parameters
    ----------
    feature_map : array_like, shape (H, W)

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For a map that is none.

    References
    ----------
    ``keras.layers.Flatten``.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.flatten([[1, 2], [4, 3]])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['1', '2', '4', '3']
    """
    values = arguments.plane(feature_map, "feature_map")
    figure, (left, right) = style.panels(2, side=2.9, pads=style.Pads(0.35, bottom=0.5))
    places = [str(place) for place in range(values.size)]
    style.cells(left, values, f"Map ({style.size_of(values.shape)})", side=2.9, corners=places)
    _flattened(right, values, f"Vector ({values.size} numbers)")
    left.set_xlabel("read row by row")
    style.between(left, "→")
    return figure


@style.drawn
def pipeline(image: ArrayLike, kernel: ArrayLike, bias: float = 0, pool_size: IntOrPair = 2) -> Figure:
    """Draw all steps from an image to a vector: convolution, ReLU, max pooling, flattening.

    Parameters
    ----------
    image : array_like, shape (H, W)
    kernel : array_like, shape (KH, KW)
    bias
        As for `fastcnn.convolve2d`.
    pool_size
        As for `fastcnn.max_pool2d`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. Proc. IEEE 86, 1998.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.pipeline([[0, 1, 0], [1, 0, 1], [0, 1, 0]], [[1, 1], [1, 0]], bias=-1)
    >>> [text.get_text() for text in figure.axes[5].texts]
    ['1']
    """
    pixels, weights = arguments.plane(image, "image"), arguments.plane(kernel, "kernel")
    convolved = ops.convolve2d(pixels, weights, bias)
    activated = ops.relu(convolved)
    pooled = ops.max_pool2d(activated, pool_size)
    norm = style.limits(np.stack([convolved, activated]))
    figure, axes = style.panels(6, pads=style.Pads(0.3, bottom=0.5))
    _convolution(axes[:3], pixels, weights, bias, convolved, norm)
    style.cells(axes[3], activated, f"ReLU ({style.size_of(activated.shape)})", norm=norm)
    style.cells(axes[4], pooled, f"Max pooling ({style.size_of(pooled.shape)})", norm=norm)
    _flattened(axes[5], pooled, f"Flattened ({pooled.size} numbers)")
    for ax, sign in zip(axes, "*→→→→", strict=False):
        style.between(ax, sign)
    return figure


def _position(position: Sequence[int], shape: tuple[int, ...]) -> tuple[int, int]:
    """Return a place in a feature map of `shape`."""
    sizes = _validate.shape(position, "position", (2,))
    return _validate.integer(sizes[0], "position[0]", 0, shape[0] - 1), _validate.integer(sizes[1], "position[1]", 0, shape[1] - 1)


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _frame_windows(ax: Axes, count: tuple[int, ...], size: tuple[int, int], step: tuple[int, int]) -> str:
    """Frame the windows of a pooling, or the first alone where they overlap; return what is to be said of it."""
    apart = step[0] >= size[0] and step[1] >= size[1]
    for row, column in product(*map(range, count)) if apart else ((0, 0),):
        style.outline(ax, row * step[0], column * step[1], *size, color=style.INK, line=1.5)
    return f"{'' if apart else '; framed: the first'};\nin orange: the largest value of each"


def _convolution(
    axes: Sequence[Axes], image: np.ndarray, kernel: np.ndarray, bias: float, result: np.ndarray, norm: Normalize | None = None
) -> None:
    """Draw an image, a kernel and the feature map, a panel each."""
    style.cells(axes[0], image, f"Image ({style.size_of(image.shape)})", cmap=style.PIXELS, norm=style.pixel_limits(image))
    style.cells(axes[1], kernel, f"Kernel ({style.size_of(kernel.shape)}), bias {style.number(bias)}", cmap=style.SIGNED)
    style.cells(axes[2], result, f"Feature map ({style.size_of(result.shape)})", norm=norm)


def _flattened(ax: Axes, values: np.ndarray, title: str) -> None:
    """Draw a plane as a vector, in a panel as high as wide."""
    style.bars(ax, values.ravel(), title)
    ax.set_box_aspect(1)
