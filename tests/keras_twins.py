"""A twin of any network of Keras, layer for layer: built from its structure, with its weights."""

import inspect

import numpy as np

import fastcnn
from fastcnn import layers

#: What Keras's layers say of themselves that has no bearing on what they compute, or that the weights replace.
IGNORED = {
    "dtype",
    "data_format",
    "seed",
    "batch_shape",
    "batch_input_shape",
    "ragged",
    "sparse",
    "optional",
    "renorm",
    "renorm_momentum",
    "renorm_clipping",
    "synchronized",
}
IGNORED_ENDINGS = ("_initializer", "_constraint", "activity_regularizer")


def twin_layer(theirs):
    """Our layer of the same class and arguments; an argument that we do not know must say nothing."""
    cls = getattr(layers, type(theirs).__name__)
    known = {name for base in cls.__mro__ if "__init__" in vars(base) for name in inspect.signature(base.__init__).parameters}
    arguments = {}
    for name, value in theirs.get_config().items():
        if name in IGNORED or name.endswith(IGNORED_ENDINGS):
            continue
        if name in known:
            arguments[name] = value
        else:
            assert value in (None, False), f"{type(theirs).__name__} has {name}={value!r}"
    return cls(**arguments)


def twin_model(theirs):
    """Our model of the same layers and weights."""
    tensors = {id(tensor): fastcnn.Input(tensor.shape[1:], name=tensor._keras_history[0].name) for tensor in theirs.inputs}
    nodes = [node for depth in sorted(theirs._nodes_by_depth, reverse=True) for node in theirs._nodes_by_depth[depth]]
    made = {}
    for node in nodes:
        layer = node.operation
        if node.is_input:
            continue
        if layer not in made:
            made[layer] = twin_layer(layer)
        inputs = [tensors[id(tensor)] for tensor in node.input_tensors]
        outputs = made[layer](inputs if made[layer].takes_many else inputs[0])
        for tensor, output in zip(node.outputs, outputs if isinstance(outputs, list) else [outputs], strict=True):
            tensors[id(tensor)] = output
    ours = fastcnn.Model([tensors[id(tensor)] for tensor in theirs.inputs], [tensors[id(tensor)] for tensor in theirs.outputs])
    ours.set_weights(theirs.get_weights())
    return ours


def spread_weights(theirs, seed=0):
    """Give a network of Keras weights under which every layer matters: the statistics and factors of normalizations are not 0 and 1."""
    rng = np.random.default_rng(seed)
    for layer in theirs.layers:
        values = dict(zip([weight.name for weight in layer.weights], layer.get_weights(), strict=True))
        for name, value in values.items():
            if name in ("gamma", "moving_variance"):
                values[name] = rng.uniform(0.5, 1.5, value.shape)
            elif name in ("beta", "moving_mean", "bias"):
                values[name] = rng.normal(0, 0.2, value.shape)
        if values:
            layer.set_weights(list(values.values()))
