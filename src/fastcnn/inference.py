"""Running a trained network again and again, in as little time as it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn.graph import Shape, entry_sizes, one_or_list
from fastcnn.layers.base import Layer, example
from fastcnn.network import Network, Step
from fastcnn.ops.steps import KernelStep

if TYPE_CHECKING:
    from fastcnn.prediction import Predictor

__all__ = ["InferenceSession"]


class InferenceSession:
    """A model made ready to predict: its weights packed once, its memory planned once, its layers run by one call into C.

    Parameters
    ----------
    model : Model
        Built. Layers that are added to it later are not in the session; weights that change later are.
    batch_size : int, default 32
        How many inputs there is memory for at a time, of no influence on the results. A small network takes fewer at a time, as many as
        stay in the caches.

    Raises
    ------
    ValueError
        For a model that has no weights yet.
    MemoryError
        Without memory for the outputs of the layers.

    Notes
    -----
    Several threads may call `run` at once; each that runs beside another gets memory of its own. After a change of the weights, by
    training, `set_weights` or `load_weights`, the next `run` packs them anew. A layer that is no kernel of C's is run in between by itself.

    Outputs are, bit for bit, those of the layers run one after the other, alone or in a batch, on any number of threads. There are two
    exceptions. A `BatchNormalization` behind a linear convolution becomes a part of its weights, which rounds otherwise: outputs may
    then differ in the last bits from those of a call of the model and what `evaluate` sees, but not from those of `predict`. And of a
    convolution with a `MaxPooling2D` behind it only what the pooling reads is computed, in training and in `evaluate` as well, perhaps by
    Winograd's method in other tiles than the whole plane would be: what such a layer gives by itself may differ in the last bits from
    what was pooled.

    References
    ----------
    The name and the use are those of ``onnxruntime.InferenceSession``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcnn
    >>> from fastcnn import networks
    >>> session = fastcnn.InferenceSession(networks.mnist_network(), batch_size=1)
    >>> digit = np.zeros((1, 28, 28, 1), np.float32)
    >>> session.run(digit).shape
    (1, 10)
    """

    def __init__(self, model: Predictor, batch_size: int = 32) -> None:
        self.batch_size = _validate.integer(batch_size, "batch_size", 1)
        graph = model._built_graph()
        self._input_shapes = [entry_sizes(tensor.shape) for tensor in graph.inputs]
        self._output_shapes = [entry_sizes(tensor.shape) for tensor in graph.outputs]
        layers = Network.of(graph).fused(inference=True)
        shapes = layers.shapes([tensor.shape for tensor in graph.inputs])

        def kernels_of(step: Step) -> Sequence[KernelStep] | None:
            return step.operation.kernel_steps(example(shapes[step.inputs[0]]))

        def row_of(row: Sequence[Step], kernels: Sequence[KernelStep]) -> _Kernels:
            return _Kernels(row, kernels, shapes, self.batch_size)

        self._network = layers.in_rows(kernels_of, row_of)
        #: What takes the only input and gives the only output, if it is one thing.
        steps = self._network.steps
        self._whole = steps[0].operation if [(step.inputs, (step.output,)) for step in steps] == [(layers.inputs, layers.outputs)] else None
        self._settings = _settings()

    @property
    def is_current(self) -> bool:
        """Whether a session made now would choose the same kernels."""
        return self._settings == _settings()

    def run(self, x: Any) -> Any:
        """Return the outputs for the inputs `x`.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            In the model's input shape, any number of them; worked on as float32. As in `Model.predict`, a last axis of length 1 may be
            missing. A list of arrays for several inputs.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            In the model's output shape; a list of them for several outputs.

        Raises
        ------
        TypeError, ValueError
            For inputs that are not real numbers, or not of the model's input shape.
        MemoryError
            Without memory for the result.
        """
        if len(self._input_shapes) > 1 and not (isinstance(x, list | tuple) and len(x) == len(self._input_shapes)):
            raise ValueError(f"x must be a list of {len(self._input_shapes)} arrays, got {type(x).__name__}")
        given = list(x) if len(self._input_shapes) > 1 else [x]
        xs = [self._checked(each, shape) for each, shape in zip(given, self._input_shapes, strict=True)]
        if len({len(each) for each in xs}) > 1:
            raise ValueError(f"x must have the same number of entries for every input, got {[len(each) for each in xs]}")
        ys = self._empty(len(xs[0]))
        self._run_into(xs, ys)
        return one_or_list(ys)

    @staticmethod
    def _checked(x: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        if type(x) is np.ndarray and x.dtype == np.float32 and x.shape[1:] == shape and x.flags.carray:
            return x
        return _validate.contiguous(check_shape(_validate.array(x, "x", range(1, 33)), shape), np.float32)

    def _empty(self, count: int) -> list[np.ndarray]:
        """Return uninitialised arrays for the outputs of `count` inputs."""
        return [np.empty((count, *shape), np.float32) for shape in self._output_shapes]

    def _run_into(self, xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> None:
        """Write the outputs for `xs` (N, ...) to `ys` (N, ...), all float32, in C order and of the model's shapes."""
        if isinstance(self._whole, _Kernels):
            self._whole.run(xs[0], ys[0])
            return
        for start in range(0, len(xs[0]), self.batch_size):
            span = slice(start, start + self.batch_size)
            for y, output in zip(ys, self._network.infer([x[span] for x in xs]), strict=True):
                np.copyto(y[span], output)


def _settings() -> tuple[str, int]:
    """What, besides shapes, decides which kernels a session is made of."""
    return _core.selected_isa(), _core.get_winograd()


def check_shape(inputs: np.ndarray, wanted: tuple[int | None, ...]) -> np.ndarray:
    """Return `inputs` if each is of the shape `wanted`; as in Keras, a last axis of length 1 may be missing."""
    if inputs.shape[1:] == wanted[:-1] and wanted[-1] == 1:
        inputs = inputs[..., None]
    if inputs.shape[1:] != wanted:
        raise ValueError(f"x must have shape {('N', *wanted)}, got {inputs.shape}")
    return inputs


class _Kernels(Layer):
    """Layers one after the other that are kernels alone, and so one call into C."""

    def __init__(self, row: Sequence[Step], kernels: Sequence[KernelStep], shapes: Mapping[int, Shape], batch_size: int) -> None:
        super().__init__()
        self._steps = [kernel[:-1] for kernel in kernels]
        self._weighted = [kernel for kernel in kernels if kernel.weights is not None]
        self._layers = [layer for step in row for layer in step.layers if layer.weights]
        self._input_shape, self._output_shape = entry_sizes(shapes[row[0].inputs[0]]), entry_sizes(shapes[row[-1].output])
        self._batch_size = batch_size
        #: Sessions that nobody runs: a list's `pop` and `append` are atomic, so no two threads have the same one.
        self._idle = [self._new_session()]
        self._prepared: tuple[int, _core.Memory] | None = None

    def _new_session(self) -> _core.Session:
        return _core.Session(self._steps, math.prod(self._input_shape), math.prod(self._output_shape), self._batch_size)

    def run(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write the outputs for `x` to `y`."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._new_session()
        try:
            session.run(self._prepare(session), len(x), x, y)
        finally:
            self._idle.append(session)

    def _prepare(self, session: _core.Session) -> _core.Memory:
        """Return the weights as kernels read them: packed anew if they have changed, where nobody reads them yet."""
        version = 0  # as it is before the weights are read: a change meanwhile will be seen the next time
        for layer in self._layers:
            version += layer.version
        prepared = self._prepared
        if prepared is None or prepared[0] != version:
            weights = _core.Pairs([kernel.arrays() for kernel in self._weighted])
            prepared = self._prepared = version, session.prepare(weights)
        return prepared[1]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: it makes sessions of its own."""
        return super().__getstate__() | {"_idle": [], "_prepared": None}

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the output for `x`."""
        x = InferenceSession._checked(x, self._input_shape)  # a layer of one's own may have made it
        y = np.empty((len(x), *self._output_shape), np.float32)
        self.run(x, y)
        return y
