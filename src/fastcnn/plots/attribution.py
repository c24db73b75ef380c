"""What in an image speaks for a class, drawn; `fastcnn.attribution` has the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fastcnn import attribution
from fastcnn.layers.base import Layer
from fastcnn.models import Model
from fastcnn.plots import arguments, style

#: The most images that one picture shows.
_IMAGES = 8


@style.drawn
def saliency(model: Model, x: Any, class_id: Any = None) -> Figure:
    """Draw how much each pixel matters to a class's score: the size of its gradient.

    Parameters
    ----------
    model : Model
        Of one input (None, H, W, C) and one output (None, classes).
    x : array_like, shape (N, H, W, C) or (H, W, C)
        The first 8 are drawn.
    class_id : int or array_like of int, shape (N,), optional
        By default the predicted class of each.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks: visualising image classification models and saliency maps.
    ICLR Workshop 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import networks, plots
    >>> figure = plots.saliency(networks.mnist_network(), np.zeros((28, 28, 1)), class_id=3)
    >>> figure.axes[1].get_title()
    'saliency for 3'
    """
    images, classes, names = _chosen(model, x, class_id)
    return _beside(images, attribution.saliency(model, images, classes), [f"saliency for {name}" for name in names], "size of the gradient")


@style.drawn
def grad_cam(model: Model, x: Any, layer: Layer | str | int | None = None, class_id: Any = None) -> Figure:
    """Draw which regions speak for a class: a layer's maps, weighted by their mean gradients.

    Parameters
    ----------
    model : Model
        Of one input (None, H, W, C) and one output (None, classes).
    x : array_like, shape (N, H, W, C) or (H, W, C)
        The first 8 are drawn.
    layer : Layer, str or int, optional
        One that gives images; by default the last of those, the features before they are pooled.
    class_id : int or array_like of int, shape (N,), optional
        By default the predicted class of each.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    R. R. Selvaraju et al.: Grad-CAM: visual explanations from deep networks via gradient-based localization. ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import networks, plots
    >>> figure = plots.grad_cam(networks.mnist_network(), np.zeros((28, 28, 1)), class_id=3)
    >>> figure.axes[1].get_title()
    'Grad-CAM for 3'
    """
    images, classes, names = _chosen(model, x, class_id)
    maps = attribution.grad_cam(model, images, layer, classes)
    enlarged = _weights(images.shape[1], maps.shape[1]) @ maps @ _weights(images.shape[2], maps.shape[2]).T
    return _beside(images, enlarged, [f"Grad-CAM for {name}" for name in names], "weight of the region")


def _chosen(model: Model, x: Any, class_id: Any) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the images to draw, the class of each, and its name."""
    images = arguments.images(arguments.batch(model, x))
    found = attribution.score_gradient(model, images, class_id)
    names = arguments.class_names(model, None, model.output_shape[-1])
    return images[:_IMAGES], found.class_ids[:_IMAGES], [names[each] for each in found.class_ids[:_IMAGES]]


def _weights(size: int, of: int) -> np.ndarray:
    """Return the matrix (size, of) that stretches a vector linearly, pixels' middles on pixels' middles."""
    places = (np.arange(size) + 0.5) * of / size - 0.5
    return np.stack([np.interp(places, np.arange(of), one) for one in np.eye(of)], axis=1)


def _beside(images: np.ndarray, maps: np.ndarray, titles: Sequence[str], label: str) -> Figure:
    """Draw each image, with a line around what is above half of its map's largest value, and the map beside it."""
    figure, axes = style.panels(2 * len(images), columns=2 if len(images) == 1 else 4, pads=style.Pads(0.15, 0.15, bottom=0.65))
    norm = style.pixel_limits(images)
    for place, (pixels, values, title) in enumerate(zip(images, maps, titles, strict=True)):
        left, right = axes[2 * place], axes[2 * place + 1]
        style.picture(left, pixels, "image", norm)
        of_map = style.limits(np.append(values, 0))
        right.imshow(values, cmap=style.VALUES, norm=of_map, interpolation="nearest")
        right.set(xticks=[], yticks=[], title=title)
        style.scale_below(figure, right, of_map, style.VALUES, label)
        if values.max() > 0:
            style.contour(left, values, values.max() / 2)
            left.set_xlabel("line: half of the maximum")
    return figure
