"""The libraries side by side: one class each, with the same methods, so that what is measured is measured alike in all.

A method takes arrays in the layout of `workloads.Arrays`, brings them into the form that suits its library best, and returns tasks:
only what runs in a task is timed. Every task does the same work, with a bias where there is one, from the library's own arrays to new
ones. The network of `fastcnn train` in each library is `fastcnn._peers`, which ``fastcnn bench`` uses too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from workloads import Arrays, Layer

import fastcnn
from fastcnn import _peers


class Task(NamedTuple):
    """Something to time, and how to see its result as a NumPy array in the layout of `workloads.expected`."""

    run: Callable[[], Any]
    to_numpy: Callable[[Any], np.ndarray] = np.asarray

    def result(self) -> np.ndarray:
        """Run it, and return the result."""
        return self.to_numpy(self.run())


#: What a layer can do in a library: tasks by the names in `workloads.OPS`; what the library cannot do is missing.
Tasks = dict[str, Task]


class Peer(_peers.Library):
    """The functions of a library, on so many threads."""

    def __init__(self, threads: int) -> None:
        self.set_threads(threads)

    def set_threads(self, threads: int) -> None:
        """Use so many threads from now on."""
        raise NotImplementedError

    def layer(self, layer: Layer, arrays: Arrays) -> Tasks:
        """Return the operations of `layer` on `arrays`."""
        return self._dense(layer, arrays) if layer.is_dense else self._conv2d(layer, arrays)

    def max_pool2d(self, x: np.ndarray) -> Task:
        """Return the pooling of `x` (N, H, W, C) by 2 x 2."""
        raise NotImplementedError

    def _conv2d(self, layer: Layer, arrays: Arrays) -> Tasks:
        raise NotImplementedError

    def _dense(self, layer: Layer, arrays: Arrays) -> Tasks:
        raise NotImplementedError


def aligned(array: np.ndarray) -> np.ndarray:
    """Return a copy that begins a cache line, as the results of every library do; NumPy's own arrays need not."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy: np.ndarray = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class FastCNN(Peer):
    """The public functions of `fastcnn`."""

    name = "fastcnn"

    def set_threads(self, threads: int) -> None:
        fastcnn.set_num_threads(threads)

    def _conv2d(self, layer: Layer, arrays: Arrays) -> Tasks:
        x, w, b, dy = map(aligned, arrays)
        options: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
        return {
            "forward": Task(lambda: fastcnn.conv2d(x, w, b, **options)),
            "input gradient": Task(lambda: fastcnn.conv2d_transpose(dy, w, output_padding=layer.output_padding, **options)),
            "weight gradient": Task(lambda: fastcnn.conv2d_backward(dy, x, w, input_grad=False, **options)[1]),
        }

    def _dense(self, layer: Layer, arrays: Arrays) -> Tasks:
        """Return a 1 x 1 convolution's tasks: `fastcnn.dense` runs the same kernels."""
        return self._conv2d(layer, arrays)

    def max_pool2d(self, x: np.ndarray) -> Task:
        return Task(lambda: fastcnn.max_pool2d(x))


class PyTorch(Peer):
    """PyTorch's functions, eager, on tensors in channels-last memory."""

    name, packages = "PyTorch", ("torch",)

    def __init__(self, threads: int) -> None:
        import torch

        self._torch = torch
        super().__init__(threads)

    def set_threads(self, threads: int) -> None:
        self._torch.set_num_threads(threads)

    def _images(self, x: np.ndarray) -> Any:
        return self._torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self._torch.channels_last)

    def _conv2d(self, layer: Layer, arrays: Arrays) -> Tasks:
        torch = self._torch
        x, dy, b = self._images(arrays.x), self._images(arrays.dy), torch.from_numpy(arrays.b)
        w = torch.from_numpy(arrays.w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        stride, padding, dilation = [layer.stride] * 2, [layer.padding] * 2, [1, 1]

        def backward(*wanted: bool) -> Any:
            options = stride, padding, dilation, False, [0, 0], layer.groups
            return torch.ops.aten.convolution_backward(dy, x, w, [layer.f], *options, wanted)

        return {
            "forward": Task(lambda: torch.nn.functional.conv2d(x, w, b, stride, padding, dilation, layer.groups), _nchw_to_nhwc),
            "input gradient": Task(lambda: backward(True, False, False)[0], _nchw_to_nhwc),
            "weight gradient": Task(lambda: backward(False, True, True)[1], lambda dw: np.asarray(dw).transpose(2, 3, 1, 0)),
        }

    def _dense(self, layer: Layer, arrays: Arrays) -> Tasks:
        torch = self._torch
        x, w, dy = (torch.from_numpy(array.reshape(-1, array.shape[-1])) for array in (arrays.x, arrays.w, arrays.dy))
        w, b = w.T.contiguous(), torch.from_numpy(arrays.b)
        return {
            "forward": Task(lambda: torch.nn.functional.linear(x, w, b), _pixels),
            "input gradient": Task(lambda: dy @ w, _pixels),
            "weight gradient": Task(lambda: (dy.T @ x, dy.sum(0))[0], lambda dw: _filters(dw.T)),
        }

    def max_pool2d(self, x: np.ndarray) -> Task:
        images, pool = self._images(x), self._torch.nn.functional.max_pool2d
        return Task(lambda: pool(images, 2), _nchw_to_nhwc)


class TensorFlow(Peer):
    """TensorFlow's operations, each traced into a ``tf.function``."""

    name, packages = "TensorFlow", ("tensorflow",)

    def set_threads(self, threads: int) -> None:
        self._tensorflow = _peers.tensorflow(threads)

    def _traced(self, function: Callable[..., Any], *arrays: np.ndarray) -> Task:
        """Return the task that calls `function`, traced, on tensors with the values of `arrays`."""
        tensors, traced = [self._tensorflow.constant(array) for array in arrays], self._tensorflow.function(function)
        return Task(lambda: traced(*tensors))

    def _conv2d(self, layer: Layer, arrays: Arrays) -> Tasks:
        tf = self._tensorflow
        x, w, b, dy = arrays
        options = {
            "strides": [1, layer.stride, layer.stride, 1],
            "padding": "EXPLICIT",
            "explicit_paddings": [0, 0, *[layer.padding] * 4, 0, 0],
        }

        def forward(x: Any, w: Any, b: Any) -> Any:
            return tf.nn.bias_add(tf.raw_ops.Conv2D(input=x, filter=w, **options), b)

        def input_gradient(dy: Any, w: Any) -> Any:
            return tf.raw_ops.Conv2DBackpropInput(input_sizes=arrays.x.shape, filter=w, out_backprop=dy, **options)

        def weight_gradient(dy: Any, x: Any) -> Any:
            dw = tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=arrays.w.shape, out_backprop=dy, **options)
            return dw, tf.raw_ops.BiasAddGrad(out_backprop=dy)

        weights = self._traced(weight_gradient, dy, x)
        return {
            "forward": self._traced(forward, x, w, b),
            "input gradient": self._traced(input_gradient, dy, w),
            "weight gradient": Task(weights.run, lambda gradients: np.asarray(gradients[0])),
        }

    def _dense(self, layer: Layer, arrays: Arrays) -> Tasks:
        tf = self._tensorflow
        x, w, dy = (array.reshape(-1, array.shape[-1]) for array in (arrays.x, arrays.w, arrays.dy))
        forward = self._traced(lambda x, w, b: tf.nn.bias_add(tf.matmul(x, w), b), x, w, arrays.b)
        inputs = self._traced(lambda dy, w: tf.matmul(dy, w, transpose_b=True), dy, w)
        weights = self._traced(lambda dy, x: (tf.matmul(x, dy, transpose_a=True), tf.raw_ops.BiasAddGrad(out_backprop=dy)), dy, x)
        return {
            "forward": Task(forward.run, _pixels),
            "input gradient": Task(inputs.run, _pixels),
            "weight gradient": Task(weights.run, lambda gradients: _filters(gradients[0])),
        }

    def max_pool2d(self, x: np.ndarray) -> Task:
        return self._traced(lambda x: self._tensorflow.nn.max_pool2d(x, 2, 2, "VALID"), x)


class OnnxRuntime(Peer):
    """ONNX Runtime: forward only, with weights that it may prepare beforehand, as they are constant."""

    name, packages = "ONNX Runtime", ("onnxruntime", "onnx")

    def set_threads(self, threads: int) -> None:
        self._threads = threads

    def _session(self, node: _peers.Node, x: np.ndarray) -> Callable[[], Any]:
        """Return the run of a model of one node on `x`, with its threads as they are set now."""
        session = _peers.onnx_session([node], x.ndim, self._threads)
        return lambda: session.run(None, {"x": x})[0]

    def _conv2d(self, layer: Layer, arrays: Arrays) -> Tasks:
        attributes = {"strides": [layer.stride] * 2, "pads": [layer.padding] * 4, "group": layer.groups}
        w = np.ascontiguousarray(arrays.w.transpose(3, 2, 0, 1))
        return {"forward": Task(self._session(_peers.Node("Conv", (w, arrays.b), attributes), _nhwc_to_nchw(arrays.x)), _nchw_to_nhwc)}

    def _dense(self, layer: Layer, arrays: Arrays) -> Tasks:
        x, w = (array.reshape(-1, array.shape[-1]) for array in (arrays.x, arrays.w))
        return {"forward": Task(self._session(_peers.Node("Gemm", (w, arrays.b)), x), _pixels)}

    def max_pool2d(self, x: np.ndarray) -> Task:
        pool = _peers.Node("MaxPool", attributes={"kernel_shape": [2, 2], "strides": [2, 2]})
        return Task(self._session(pool, _nhwc_to_nchw(x)), _nchw_to_nhwc)


def _nhwc_to_nchw(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _nchw_to_nhwc(x: Any) -> np.ndarray:
    return np.asarray(x).transpose(0, 2, 3, 1)


def _pixels(x: Any) -> np.ndarray:
    """Return rows (N, C) as images of one pixel."""
    return np.asarray(x)[:, None, None, :]


def _filters(w: Any) -> np.ndarray:
    """Return a matrix (C, F) as filters of one tap."""
    return np.asarray(w)[None, None]


#: The libraries in the order in which they are shown, ours first.
PEERS: tuple[type[Peer], ...] = (FastCNN, PyTorch, TensorFlow, OnnxRuntime)
