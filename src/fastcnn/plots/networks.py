"""A network's inside: its layers, what they give, and their filters."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from fastcnn import _validate, attribution
from fastcnn.layers import Conv2D
from fastcnn.layers.base import Layer
from fastcnn.models import Model
from fastcnn.plots import arguments, style
from fastcnn.plots.diagram import diagram

#: The most images whose feature maps one picture shows.
_IMAGES = 8


@style.drawn
def feature_maps(model: Model, x: Any, layer: Layer | str | int, *, count: int = 16) -> Figure:
    """Draw what a layer makes of images: its maps, one for each filter, in the same colours.

    Parameters
    ----------
    model : Model
        Of one input.
    x : array_like, shape (N, H, W, C) or (H, W, C)
        One image, or some, a row each; the first 8 are drawn.
    layer : Layer, str or int
        One of the model that gives images, itself, its name or its index.
    count : int, default 16
        The most maps of an image that are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    J. Yosinski, J. Clune, A. Nguyen, T. Fuchs, H. Lipson: Understanding neural networks through deep visualization. ICML Workshop 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import networks, plots
    >>> figure = plots.feature_maps(networks.mnist_network(), np.zeros((28, 28, 1)), "conv2d_1")
    >>> figure.get_suptitle()
    "What layer 'conv2d_1' gives: 11×11, maps 0 to 15 of 64"
    """
    count = _validate.integer(count, "count", 1)
    values = attribution.layer_output(model, arguments.batch(model, x)[:_IMAGES], layer)
    found = attribution.layer_of(model, layer)
    if values.ndim != 4:
        raise ValueError(f"layer must give images (N, H, W, C), but {found.name!r} gives {values.shape}")
    images, height, width, channels = values.shape
    shown = min(count, channels)
    planes = values[..., :shown].transpose(0, 3, 1, 2).reshape(-1, height, width)
    return style.tiles(
        planes,
        [f"map {channel}" for channel in range(shown)] * images,
        f"What layer {found.name!r} gives: {style.size_of((height, width))}, {_range('maps', shown, channels)}",
        columns=shown if images > 1 else 8,
        cmap=style.VALUES,
        label="value",
    )


@style.drawn
def filters(layer: Conv2D, channel: int = 0, *, count: int = 16) -> Figure:
    """Draw the filters of a convolution, one input channel of them: brown above 0, violet and with a minus below.

    Parameters
    ----------
    layer : Conv2D
        Built.
    channel : int, default 0
        The input channel (of the filter's group).
    count : int, default 16
        The most filters that are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. E. Hinton: ImageNet classification with deep convolutional neural networks. NIPS 2012, figure 3.

    Examples
    --------
    >>> from fastcnn import networks, plots
    >>> figure = plots.filters(networks.mnist_network().layers[0])
    >>> figure.get_suptitle()
    "Weights of 'conv2d': 3×3, channel 0 of 1, filters 0 to 15 of 32"
    """
    if not isinstance(layer, Conv2D):
        raise TypeError(f"layer must be a Conv2D, got {layer!r:.100} of type {type(layer).__name__}")
    if not layer.built:
        raise ValueError("layer must be built: it has no weights yet")
    kernel = layer.weights["kernel"]
    height, width, channels, total = kernel.shape
    channel = _validate.integer(channel, "channel", 0, channels - 1)
    shown = min(_validate.integer(count, "count", 1), total)
    return style.tiles(
        kernel[:, :, channel, :shown].transpose(2, 0, 1),
        [f"filter {number}" for number in range(shown)],
        f"Weights of {layer.name!r}: {style.size_of((height, width))}, channel {channel} of {channels}, {_range('filters', shown, total)}",
        columns=8,
        cmap=style.SIGNED,
        label="weight",
    )


@style.drawn
def architecture(model: Model) -> Figure:
    """Draw a network: a box for each layer, with the shape of what it gives and the number of its parameters, and what goes where.

    Parameters
    ----------
    model : Model
        Built. A model in it is one box; a layer that stands in several places is drawn in each, its parameters counted once.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For what is no model, or one that is not built.

    References
    ----------
    ``keras.utils.plot_model``.

    Examples
    --------
    >>> from fastcnn import networks, plots
    >>> figure = plots.architecture(networks.mnist_network())
    >>> figure.get_suptitle()
    'Model mnist: 93,322 parameters'
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a fastcnn model, got {model!r:.100} of type {type(model).__name__}")
    return diagram(model, f"Model {model.name}: {model.count_params():,} parameters")


def _range(what: str, shown: int, total: int) -> str:
    return f"{what} 0 to {shown - 1} of {total}" if shown < total else f"{total} {what}"
