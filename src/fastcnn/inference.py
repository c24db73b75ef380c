"""Running a trained network again and again, in as little time as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _core, _validate
from fastcnn.layers.base import Layer, Shape, example
from fastcnn.network import Chain, Step
from fastcnn.ops.steps import KernelStep

if TYPE_CHECKING:
    from fastcnn.training import Trainer

__all__ = ["InferenceSession"]


class InferenceSession:
    """A model made ready to predict: its weights packed once, its memory planned once, its layers run by one call into C.

    Parameters
    ----------
    model : Sequential
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

    Outputs are, bit for bit, those of the layers run one after the other, alone or in a batch, on any number of threads.

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

    def __init__(self, model: Trainer, batch_size: int = 32) -> None:
        self.batch_size = _validate.integer(batch_size, "batch_size", 1)
        self._input_shape, self._output_shape = _sizes(model.input_shape), _sizes(model.output_shape)
        self._parts = _parts(Chain(model.layers), model.input_shape, self.batch_size)
        self._settings = _settings()

    @property
    def is_current(self) -> bool:
        """Whether a session made now would choose the same kernels."""
        return self._settings == _settings()

    def run(self, x: ArrayLike) -> np.ndarray:
        """Return the outputs for the inputs `x`.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            In the model's input shape, any number of them; worked on as float32. As in `Sequential.predict`, a last axis of length 1 may be
            missing.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            In the model's output shape.

        Raises
        ------
        TypeError, ValueError
            For inputs that are not real numbers, or not of the model's input shape.
        MemoryError
            Without memory for the result.
        """
        if not (type(x) is np.ndarray and x.dtype == np.float32 and x.shape[1:] == self._input_shape and x.flags.carray):
            x = _validate.contiguous(check_shape(_validate.array(x, "x", range(1, 33)), self._input_shape), np.float32)
        y = self.empty(len(x))
        self.run_into(x, y)
        return y

    def empty(self, count: int) -> np.ndarray:
        """Return an uninitialised array for the outputs of `count` inputs."""
        return np.empty((count, *self._output_shape), np.float32)

    def run_into(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write the outputs for `x` (N, ...) to `y` (N, ...), both float32, in C order and of the model's shapes."""
        if len(self._parts) == 1:
            self._parts[0].run(x, y)
            return
        for start in range(0, len(x), self.batch_size):
            outputs = x[start : start + self.batch_size]
            for part in self._parts:
                outputs = part.infer(outputs)
            np.copyto(y[start : start + self.batch_size], outputs)


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


class _Kernels:
    """Neighbouring steps of a chain that are kernels alone, and so one call into C."""

    def __init__(self, steps: Sequence[KernelStep], layers: Sequence[Layer], output_shape: Shape, batch_size: int) -> None:
        self._steps = [step[:-1] for step in steps]
        self._weights = [step.weights for step in steps if step.weights is not None]
        self._layers = [layer for layer in layers if layer.weights]
        self._output_shape = _sizes(output_shape)
        self._batch_size = batch_size
        #: Sessions that nobody runs: a list's `pop` and `append` are atomic, so no two threads have the same one.
        self._idle = [_core.Session(self._steps, batch_size)]
        self._prepared: tuple[int, _core.Memory] | None = None

    def run(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write the outputs for `x` to `y`."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = _core.Session(self._steps, self._batch_size)
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
            weights = [(each["kernel"], each.get("bias")) for each in self._weights]
            prepared = self._prepared = version, session.prepare(weights)
        return prepared[1]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: it makes sessions of its own."""
        return self.__dict__ | {"_idle": [], "_prepared": None}

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for `x`, which is contiguous."""
        y = np.empty((len(x), *self._output_shape), np.float32)
        self.run(x, y)
        return y


class _Infer:
    """A step that is not kernels alone."""

    def __init__(self, step: Step) -> None:
        self.infer = step.infer

    def run(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write the outputs for `x` to `y`."""
        np.copyto(y, self.infer(x))


def _parts(chain: Chain, shape: Shape, batch_size: int) -> list[_Kernels | _Infer]:
    """Cut a chain, for inputs of `shape`, into parts: as many neighbours as there are kernels, or one step that is something else."""
    parts: list[_Kernels | _Infer] = []
    steps: list[Step] = []  # not in any part yet, and the kernels that they are
    kernels: list[KernelStep] = []
    for step, _ in chain.steps:
        found = step.kernel_steps(example(shape))
        if found is None:
            parts += _part(steps, kernels, chain, shape, batch_size)
            parts.append(_Infer(step))
            steps, kernels = [], []
        else:
            steps.append(step)
            kernels += found
        shape = step.compute_output_shape(shape)
    return parts + _part(steps, kernels, chain, shape, batch_size)


def _part(steps: Sequence[Step], kernels: Sequence[KernelStep], chain: Chain, shape: Shape, batch_size: int) -> list[_Kernels | _Infer]:
    """Return `steps`, which are `kernels`, as one part; where they only change shapes, as they are."""
    return [_Kernels(kernels, chain.layers, shape, batch_size)] if kernels else [_Infer(step) for step in steps]


def _sizes(shape: Shape) -> tuple[int, ...]:
    """The sizes of one entry of a batch of `shape`."""
    return tuple(size or 0 for size in shape[1:])
