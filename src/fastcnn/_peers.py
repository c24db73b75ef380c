"""The network of ``fastcnn train`` in several libraries, for `fastcnn.bench`: with the same weights, doing the same work.

Each gets what suits it best: PyTorch its channels-last layout and its fused Adam, TensorFlow a ``tf.function``, ONNX Runtime constant
weights. They are imported when used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

import fastcnn
from fastcnn import layers, networks

#: The images of a training step.
BATCH = 128


class Library:
    """A library, or a way to use it, and the packages that it needs."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def available(cls) -> bool:
        """Whether the packages are installed."""
        return all(importlib.util.find_spec(package) for package in cls.packages)


class Network(Library):
    """The network in one library, on so many threads; images are float32 (N, 28, 28, 1), labels int64 (N,).

    `dropout` can be turned off, to compare what training does.
    """

    trains: ClassVar[bool] = True

    def __init__(self, threads: int, dropout: float) -> None:
        raise NotImplementedError

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, 10)."""
        raise NotImplementedError

    def predict_many(self, x: np.ndarray) -> np.ndarray:
        """Return the same for more images than a batch has."""
        return np.concatenate([self.predict(x[start : start + BATCH]) for start in range(0, len(x), BATCH)])

    def train_step(self, x: np.ndarray, y: np.ndarray) -> None:
        """Make a step of Adam, and find the loss and the accuracy."""
        raise NotImplementedError

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Train for an epoch, shuffled, and find its loss and accuracy."""
        raise NotImplementedError


def _model(dropout: float) -> fastcnn.Sequential:
    """Our network, compiled, with the same weights every time; its biases are not zero, which would hide one left out."""
    model, rng = networks.mnist_network(), np.random.default_rng(1)
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.05, shape) for shape in shapes])
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = dropout
    return model


class _Model(Network):
    """A model of ours or of Keras: they have the same methods."""

    _model: Any

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(x, batch_size=BATCH, verbose=0))

    def predict_many(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(x, batch_size=BATCH, verbose=0))

    def train_step(self, x: np.ndarray, y: np.ndarray) -> None:
        self._model.train_on_batch(x, y)

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        self._model.fit(x, y, batch_size=BATCH, verbose=0)


class FastCNN(_Model):
    """Our own model."""

    name = "fastcnn"

    def __init__(self, threads: int, dropout: float) -> None:
        fastcnn.set_num_threads(threads)
        self._model = _model(dropout)
        self._session = fastcnn.InferenceSession(self._model, BATCH)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._session.run(x)


def tensorflow(threads: int) -> Any:
    """Return TensorFlow, told to use so many threads; it listens only before its first computation."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module = importlib.import_module("tensorflow")
    threading = module.config.threading
    if threading.get_intra_op_parallelism_threads() != threads:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    return module


class Keras(_Model):
    """Keras on TensorFlow. Its layers take the configurations of ours."""

    name, packages = "Keras", ("keras", "tensorflow")

    def __init__(self, threads: int, dropout: float) -> None:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        tensorflow(threads)
        keras, ours = importlib.import_module("keras"), _model(dropout)
        twins = [getattr(keras.layers, type(layer).__name__).from_config(layer.get_config()) for layer in ours.layers]
        self._model = keras.Sequential([keras.Input(ours.input_shape[1:]), *twins])
        self._model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        self._model.set_weights(ours.get_weights())


class KerasFunction(Keras):
    """Keras's model called as a ``tf.function``, which takes less time for few images than ``predict``."""

    name, trains = "Keras, tf.function", False

    def __init__(self, threads: int, dropout: float) -> None:
        super().__init__(threads, dropout)
        self._tensorflow = tensorflow(threads)
        self._function = self._tensorflow.function(lambda x: self._model(x, training=False))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._function(self._tensorflow.constant(x)))

    def predict_many(self, x: np.ndarray) -> np.ndarray:
        return Network.predict_many(self, x)


class PyTorch(Network):
    """PyTorch, eager."""

    name, packages = "PyTorch", ("torch",)

    def __init__(self, threads: int, dropout: float) -> None:
        self._torch = torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
        nn = torch.nn
        convolutions = [nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 3)]
        reductions = [nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Flatten()]
        body = [part for pair in zip(convolutions, reductions, strict=True) for part in (pair[0], nn.ReLU(), pair[1])]
        self._net = nn.Sequential(*body, nn.Linear(576, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10))
        self._net.to(memory_format=torch.channels_last)
        with torch.no_grad():
            for parameter, weight in zip(self._net.parameters(), _channels_first_weights(), strict=True):
                parameter.copy_(torch.from_numpy(weight))
        self._optimizer = torch.optim.Adam(self._net.parameters(), eps=1e-7, fused=True)
        self._loss = nn.CrossEntropyLoss()

    def _tensors(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return self._torch.from_numpy(x).permute(0, 3, 1, 2), self._torch.from_numpy(y)

    def _step(self, x: Any, y: Any) -> tuple[float, float]:
        """Make a step on tensors; return its loss and accuracy."""
        self._optimizer.zero_grad()
        logits = self._net(x)
        loss = self._loss(logits, y)
        loss.backward()
        self._optimizer.step()
        return loss.item(), (logits.argmax(1) == y).float().mean().item()

    def predict(self, x: np.ndarray) -> np.ndarray:
        self._net.eval()
        with self._torch.inference_mode():
            return np.asarray(self._net(self._torch.from_numpy(x).permute(0, 3, 1, 2)).softmax(1))

    def train_step(self, x: np.ndarray, y: np.ndarray) -> None:
        self._net.train()
        self._step(*self._tensors(x, y))

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        self._net.train()
        images, labels = self._tensors(x, y)
        steps = [(len(batch), *self._step(images[batch], labels[batch])) for batch in self._torch.randperm(len(x)).split(BATCH)]
        np.average([step[1:] for step in steps], axis=0, weights=[step[0] for step in steps])


class OnnxRuntime(Network):
    """ONNX Runtime, which only predicts."""

    name, packages, trains = "ONNX Runtime", ("onnxruntime", "onnx"), False

    def __init__(self, threads: int, dropout: float) -> None:
        weights = _channels_first_weights()
        relu, pool = Node("Relu"), Node("MaxPool", attributes={"kernel_shape": [2, 2], "strides": [2, 2]})
        conv1, conv2, conv3 = (Node("Conv", weights[index : index + 2]) for index in (0, 2, 4))
        dense1, dense2 = (Node("Gemm", weights[index : index + 2], {"transB": 1}) for index in (6, 8))
        tail = [conv3, relu, Node("Flatten"), dense1, relu, dense2, Node("Softmax")]
        self._session = onnx_session([conv1, relu, pool, conv2, relu, pool, *tail], 4, threads)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(None, {"x": x.reshape(-1, 1, 28, 28)})[0])


class Node(NamedTuple):
    """A node of an ONNX model: its operator, its constant inputs after the first one, its attributes."""

    operator: str
    constants: Sequence[np.ndarray] = ()
    attributes: Mapping[str, Any] = {}


def onnx_session(nodes: Sequence[Node], rank: int, threads: int) -> Any:
    """Return a session of ONNX Runtime for nodes that follow on each other, from one float32 array "x" of `rank` axes to another."""
    onnx, runtime = importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    steps, constants, last = [], [], "x"
    for index, (operator, arrays, attributes) in enumerate(nodes):
        names = [f"constant_{index}_{place}" for place in range(len(arrays))]
        constants += [onnx.numpy_helper.from_array(array, name) for array, name in zip(arrays, names, strict=True)]
        steps.append(onnx.helper.make_node(operator, [last, *names], [f"result_{index}"], **attributes))
        last = f"result_{index}"
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in (("x", [None] * rank), (last, None))]
    graph = onnx.helper.make_graph(steps, "nodes", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _channels_first_weights() -> list[np.ndarray]:
    """Return the weights as libraries with channels first have them: filters OIHW, dense (outputs, inputs), inputs in the order CHW."""
    weights = _model(0).get_weights()
    weights[6] = weights[6].reshape(3, 3, 64, -1).transpose(2, 0, 1, 3).reshape(weights[6].shape)
    return [np.ascontiguousarray(weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T) for weight in weights]


#: The libraries in the order in which they are shown.
NETWORKS: tuple[type[Network], ...] = (FastCNN, Keras, KerasFunction, PyTorch, OnnxRuntime)
