"""What training and predicting give: losses and metrics by epoch, predictions, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from fastcnn import _targets, _validate, metrics
from fastcnn.callbacks import History
from fastcnn.models import Model
from fastcnn.plots import arguments, style

#: The most images that one picture shows.
_IMAGES = 20
#: The most classes whose counts are written.
_WRITTEN_CLASSES = 20


@style.drawn
def history(history: History | Mapping[str, Sequence[float]]) -> Figure:
    """Draw the losses and metrics of a training by epoch: a panel for each, with the training's and the validation's line.

    Parameters
    ----------
    history : History or dict of str to sequence of float
        What `fit` returned, or its `history`. "val_loss" and its like are drawn beside "loss".

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For what is no history, or an empty one.

    References
    ----------
    What is drawn is that of ``keras.callbacks.History``.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.history({"loss": [2.0, 1.0], "val_loss": [2.5, 1.5]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation']
    """
    curves = history.history if isinstance(history, History) else history
    if not isinstance(curves, Mapping):
        raise TypeError(f"history must be a History or a dictionary, got {history!r:.100} of type {type(history).__name__}")
    values = {name: _validate.array(curve, f"history[{name!r}]", (1,)) for name, curve in curves.items()}
    if not values or not all(curve.size for curve in values.values()):
        raise ValueError("history must have one epoch at least")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    figure, axes = style.panels(len(names), columns=3, side=3, pads=style.Pads(0.6, 0.2, bottom=0.5))
    for ax, name in zip(axes, names, strict=True):
        for key, label, color, marker, dashes in (
            (name, "training", style.BASE, "o", "-"),
            (f"val_{name}", "validation", style.ACCENT, "s", "--"),
        ):
            if key in values:
                curve = values[key]
                ax.plot(np.arange(1, len(curve) + 1), curve, label=label, color=color, linestyle=dashes, marker=marker, markersize=4)
        shown = name.replace("_", " ")
        ax.set(title=f"{shown[0].upper()}{shown[1:]} by epoch" if shown else "by epoch", xlabel="epoch", ylabel=shown)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(color="#cccccc", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend()
    return figure


@style.drawn
def predictions(model: Model, x: Any, y: ArrayLike | None = None, *, class_names: Sequence[str] | None = None) -> Figure:
    """Draw images with the classes that a model predicts and how sure it is; wrong ones are framed, and say what would be right.

    Parameters
    ----------
    model : Model
        Of one input (None, H, W, C) and one output (None, classes), or (None, 1) for two classes.
    x : array_like, shape (N, H, W, C), (N, H, W) for one channel
        The first 20 are drawn.
    y : array_like, shape (N,), (N, 1) or (N, classes), optional
        The numbers of the true classes, or an entry for each class.
    class_names : sequence of str, optional
        By default the model's own, or numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    Like the pictures in ``https://www.tensorflow.org/tutorials/keras/classification``.

    Examples
    --------
    >>> from fastcnn import networks, plots
    >>> from fastcnn.datasets import mnist_sample
    >>> (_, _), (x, y) = mnist_sample.load_data()
    >>> figure = plots.predictions(networks.mnist_network(), x[:6] / 255, y[:6])
    >>> len(figure.axes)
    6
    """
    images = arguments.images(arguments.batch(model, x))
    total = len(images)
    images = images[:_IMAGES]
    scores = _scores(model, images)
    names = arguments.class_names(model, class_names, scores.shape[1])
    truth = None if y is None else _true_classes(y, total, scores.shape[1])[:_IMAGES]
    best = scores.argmax(axis=1)
    sure = scores.max(axis=1)
    probable = scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    norm = style.pixel_limits(images)

    some = f" for the first {len(images)} of {total:,} images" if total > len(images) else ""
    verdict = "" if truth is None else f": {np.count_nonzero(truth == best)} of {len(images)} right"
    pads = style.Pads(0.12, 0.12, 0.45, 0.05)
    figure, axes = style.panels(len(images), columns=5, side=1.6, pads=pads, title=f"Predictions{some}{verdict}")
    for place, (ax, pixels) in enumerate(zip(axes, images, strict=True)):
        label = f"{names[best[place]]} ({f'{sure[place]:.0%}' if probable else style.number(sure[place])})"
        if truth is not None and truth[place] != best[place]:
            label += f"\nnot {names[truth[place]]}"
            style.outline(ax, 0, 0, *pixels.shape[:2], line=3)
        style.picture(ax, pixels, label, norm)
    return figure


@style.drawn
def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, num_classes: int | None = None, *, class_names: Sequence[str] | None = None
) -> Figure:
    """Draw what is taken for what: counts, and in colour the share of the true class.

    Parameters
    ----------
    labels, predictions, num_classes
        As for `fastcnn.metrics.confusion_matrix`: the numbers of the true classes, and those of the predicted ones or a model's outputs.
    class_names : sequence of str, optional
        By default numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit.

    References
    ----------
    ``sklearn.metrics.ConfusionMatrixDisplay``.

    Examples
    --------
    >>> from fastcnn import plots
    >>> figure = plots.confusion_matrix([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    >>> print(figure.get_suptitle())
    Confusion matrix: 2 of 3 right (66.7%)
    """
    counts = metrics.confusion_matrix(labels, predictions, num_classes)
    total = int(counts.sum())
    if not total:
        raise ValueError("labels must be one at least")
    classes = len(counts)
    names = arguments.class_names(None, class_names, classes)
    of_class = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.zeros(counts.shape), where=of_class > 0)
    norm = Normalize(0, 1)
    right = int(np.trace(counts))
    written = classes <= _WRITTEN_CLASSES
    longest = max(map(len, names)) if written else 0
    side = min(6.0, 1.6 + 0.38 * classes)
    pads = style.Pads(0.5 + 0.075 * longest, 0.1, 0.1, 0.5 + 0.075 * longest * (longest > 3))
    title = f"Confusion matrix: {right:,} of {total:,} right ({right / total:.1%})"
    figure, (ax,) = style.panels(1, side=side, pads=pads, title=title, scaled=True)
    texts = [f"{count:,}" if written else "" for count in counts.flat]
    style.cells(ax, shares, norm=norm, side=side, texts=texts)
    ax.set(xlabel="predicted class", ylabel="true class")
    if written:
        ax.set_xticks(range(classes), names, rotation=90 if longest > 3 else 0)
        ax.set_yticks(range(classes), names)
    style.scale(figure, [ax], norm, style.VALUES, "share of the true class")
    return figure


def _scores(model: Model, images: np.ndarray) -> np.ndarray:
    """Return what a model says of images, (N, classes); one probability becomes two."""
    scores = model.predict(images, verbose=0)
    if isinstance(scores, list) or scores.ndim != 2:
        raise ValueError(f"model must have one output (None, classes), got {model.output_shape}")
    return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores


def _true_classes(y: ArrayLike, count: int, classes: int) -> np.ndarray:
    """Return the numbers of the true classes, (N,)."""
    given = _validate.array(y, "y", (1, 2))
    if given.shape == (count, classes):
        return given.argmax(axis=-1)
    return _targets.class_numbers(_targets.labels(given, (count, classes)), classes)
