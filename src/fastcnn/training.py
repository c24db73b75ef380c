"""Training, evaluation and prediction: the same for every kind of model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _validate, losses, optimizers, random
from fastcnn import metrics as _metrics
from fastcnn.callbacks import Callback, History
from fastcnn.inference import InferenceSession, check_shape
from fastcnn.layers.base import Layer, Shape
from fastcnn.network import Chain, FlatWeights, Objective
from fastcnn.ops import updates
from fastcnn.progress import Progress, check_verbose

if TYPE_CHECKING:
    from fastcnn.profiling import Profile

Batch: TypeAlias = tuple[np.ndarray, np.ndarray]
Logs: TypeAlias = dict[str, float]


class Trainer:
    """What a model can do once it has layers. A subclass says what they are."""

    def __init__(self) -> None:
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.stop_training = False
        self._metric_identifiers: tuple[Any, ...] = ()
        self._loss_mean = _metrics.Mean("loss")
        self._metrics: list[_metrics.Metric] = []
        self._objective: Objective | None = None
        self._flat: FlatWeights | None = None
        self._session: InferenceSession | None = None
        self._dropout = random.Streams("dropout")

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        raise NotImplementedError

    @property
    def input_shape(self) -> Shape:
        """The shape of the inputs, with None for the batch."""
        raise NotImplementedError

    @property
    def output_shape(self) -> Shape:
        """The shape of the outputs, with None for the batch."""
        raise NotImplementedError

    def _build_for(self, x: np.ndarray) -> None:
        """Make the weights, if there are none yet, for inputs like `x`."""
        raise NotImplementedError

    # --- Preparing -------------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer,
        loss: str | losses.Loss,
        metrics: Sequence[str | _metrics.Metric] | None = None,
    ) -> None:
        """Say how to train; needed before `fit` and `evaluate`.

        Parameters
        ----------
        optimizer : str or Optimizer
            "adam", "sgd", or an object of `fastcnn.optimizers`, which begins anew.
        loss : str or Loss
            Such as "sparse_categorical_crossentropy", or an object of `fastcnn.losses`. A cross-entropy after a final softmax is
            computed from the logits, exactly.
        metrics : sequence of str or Metric, optional
            Such as ``["accuracy"]``.
        """
        if isinstance(metrics, str) or not isinstance(metrics, Sequence | None):
            raise TypeError(f"metrics must be a list, got {metrics!r}")
        for identifier in metrics or ():
            _metrics.get(identifier, (0,), (None, 2))  # refuses here what it would refuse in `fit`
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.get(loss)
        self._metric_identifiers = tuple(metrics or ())
        self._objective = self._flat = None

    def _prepare(self, x: ArrayLike, y: ArrayLike) -> tuple[Objective, np.ndarray, np.ndarray]:
        """Return the objective, and inputs and targets in checked form."""
        if self.loss is None:
            raise RuntimeError("the model must be compiled first: model.compile(optimizer, loss)")
        inputs = self._check_inputs(x)
        targets = self.loss.check_targets(y, self.output_shape)
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(f"x and y must have the same number of entries, at least 1, got {len(inputs)} and {len(targets)}")
        if self._objective is None:
            self._objective = Objective(Chain(self.layers), self.loss)
            self._metrics = [_metrics.get(name, targets.shape, self.output_shape) for name in self._metric_identifiers]
        return self._objective, inputs, targets

    def _prepare_weights(self) -> tuple[optimizers.Optimizer, FlatWeights]:
        """Return the optimizer, built, and the weights that it is to change, in one array."""
        assert self.optimizer is not None
        if self._flat is None:
            self._flat = FlatWeights(self.layers)
            self.optimizer.build([self._flat.weights.size])
        self._flat.claim()
        return self.optimizer, self._flat

    def _check_inputs(self, x: ArrayLike) -> np.ndarray:
        """Return `x` as an array of the model's input shape."""
        inputs = _validate.array(x, "x", range(1, 33))
        self._build_for(inputs)
        return check_shape(inputs, self.input_shape[1:])

    # --- State, for files ------------------------------------------------------------------------------------------------

    def _training_state(self) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
        """Return what `compile` was told and how far the optimizer has come: a configuration, and arrays by name."""
        if self.optimizer is None or self.loss is None:
            return None, {}
        identifiers = [name if isinstance(name, str) else _registry.serialize(name) for name in self._metric_identifiers]
        config = {
            "optimizer": _registry.serialize(self.optimizer),
            "iterations": self.optimizer.iterations,
            "loss": _registry.serialize(self.loss),
            "metrics": identifiers,
        }
        return config, dict(self.optimizer.slots)

    def _restore_training_state(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take up what `_training_state` gave."""
        self.compile(config["optimizer"], config["loss"], config["metrics"])
        iterations = _validate.integer(config["iterations"], "iterations", 0, 2**63 - 1)
        if iterations:
            optimizer, _ = self._prepare_weights()
            if arrays.keys() != optimizer.slots.keys():
                raise ValueError(f"the optimizer must have the arrays {list(optimizer.slots)}, got {list(arrays)}")
            for name, slot in optimizer.slots.items():
                _validate.same_shape(arrays[name].shape, slot.shape, name, "the shape")
                np.copyto(slot, arrays[name])
            optimizer.iterations = iterations

    # --- Running ---------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        shuffle: bool = True,
        *,
        initial_epoch: int = 0,
    ) -> History:
        """Train on inputs `x` and targets `y`.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            In the model's input shape; worked on as float32, whatever its dtype.
        y : array_like
            Targets, as the loss wants them.
        batch_size : int, default 32
            The images a step; the last step of an epoch takes what is left.
        epochs : int, default 1
            The epoch to stop after, counted from 1 as `initial_epoch` is from 0.
        verbose : {"auto", 0, 1, 2}
            0 is silent; 1 and "auto" show a bar on a terminal and print a line an epoch elsewhere; 2 prints a line an epoch.
        callbacks : sequence of Callback, optional
        validation_split : float, default 0
            The share of the data, taken from its end before any shuffling, that is evaluated after each epoch, not trained on.
        validation_data : pair of array_like, optional
            Inputs and targets to evaluate after each epoch, in place of `validation_split`.
        shuffle : bool, default True
            Whether each epoch goes through the data in a new order.
        initial_epoch : int, default 0
            The epoch to begin with, where an earlier training is carried on.

        Returns
        -------
        History
            Whose `history` has the loss and the metrics of each epoch: means over the batches, weighted by their sizes.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            For arguments that do not fit; nothing has changed then.
        """
        batch_size = _validate.integer(batch_size, "batch_size", 1)
        epochs = _validate.integer(epochs, "epochs", 1)
        first_epoch = _validate.integer(initial_epoch, "initial_epoch", 0)
        shuffle = _validate.boolean(shuffle, "shuffle")
        verbose = check_verbose(verbose)
        history = History()
        listeners = [history, *_check_callbacks(callbacks)]
        objective, inputs, targets = self._prepare(x, y)
        validation: Batch | None = None
        if validation_data is not None:
            if not (isinstance(validation_data, tuple | list) and len(validation_data) == 2):
                raise TypeError(f"validation_data must be a pair (x, y), got {type(validation_data).__name__}")
            validation = self._prepare(*validation_data)[1:]
        elif _registry.real(validation_split, "validation_split", 0, 1):
            cut = _split(len(inputs), validation_split)
            validation = inputs[cut:], targets[cut:]
            inputs, targets = inputs[:cut], targets[:cut]
        if shuffle:
            inputs = _validate.contiguous(inputs, inputs.dtype.newbyteorder("="))
        optimizer, _ = self._prepare_weights()
        self.stop_training = False
        for listener in listeners:
            listener.set_model(self)
            listener.on_train_begin()
        for epoch in range(first_epoch, epochs):
            for listener in listeners:
                listener.on_epoch_begin(epoch)
            order = random.stream("shuffle", optimizer.iterations).permutation(len(inputs)) if shuffle else None
            with Progress(f"Epoch {epoch + 1}/{epochs}", len(inputs), verbose) as progress:
                logs = self._run(self._train_step, _batches(inputs, targets, batch_size, order), progress)
                progress.stop_clock()
                if validation is not None:
                    means = self._run(objective.evaluate, _batches(*validation, batch_size))
                    logs |= {f"val_{name}": mean for name, mean in means.items()}
                progress.finish(logs)
            for listener in listeners:
                listener.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        for listener in listeners:
            listener.on_train_end()
        return history

    def _train_step(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Change the weights for one batch; return the loss and the predictions that it had before."""
        assert self.optimizer is not None and self._flat is not None and self._objective is not None
        training = self._dropout.at(self.optimizer.iterations)
        result = self._objective.differentiate(x, y, training, self._flat.gradient_views)
        try:
            self.optimizer.update(self._flat.weights, self._flat.gradients)
        finally:  # an interrupted step may have changed some
            self._flat.changed()
        return result

    def _run(
        self,
        step: Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]],
        batches: Iterable[Batch],
        progress: Progress | None = None,
    ) -> Logs:
        """Take every batch through `step`, which returns a loss and predictions; return the means."""
        for metric in (self._loss_mean, *self._metrics):
            metric.reset_state()
        for x, y in batches:
            loss, predictions = step(x, y)
            self._loss_mean.update_state(loss, len(x))
            for metric in self._metrics:
                metric.update_state(y, predictions)
            if progress is not None:
                progress.advance(len(x), self._means())
        return self._means()

    def _means(self) -> Logs:
        return {metric.name: metric.result() for metric in (self._loss_mean, *self._metrics)}

    def train_on_batch(self, x: ArrayLike, y: ArrayLike, return_dict: bool = False) -> Any:
        """Make one step of training on one batch.

        Parameters
        ----------
        x, y : array_like
            Inputs and targets, as for `fit`.
        return_dict : bool, default False

        Returns
        -------
        float, list of float or dict
            As `evaluate`: the loss and the metrics of this batch, as they were in this step, before the weights changed.
        """
        _, inputs, targets = self._prepare(x, y)
        self._prepare_weights()
        return _results(self._run(self._train_step, _batches(inputs, targets, len(inputs))), return_dict)

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: int = 32, verbose: str | int = "auto", *, return_dict: bool = False) -> Any:
        """Return the loss and the metrics over the inputs `x` and targets `y`.

        Parameters
        ----------
        x, y : array_like
            Inputs and targets, as for `fit`.
        batch_size : int, default 32
        verbose : {"auto", 0, 1, 2}
            As for `fit`.
        return_dict : bool, default False

        Returns
        -------
        float, list of float or dict
            The loss; with metrics, a list of the loss and the metrics; with `return_dict`, a dictionary of them by name.

        Raises
        ------
        RuntimeError
            Before `compile`.
        """
        batch_size = _validate.integer(batch_size, "batch_size", 1)
        verbose = check_verbose(verbose)
        objective, inputs, targets = self._prepare(x, y)
        with Progress("Evaluation", len(inputs), verbose) as progress:
            logs = self._run(objective.evaluate, _batches(inputs, targets, batch_size), progress)
            progress.finish(logs)
        return _results(logs, return_dict)

    def predict(self, x: ArrayLike, batch_size: int = 32, verbose: str | int = "auto") -> np.ndarray:
        """Return the outputs for the inputs `x`.

        Parameters
        ----------
        x : array_like, shape (N, ...)
            In the model's input shape.
        batch_size : int, default 32
            Of no influence on the result.
        verbose : {"auto", 0, 1, 2}
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            In the model's output shape.
        """
        batch_size = _validate.integer(batch_size, "batch_size", 1)
        verbose = check_verbose(verbose)
        inputs = self._check_inputs(x)
        session = self._inference_session(min(batch_size, len(inputs)))
        outputs = session.empty(len(inputs))
        with Progress("Prediction", len(inputs), verbose) as progress:
            for batch, output in _batches(inputs, outputs, batch_size):
                session.run_into(batch, output)
                progress.advance(len(batch), {})
            progress.finish({})
        return outputs

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

        Examples
        --------
        >>> import numpy as np
        >>> from fastcnn import networks
        >>> profile = networks.mnist_network().profile(np.zeros((2, 28, 28, 1)), seconds=0)
        >>> [layer.algorithm for layer in profile.layers if layer.algorithm]
        ['direct, fused with pooling', 'winograd, fused with pooling', 'direct', 'direct', 'direct']
        """
        from fastcnn import profiling

        seconds = _registry.real(seconds, "seconds", 0, math.inf)
        inputs = self._check_inputs(x)
        _validate.not_empty(inputs.shape, "x")
        return profiling.profile(self.layers, _validate.contiguous(inputs, np.float32), seconds)


def _batches(x: np.ndarray, y: np.ndarray, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
    """Cut `x` (as float32) and `y` into batches: as they come, as views; or in the given order, in buffers that are used again."""
    if order is None:
        for start in range(0, len(x), size):
            yield _validate.contiguous(x[start : start + size], np.float32), y[start : start + size]
        return
    x_buffer, y_buffer = (np.empty((min(size, len(x)), *array.shape[1:]), array.dtype) for array in (x, y))
    for start in range(0, len(x), size):
        indices = order[start : start + size]
        x_batch, y_batch = x_buffer[: len(indices)], y_buffer[: len(indices)]
        updates.gather(x, indices, x_batch)
        updates.gather(y, indices, y_batch)
        yield _validate.contiguous(x_batch, np.float32), y_batch


def _split(count: int, share: float) -> int:
    """Where the last `share` of `count` entries begins, rounded as Keras does."""
    cut = math.floor(count * (1 - share))
    if cut in (0, count):
        raise ValueError(f"validation_split must leave some of the {count} entries on either side, got {share}")
    return cut


def _check_callbacks(callbacks: Sequence[Callback] | None) -> Sequence[Callback]:
    for callback in callbacks or ():
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be a list of fastcnn.callbacks.Callback, got {callback!r}")
    return callbacks or ()


def _results(logs: Logs, return_dict: bool) -> Any:
    values = list(logs.values())
    return logs if return_dict else values if len(values) > 1 else values[0]
