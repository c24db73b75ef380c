"""Prediction: what every kind of model can do once it has layers."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _validate
from fastcnn.graph import Graph, one_or_list
from fastcnn.inference import InferenceSession, check_shape
from fastcnn.layers.base import Layer
from fastcnn.progress import Progress, check_verbose

if TYPE_CHECKING:
    from fastcnn.profiling import Profile


class Predictor(Layer):
    """A model that can be run. A subclass says what its layers are, and what its classes are called."""

    class_names: list[str]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._session: InferenceSession | None = None

    def _built_graph(self) -> Graph:
        """Return what the layers are, once they have weights."""
        if self.graph is None:
            raise ValueError("the model must be built first: begin with an Input, call build(input_shape), or fit")
        return self.graph

    def _build_for(self, x: Any) -> None:
        """Make the weights, if there are none yet, for inputs like `x`."""

    def _check_inputs(self, x: Any) -> tuple[np.ndarray, ...]:
        """Return `x`, an array or one for each input, as arrays of the model's input shapes."""
        if not isinstance(x, Mapping | list | tuple) or not self.takes_many:
            x = next(iter(x.values())) if isinstance(x, Mapping) and len(x) == 1 else x
            x = x[0] if isinstance(x, list | tuple) and len(x) == 1 and isinstance(x[0], np.ndarray) and x[0].ndim == self._rank() else x
            first = _validate.array(x, "x", range(1, 33))
            self._build_for(first)
            x = [first]
        tensors = self._built_graph().inputs
        given = _validate.by_name(x, [tensor.name for tensor in tensors], "x")
        arrays = tuple(
            check_shape(_validate.array(each, "x", range(1, 33)), tensor.shape[1:]) for each, tensor in zip(given, tensors, strict=True)
        )
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(f"x must have the same number of entries for every input, got {[len(array) for array in arrays]}")
        return arrays

    def _rank(self) -> int | None:
        """Return the number of axes of a batch of inputs, where it is known."""
        return len(self._built_graph().inputs[0].shape) if self.built else None

    def predict(self, x: Any, batch_size: int | None = None, verbose: str | int = "auto") -> Any:
        """Return the outputs for the inputs `x`.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            In the model's input shape; a list or a dictionary for several inputs.
        batch_size : int, default 32
            Of no influence on the result.
        verbose : {"auto", 0, 1, 2}
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            In the model's output shape; a list of them for several outputs.

        Raises
        ------
        TypeError, ValueError
            For arguments that do not fit, and for a model that has no weights yet.
        """
        size = 32 if batch_size is None else _validate.integer(batch_size, "batch_size", 1)
        verbose = check_verbose(verbose)
        xs = self._check_inputs(x)
        session = self._inference_session(min(size, len(xs[0])))
        outputs = session._empty(len(xs[0]))
        with Progress("Prediction", len(xs[0]), verbose) as progress:
            for start in range(0, len(xs[0]), size):
                span = slice(start, start + size)
                session._run_into([_validate.contiguous(each[span], np.float32) for each in xs], [each[span] for each in outputs])
                progress.advance(len(outputs[0][span]))
            progress.finish({})
        return one_or_list(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for the inputs `x`, all at once.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            As for `predict`.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            As from `predict`, bit for bit.

        Raises
        ------
        TypeError, ValueError
            For inputs that do not fit, and for a model that has no weights yet.
        """
        return self.predict(x, batch_size=max(1, len(self._check_inputs(x)[0])), verbose=0)

    def _inference_session(self, batch_size: int) -> InferenceSession:
        """Return the model's own session, for at least so many inputs at a time."""
        session = self._session
        if session is None or session.batch_size < batch_size or not session.is_current:
            session = self._session = InferenceSession(self, max(batch_size, 1))
        return session

    def profile(self, x: ArrayLike, *, seconds: float = 1.0) -> Profile:
        """Find out where the time goes: for each layer its time, in inference and in training, its speed and what it moves.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            A batch in the model's input shape.
        seconds : float, default 1
            How long to measure; five passes are made at least.

        Returns
        -------
        fastcnn.profiling.Profile
            Printed, a table: times are medians over passes through the network; operations are those of the direct method, a product
            and its sum as two; bytes those that must be read or written at least, each once. `to_dict` makes plain values of it.

        Raises
        ------
        TypeError, ValueError
            For inputs that do not fit or are none, a negative `seconds`, and a model that has no weights yet.

        Examples
        --------
        >>> import numpy as np
        >>> from fastcnn import networks
        >>> profile = networks.mnist_network().profile(np.zeros((2, 28, 28, 1)), seconds=0)
        >>> [layer.algorithm for layer in profile.layers if layer.algorithm]
        ['direct, fused with pooling', 'winograd, fused with pooling', 'direct', 'direct', 'direct']
        """
        from fastcnn import profiling

        seconds = _validate.real(seconds, "seconds", 0, math.inf)
        xs = self._check_inputs(x)
        _validate.not_empty(xs[0].shape, "x")
        return profiling.profile(self._built_graph(), [_validate.contiguous(each, np.float32) for each in xs], seconds)

    def explain(self, x: Any, path: str | os.PathLike[str]) -> None:
        """Write a page, one HTML file for any browser, that shows what every layer makes of one input, and each number's own numbers.

        Parameters
        ----------
        x : array_like, shape (1, ...)
            In the model's input shape; a list or a dictionary for several inputs.
        path : path-like
            Ends in ``.html``. A file that is there is replaced once the new one is whole.

        Raises
        ------
        TypeError, ValueError
            For inputs or a path that do not fit, and for a model whose layers give more than 8,000,000 numbers for one input. Weights, and
            then gradients, that do not fit beside them are left out, and the page says so.
        OSError
            For a path that cannot be written to.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from fastcnn import networks
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "page.html")
        ...     networks.mnist_network().explain(np.zeros((1, 28, 28, 1)), path)
        ...     os.path.getsize(path) < 5_000_000
        True
        """
        from fastcnn.teaching import explorer

        explorer.explain(self, x, path)
