"""Training and evaluation: the same for every kind of model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _interrupts, _targets, _validate, losses, optimizers, random
from fastcnn import metrics as _metrics
from fastcnn._interrupts import PutOff
from fastcnn.callbacks import Callback, CallbackList, History
from fastcnn.compiled import Compiled
from fastcnn.feeding import Batch, Source, Sourcing
from fastcnn.flat_weights import FlatWeights, penalties
from fastcnn.graph import one_or_list
from fastcnn.objective import Result
from fastcnn.prediction import Predictor
from fastcnn.progress import Progress, check_verbose
from fastcnn.random import Draws

if TYPE_CHECKING:
    from fastcnn.memory import MemoryPlan

Logs: TypeAlias = dict[str, float]

#: Steps outside of `fit` draw their random numbers from epochs that no training comes to.
_LONE_STEPS = 2**31


class Checkpoint(NamedTuple):
    """A training to go on with: from where, and what makes the model and the callbacks what they were; nothing has changed before."""

    epoch: int
    step: int
    take_up: Callable[[CallbackList], None]


class Trainer(Predictor):
    """A model that can be trained."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.stop_training = False
        self._metric_identifiers: Any = None
        self._weighted_identifiers: Any = None
        self._loss_weights: Any = None
        self._compiled: Compiled | None = None
        self._flat: FlatWeights | None = None
        #: How many epochs have begun since `compile`: each has random numbers of its own.
        self._epochs = 0
        self._callbacks: CallbackList | None = None
        #: The epoch of the running `fit`, and the steps of it that are done.
        self._position = (0, 0)

    def _read_checkpoint(self, path: str | os.PathLike[str]) -> Checkpoint:
        """Return what a checkpoint holds, if it is one of a training of this model."""
        raise NotImplementedError

    # --- Preparing -------------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | optimizers.Optimizer = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
    ) -> None:
        """Say how to train; needed before `fit` and `evaluate`.

        Parameters
        ----------
        optimizer : str or Optimizer
            "adam", "sgd", or an object of `fastcnn.optimizers`, which begins anew.
        loss : str or Loss
            Such as "sparse_categorical_crossentropy", or an object of `fastcnn.losses`; for a model with several outputs, a list with
            one for each, or a dictionary by the names of their layers. A cross-entropy after a final softmax is computed from the
            logits, exactly.
        loss_weights : sequence of float or dict, optional
            What the loss of each output counts; 1 by default.
        metrics : sequence of str or Metric, optional
            Such as ``["accuracy"]``; for several outputs, a list of such lists, or a dictionary. They count all samples alike.
        weighted_metrics : sequence of str or Metric, optional
            The same, but samples count by their `sample_weight` and `class_weight`. In a history, one whose name is taken begins
            with ``"weighted_"``.

        Raises
        ------
        TypeError, ValueError
            For what is no optimizer, loss or metric, and for an unknown name; the model is as before then.

        Examples
        --------
        >>> from fastcnn import losses, networks, optimizers
        >>> model = networks.mnist_network()
        >>> model.compile(optimizers.SGD(0.1, momentum=0.9), losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
        """
        for name, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if isinstance(given, str) or not isinstance(given, Sequence | Mapping | None):
                raise TypeError(f"{name} must be a list, got {given!r}")
        if loss is None:
            raise TypeError("loss must be a name or an object of fastcnn.losses, got None")
        told = optimizers.get(optimizer), _each(loss, losses.get), _each(metrics, _metric), _each(weighted_metrics, _metric)
        self.optimizer, self.loss, self._metric_identifiers, self._weighted_identifiers = told
        self._loss_weights = loss_weights
        self._compiled = self._flat = None
        self._epochs = 0

    def _prepare(self) -> Compiled:
        """Return what `compile` was told, fitted to the model's outputs."""
        if self.loss is None:
            raise RuntimeError("the model must be compiled first: model.compile(optimizer, loss)")
        if self._compiled is None:
            identifiers = self._metric_identifiers, self._weighted_identifiers
            self._compiled = Compiled(self._built_graph(), self.loss, self._loss_weights, *identifiers)
        return self._compiled

    def _prepare_weights(self) -> tuple[optimizers.Optimizer, FlatWeights]:
        """Return the optimizer, built, and the weights that it is to change, in one array."""
        assert self.optimizer is not None
        if self._flat is None:
            self._flat = FlatWeights.of(self._prepare().objective.network.layers)
            self.optimizer.build(self._flat.sizes)
        self._flat.claim()
        return self.optimizer, self._flat

    def _check(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None
    ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray | None, ...], np.ndarray | None]:
        """Return inputs, targets and weights in checked form."""
        xs = self._check_inputs(x)
        ys = self._prepare().check_targets(y)
        for count in (len(target) for target in ys if target is not None):
            if len(xs[0]) != count or not count:
                raise ValueError(f"x and y must have the same number of entries, at least 1, got {len(xs[0])} and {count}")
        return xs, ys, _targets.batch_weights(sample_weight, class_weight, ys[0] if len(ys) == 1 else None, len(xs[0]))

    # --- Running ---------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        *,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train on inputs `x` and targets `y`.

        Parameters
        ----------
        x : array_like, data set or iterable
            Inputs (N, ...) in the model's input shape, worked on as float32; a list or a dictionary of arrays for a model with several.
            Or, with the targets in it and no `y`: a data set, with ``len(x)`` and ``x[i]`` that is an example (x, y) or a batch of them;
            or an iterable of batches. These may have sample weights as a third entry, and run in threads of their own.
        y : array_like, optional
            Targets, as the loss wants them; a list or a dictionary for several outputs.
        batch_size : int, default 32
            The images a step; the last step of an epoch takes what is left.
        epochs : int, default 1
            The epoch to stop after, counted from 1 as `initial_epoch` is from 0.
        verbose : {"auto", 0, 1, 2}
            0 is silent; 1 and "auto" show a bar on a terminal and print a line an epoch elsewhere; 2 prints a line an epoch.
        callbacks : sequence of Callback, optional
        validation_split : float, default 0
            The share of the data, taken from its end before any shuffling, that is evaluated after each epoch, not trained on.
        validation_data : (x, y) or (x, y, sample_weight), data set or iterable, optional
            What to evaluate after each epoch, in place of `validation_split`.
        shuffle : bool, default True
            Whether each epoch goes through the data in a new order; of no influence on iterables.
        class_weight : dict of int to float, optional
            What samples of each class count in the loss; 1 for a class that is not there.
        sample_weight : array_like, shape (N,), optional
            What each sample counts in the loss.
        initial_epoch : int, default 0
            The epoch to begin with, where an earlier training is carried on.
        steps_per_epoch : int, optional
            After how many batches an epoch of an iterable ends; by default, with the iterable.
        validation_steps, validation_batch_size : int, optional
            The same for the evaluation, and its batches; by default `batch_size`.
        validation_freq : int, default 1
            The evaluation comes after every so many epochs.
        resume_from : path-like, optional
            A file that `callbacks.ModelCheckpoint` wrote: training goes on from there as if it had never stopped, bit for bit, given
            the same data and arguments.

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
        size = 32 if batch_size is None else _validate.integer(batch_size, "batch_size", 1)
        epochs = _validate.integer(epochs, "epochs", 1)
        first_epoch = _validate.integer(initial_epoch, "initial_epoch", 0)
        shuffle = _validate.boolean(shuffle, "shuffle")
        every = _validate.integer(validation_freq, "validation_freq", 1)
        steps = None if steps_per_epoch is None else _validate.integer(steps_per_epoch, "steps_per_epoch", 1)
        verbose = check_verbose(verbose)
        history = History()
        listeners = CallbackList([*_check_callbacks(callbacks), history])
        sourcing = Sourcing(self._check, self._rank)
        share = _validate.real(validation_split, "validation_split", 0, 1)
        held_size = size if validation_batch_size is None else _validate.integer(validation_batch_size, "validation_batch_size", 1)
        held_steps = None if validation_steps is None else _validate.integer(validation_steps, "validation_steps", 1)
        data = (x, y, sample_weight)
        validation: Source | None = None
        if validation_data is None and share:
            source, validation = sourcing.split(data, share, size, held_size, shuffle, class_weight)
        else:
            source = sourcing.source(data, size, steps, shuffle, class_weight)
            if validation_data is not None:
                validation = sourcing.validation(validation_data, held_size, held_steps)
        self._prepare_weights()
        self.stop_training = False
        first_step, checkpoint = 0, None if resume_from is None else self._read_checkpoint(resume_from)
        if checkpoint is not None:
            source.pass_over(max(0, checkpoint.epoch - first_epoch))
            first_epoch, first_step = checkpoint.epoch, checkpoint.step
        self._callbacks = listeners
        try:
            listeners.begin(self, {"epochs": epochs, "steps": source.steps, "verbose": verbose})
            listeners.tell("on_train_begin")
            if checkpoint is not None:
                checkpoint.take_up(listeners)
            for epoch in range(first_epoch, epochs):
                held = validation if (epoch + 1) % every == 0 else None
                title = f"Epoch {epoch + 1}/{epochs}"
                with _interrupts.put_off() as put_off, Progress(title, source.images, verbose, source.steps) as progress:
                    logs = self._fit_epoch(source, held, shuffle, epoch, first_step, progress, put_off)
                first_step = 0
                self._position = (epoch + 1, 0)
                listeners.tell("on_epoch_end", epoch, logs)
                if self.stop_training:
                    break
            listeners.tell("on_train_end")
        finally:
            self._callbacks = None
        return history

    def _fit_epoch(
        self, source: Source, validation: Source | None, shuffle: bool, epoch: int, first_step: int, progress: Progress, put_off: PutOff
    ) -> Logs:
        """Train for an epoch, from a step on, and evaluate; return the means."""
        compiled, listeners = self._prepare(), self._callbacks
        assert listeners is not None
        if first_step == 0:
            self._epochs += 1
            compiled.reset()
        self._position = (epoch, first_step)
        listeners.tell("on_epoch_begin", epoch)
        order = random.stream("shuffle", self._epochs) if shuffle else None
        prepare = partial(self._prepare_batch, epoch=self._epochs) if compiled.objective.front.steps else None
        done = first_step
        for done, batch in enumerate(source.batches(order, first_step, prepare), first_step + 1):
            listeners.tell("on_train_batch_begin", done - 1)
            result, penalty = self._train_step(batch, self._epochs, put_off)
            compiled.update(result, batch.ys, batch.weights, len(batch.samples), penalty)
            self._position = (epoch, done)
            progress.advance(len(batch.samples), compiled.means)
            if listeners.hears("on_train_batch_end"):
                listeners.tell("on_train_batch_end", done - 1, compiled.means())
                if self.stop_training:
                    break
        if not done:
            raise ValueError("x must give at least one batch an epoch, but has run out")
        logs = compiled.means()
        progress.stop_clock()
        if validation is not None:
            logs |= {f"val_{name}": mean for name, mean in self._evaluate(validation).items()}
        progress.finish(logs)
        return logs

    def _prepare_batch(self, batch: Batch, epoch: int) -> Batch:
        """Return the batch as it is after the preprocessing that the network begins with."""
        front = self._prepare().objective.front
        return batch._replace(xs=tuple(front.forward(batch.xs, Draws(random.get_seed(), epoch, batch.samples))[0]))

    def _train_step(self, batch: Batch, epoch: int, put_off: PutOff) -> tuple[Result, float]:
        """Change the weights for one batch; return the result that it had before, and what the weights cost."""
        compiled, optimizer, flat = self._compiled, self.optimizer, self._flat
        assert compiled is not None and optimizer is not None and flat is not None
        draws = Draws(random.get_seed(), epoch, batch.samples)
        result, observed = compiled.objective.differentiate(batch.xs, batch.ys, batch.weights, draws, flat.gradient_views)
        penalty = flat.add_penalties()
        with put_off:
            try:
                optimizer.update(flat.weights, flat.gradients)
                for layer, seen in observed:
                    layer.absorb(seen)
            finally:  # an error may come after some have changed
                flat.changed()
        return result, penalty

    def _evaluate(self, source: Source, progress: Progress | None = None) -> Logs:
        """Return the means over all batches, in inference."""
        compiled = self._prepare()
        compiled.reset()
        penalty = penalties(compiled.objective.network.layers)
        for batch in source.batches():
            result = compiled.objective.evaluate(batch.xs, batch.ys, batch.weights)
            compiled.update(result, batch.ys, batch.weights, len(batch.samples), penalty)
            if progress is not None:
                progress.advance(len(batch.samples), compiled.means)
        return compiled.means()

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one step of training on one batch.

        Parameters
        ----------
        x, y, sample_weight, class_weight
            As for `fit`.
        return_dict : bool, default False

        Returns
        -------
        float, list of float or dict
            As `evaluate`: the loss and the metrics of this batch, as they were in this step, before the weights changed.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            For arguments that do not fit; nothing has changed then.
        """
        xs, ys, weights = self._check(x, y, sample_weight, class_weight)
        optimizer, _ = self._prepare_weights()
        compiled = self._prepare()
        compiled.reset()
        samples = np.arange(len(xs[0]))
        batch = Batch(tuple(_validate.contiguous(each, np.float32) for each in xs), ys, weights, samples)
        epoch = _LONE_STEPS + optimizer.batches
        with _interrupts.put_off() as put_off:
            result, penalty = self._train_step(self._prepare_batch(batch, epoch), epoch, put_off)
        compiled.update(result, ys, weights, len(samples), penalty)
        return _results(compiled.means(), return_dict)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        *,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics over the inputs `x` and targets `y`.

        Parameters
        ----------
        x, y, sample_weight
            Inputs and targets, as for `fit`.
        batch_size : int, default 32
        verbose : {"auto", 0, 1, 2}
            As for `fit`.
        steps : int, optional
            How many batches of an iterable to take; by default all.
        return_dict : bool, default False

        Returns
        -------
        float, list of float or dict
            The loss; with metrics, a list of the loss and the metrics; with `return_dict`, a dictionary of them by name.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            For arguments that do not fit.
        """
        size = 32 if batch_size is None else _validate.integer(batch_size, "batch_size", 1)
        steps = None if steps is None else _validate.integer(steps, "steps", 1)
        verbose = check_verbose(verbose)
        source = Sourcing(self._check, self._rank).source((x, y, sample_weight), size, steps)
        with Progress("Evaluation", source.images, verbose, source.steps) as progress:
            logs = self._evaluate(source, progress)
            progress.finish(logs)
        return _results(logs, return_dict)

    def memory_plan(self, batch_size: int = 32) -> MemoryPlan:
        """Say how much memory a training step will take, before it runs.

        Parameters
        ----------
        batch_size : int, default 32

        Returns
        -------
        fastcnn.memory.MemoryPlan
            Its `peak` is in bytes; what Python, the libraries and kernels' scratch (some megabytes) take is not in it.

        Raises
        ------
        RuntimeError
            Before `compile`.
        TypeError, ValueError
            For a `batch_size` that is no positive integer.

        Examples
        --------
        >>> from fastcnn import networks
        >>> round(networks.mnist_network().memory_plan(1000).peak / 1e6)
        101
        """
        from fastcnn.memory import memory_plan

        batch_size = _validate.integer(batch_size, "batch_size", 1)
        compiled, (optimizer, flat) = self._prepare(), self._prepare_weights()
        return memory_plan(compiled, flat, optimizer, batch_size)


def _check_callbacks(callbacks: Sequence[Callback] | None) -> Sequence[Callback]:
    for callback in callbacks or ():
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be a list of fastcnn.callbacks.Callback, got {callback!r}")
    return callbacks or ()


def _each(value: Any, get: Callable[[Any], Any]) -> Any:
    """Return what `get` makes of a value, or of each in a list, or of each output's in a dictionary; of None nothing."""
    if isinstance(value, Mapping) and "class_name" not in value:
        return {name: _each(one, get) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_each(one, get) for one in value]
    return None if value is None else get(value)


def _metric(identifier: Any) -> Any:
    """Return a metric, but a name as it is: which accuracy is meant depends on the first targets."""
    metric = _metrics.get(identifier, (0,), (None, 2))
    return identifier if isinstance(identifier, str) else metric


def _results(logs: Logs, return_dict: bool) -> Any:
    return logs if return_dict else one_or_list(list(logs.values()))
