"""What in an image speaks for a class: gradients of a network's scores, from its own backward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastcnn import _validate
from fastcnn.layers.base import Gradients, Layer
from fastcnn.layers.pooling import AveragePooling2D, MaxPooling2D
from fastcnn.models import Model
from fastcnn.network import Network, Step
from fastcnn.random import Draws

__all__ = ["ScoreGradient", "grad_cam", "layer_output", "saliency", "score_gradient"]

#: Activations that make probabilities of scores.
_PROBABILITIES = frozenset({"softmax", "sigmoid"})


class ScoreGradient(NamedTuple):
    """Scores of classes, one for each input, and how they change.

    Attributes
    ----------
    class_ids : ndarray of int64, shape (N,)
        The classes.
    scores : ndarray, shape (N,)
        What the model says to them, before a final softmax or sigmoid.
    values : ndarray, shape (N, ...)
        The inputs, or what the layer gives.
    gradient : ndarray, shape (N, ...)
        The gradient of each score with regard to its values.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    values: np.ndarray
    gradient: np.ndarray


class _Tap(Layer):
    """A layer that changes nothing, and keeps what passes through it in both directions."""

    def forward(self, x: np.ndarray, training: Draws | None = None) -> tuple[np.ndarray, None]:
        self.values = x
        self.gradient = np.zeros_like(x)  # of scores that do not depend on x
        return x, None

    def backward(self, dy: np.ndarray, cache: None, input_grad: bool = True, out: Gradients = ()) -> tuple[np.ndarray, Gradients]:
        self.gradient = dy
        return dy, ()


def score_gradient(model: Model, x: Any, class_id: Any = None, *, layer: Layer | str | int | None = None) -> ScoreGradient:
    """Differentiate the score of a class, in inference, with regard to the inputs or to what a layer gives.

    Parameters
    ----------
    model : Model
        Of one input, and of one output (None, classes).
    x : array_like, shape (N, ...)
        In the model's input shape. The work is done in the dtype of the weights, float32.
    class_id : int or array_like of int, shape (N,), optional
        A class for all inputs, or one for each; by default the one with the highest score, the first of equals.
    layer : Layer, str or int, optional
        One of the model, itself (which may be in a model in the model), its name or its index. By default, the inputs.

    Returns
    -------
    ScoreGradient

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
    >>> import fastcnn as keras
    >>> from fastcnn import attribution
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    >>> model.set_weights([[[1, 2, 3], [4, 5, 6]], [0, 0, 0]])
    >>> attribution.score_gradient(model, [[1.0, 1.0]], class_id=1).gradient
    array([[2., 5.]], dtype=float32)
    """
    inputs = _inputs(model, x)
    network = Network.of(model._built_graph())
    if len(network.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ValueError(f"model must have one output (None, classes), got {model.output_shape}")
    place = None if layer is None else _place(network, layer_of(model, layer))
    bare, activation = network.without_final_activation(0)
    network = bare if activation.name in _PROBABILITIES else network  # a tap between the two would hide it
    tap = _Tap()
    tapped = _tapped(network, place, tap)
    outputs, caches = tapped.forward([inputs])
    classes = _classes(class_id, outputs[0])
    rows = np.arange(len(inputs))
    dy = np.zeros_like(outputs[0])
    dy[rows, classes] = 1
    views: Mapping[Layer, Gradients] = {tap: ()}
    tapped.backward([dy], caches, views)
    return ScoreGradient(classes, outputs[0][rows, classes], tap.values, tap.gradient)


def layer_output(model: Model, x: Any, layer: Layer | str | int) -> np.ndarray:
    """Return what a layer gives, in inference.

    Parameters
    ----------
    model : Model
        Of one input.
    x : array_like, shape (N, ...)
    layer : Layer, str or int
        As for `score_gradient`.

    Returns
    -------
    ndarray, shape (N, ...)

    Raises
    ------
    TypeError, ValueError
        For what is no model, or one of several inputs, for other inputs than the model's, and for a layer that it has not.

    References
    ----------
    What ``keras.Model(model.inputs, layer.output)`` predicts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import attribution, networks
    >>> attribution.layer_output(networks.mnist_network(), np.zeros((2, 28, 28, 1)), "max_pooling2d").shape
    (2, 13, 13, 32)
    """
    inputs = _inputs(model, x)
    network = Network.of(model._built_graph())
    place = _place(network, layer_of(model, layer))
    until = Network(network.steps[: place + 1], network.inputs, [network.steps[place].output])
    return until.infer([inputs])[0]


def saliency(model: Model, x: Any, class_id: Any = None) -> np.ndarray:
    """Say how much each pixel matters: the largest absolute gradient of a class's score among the pixel's channels.

    Parameters
    ----------
    model : Model
        For images (N, H, W, C); see `score_gradient`.
    x, class_id
        As for `score_gradient`.

    Returns
    -------
    ndarray, shape (N, H, W)

    Raises
    ------
    TypeError, ValueError
        As `score_gradient`, and for inputs that are no images.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks: visualising image classification models and saliency maps.
    ICLR Workshop 2014, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import attribution, networks
    >>> attribution.saliency(networks.mnist_network(), np.zeros((2, 28, 28, 1))).shape
    (2, 28, 28)
    """
    found = score_gradient(model, x, class_id)
    _check_images(found.values, "x")
    return np.abs(found.gradient).max(axis=-1)


def grad_cam(model: Model, x: Any, layer: Layer | str | int | None = None, class_id: Any = None) -> np.ndarray:
    """Say which regions speak for a class: a layer's maps, each weighted by its mean gradient, summed, and cut off below 0.

    Parameters
    ----------
    model : Model
        See `score_gradient`.
    x, class_id
        As for `score_gradient`.
    layer : Layer, str or int, optional
        One that gives images; by default the last of those, the features before they are pooled.

    Returns
    -------
    ndarray, shape (N, OH, OW)
        In the size of the layer's output.

    Raises
    ------
    TypeError, ValueError
        As `score_gradient`, and for a layer that gives no images, or a model without such a layer.

    References
    ----------
    R. R. Selvaraju et al.: Grad-CAM: visual explanations from deep networks via gradient-based localization. ICCV 2017, equations 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import attribution, networks
    >>> attribution.grad_cam(networks.mnist_network(), np.zeros((2, 28, 28, 1))).shape
    (2, 3, 3)
    """
    found = score_gradient(model, x, class_id, layer=last_images(model) if layer is None else layer)
    _check_images(found.values, "the output of layer")
    weights = found.gradient.mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * found.values).sum(axis=-1), 0)


def last_images(model: Model) -> Layer:
    """Return the last layer of a model, or of a model in it, that gives images, and is not their pooling."""
    network = Network.of(_model(model)._built_graph())
    shapes = network.shapes([tensor.shape for tensor in model.inputs])
    for step in reversed(network.steps):
        if len(shapes[step.output]) == 4 and not isinstance(step.layers[0], MaxPooling2D | AveragePooling2D):
            return step.layers[0]
    raise ValueError("model must have a layer that gives images (None, H, W, C)")


# --- Arguments, and the place of a layer ---------------------------------------------------------------------------------


def _model(model: Any) -> Model:
    if not isinstance(model, Model):
        raise TypeError(f"model must be a fastcnn model, got {model!r:.100} of type {type(model).__name__}")
    return model


def _inputs(model: Model, x: Any) -> np.ndarray:
    """Return `x` as the only input of a model."""
    arrays = _model(model)._check_inputs(x)
    if len(arrays) != 1:
        raise ValueError(f"model must have one input, got {len(arrays)}")
    return _validate.contiguous(arrays[0], np.float64 if arrays[0].dtype == np.float64 else np.float32)


def layer_of(model: Model, layer: Any) -> Layer:
    """Return the layer that `layer` stands for; of a model in the model, the one that makes its output."""
    if isinstance(layer, str):
        layer = model.get_layer(layer)
    elif not isinstance(layer, Layer):
        layer = model.get_layer(index=_validate.integer(layer, "layer", -(2**31)))
    while layer.graph is not None:
        layer = layer.graph.outputs[0].node.layer
    return layer


def _place(network: Network, layer: Layer) -> int:
    """Return the first step that is `layer`."""
    for place, step in enumerate(network.steps):
        if step.layers[0] is layer:
            return place
    raise ValueError(f"layer must be one of the model's that computes something, got {layer.name!r}")


def _tapped(network: Network, place: int | None, tap: Layer) -> Network:
    """Return the network with `tap` behind the step at `place`, or behind the input."""
    source = network.inputs[0] if place is None else network.steps[place].output
    number = 1 + max(*network.inputs, *(step.output for step in network.steps))

    def moved(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number if each == source else each for each in numbers)

    steps = [step._replace(inputs=moved(step.inputs)) for step in network.steps]
    steps.insert(0 if place is None else place + 1, Step(tap, (tap,), (source,), number))
    return Network(steps, network.inputs, moved(network.outputs))


def _classes(class_id: Any, scores: np.ndarray) -> np.ndarray:
    """Return the class of each row of scores: those of `class_id`, or those with the highest scores."""
    if class_id is None:
        return scores.argmax(axis=-1)
    count = scores.shape[-1]
    if np.ndim(class_id) == 0:
        return np.full(len(scores), _validate.integer(class_id, "class_id", 0, count - 1))
    classes = _validate.array(class_id, "class_id", (1,))
    _validate.same_shape(classes.shape, scores.shape[:1], "class_id", "a class for each input, shape")
    return np.array([_validate.integer(each, f"class_id[{place}]", 0, count - 1) for place, each in enumerate(classes)], np.int64)


def _check_images(values: np.ndarray, name: str) -> None:
    if values.ndim != 4:
        raise ValueError(f"{name} must be images (N, H, W, C), got shape {values.shape}")
