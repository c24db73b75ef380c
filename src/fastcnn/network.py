"""A network to run and to train: steps in order, each a layer or some that run as one, with their inputs and their output by number."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcnn.graph import Graph, Shape, Tensor
from fastcnn.layers import fused
from fastcnn.layers.activated import ActivatedLayer
from fastcnn.layers.base import Gradients, Layer
from fastcnn.layers.core import InputLayer
from fastcnn.ops.activations import LINEAR, ActivationFunction
from fastcnn.ops.steps import KernelStep
from fastcnn.random import Draws


class WatchedOperation:
    """Stands in for an operation, for those who want to see what passes through it: a subclass has methods of its own in place of some."""

    def __init__(self, operation: Layer) -> None:
        self._operation = operation

    def __getattr__(self, name: str) -> Any:
        """Return what the operation has by that name."""
        return getattr(self._operation, name)


class Step(NamedTuple):
    """One step: values are numbered, those of the network's inputs first. Random numbers are drawn at the place of the output's number."""

    #: What is computed: a layer, or one that does what some do in a row.
    operation: Layer
    #: The layers that the operation is; weights are those of the first, but where it is a row of kernels.
    layers: tuple[Layer, ...]
    inputs: tuple[int, ...]
    output: int

    def x_of(self, values: Mapping[int, Any]) -> Any:
        """Return what the operation calls x, of the values by number."""
        return tuple(values[number] for number in self.inputs) if self.operation.takes_many else values[self.inputs[0]]


class Network:
    """The steps from some inputs to some outputs.

    Attributes
    ----------
    steps : list of Step
        Each after those that it takes something from.
    layers : list of Layer
        Each once; models are taken apart.
    inputs, outputs : tuple of int
        The numbers of values.
    """

    def __init__(self, steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self.steps, self.inputs, self.outputs = list(steps), tuple(inputs), tuple(outputs)
        self.layers = list(dict.fromkeys(layer for step in steps for layer in step.layers))
        #: The steps, by place, whose layers learn from what passes through them.
        self._observers = [(place, step.layers[0]) for place, step in enumerate(steps) if type(step.layers[0]).observe is not Layer.observe]
        #: The views that `backward` was last given, and for each step what it has to do with them.
        self._turns: tuple[Mapping[Layer, Gradients], list[_Turn]] | None = None
        last = {number: place for place, step in enumerate(steps) for number in (*step.inputs, step.output)}
        #: For each step, the values that nobody needs after it.
        self.done: list[list[int]] = [[] for _ in steps]
        for number, place in last.items():
            if number not in self.outputs:
                self.done[place].append(number)

    @classmethod
    def of(cls, graph: Graph) -> Network:
        """Return the network that a graph describes, a step for each layer, the models in it taken apart."""
        found: list[Step] = []
        counter = itertools.count()
        inputs = [next(counter) for _ in graph.inputs]
        return cls(found, inputs, _expand(graph, inputs, found, counter))

    def uses(self) -> Counter[int]:
        """Return how often each value is wanted, by steps and as an output."""
        return Counter(number for step in self.steps for number in step.inputs) + Counter(self.outputs)

    def fused(self, inference: bool = False) -> Network:
        """Return the network with those steps as one that can run as one.

        What is only for `inference` changes roundings: the weights of a convolution and of the batch normalization behind it become one.
        """
        network = self
        for merge in (fused.normalized, fused.activated, fused.PooledConv2D.of) if inference else (fused.PooledConv2D.of,):
            network = network._merged(merge)
        return network

    def _merged(self, merge: Callable[[Any, Any], Layer | None]) -> Network:
        """Return the network with those two steps as one of which `merge` makes one: the second stands where the two do."""
        uses, makers = self.uses(), {step.output: step for step in self.steps}
        merged: dict[int, Step] = {}
        gone: set[int] = set()
        for step in self.steps:
            first = makers.get(step.inputs[0])
            if first is None or len(step.inputs) != 1 or uses[first.output] != 1 or first.output in gone:
                continue
            standard = first.operation.is_standard and step.operation.is_standard
            pair = merge(first.operation, step.operation) if standard else None
            if pair is not None:
                gone.add(first.output)
                merged[step.output] = Step(pair, first.layers + step.layers, first.inputs, step.output)
        return Network([merged.get(step.output, step) for step in self.steps if step.output not in gone], self.inputs, self.outputs)

    def in_rows(
        self,
        kernels_of: Callable[[Step], Sequence[KernelStep] | None],
        row_of: Callable[[Sequence[Step], Sequence[KernelStep]], Layer | None],
    ) -> Network:
        """Return the network with those steps as one, made by `row_of`, that are kernels alone and follow on each other."""
        uses = self.uses()
        found: list[Step] = []
        row: list[Step] = []  # not among them yet, and the kernels that they are
        kernels: list[KernelStep] = []

        def close() -> None:
            nonlocal row, kernels
            operation = row_of(row, kernels) if kernels else None  # where steps only change shapes, they stay
            if operation is None:
                found.extend(row)
            else:
                layers = tuple(layer for step in row for layer in step.layers)
                found.append(Step(operation, layers, row[0].inputs, row[-1].output))
            row, kernels = [], []

        for step in self.steps:
            if row and not (step.inputs == (row[-1].output,) and uses[row[-1].output] == 1):
                close()
            steps = kernels_of(step) if step.operation.is_standard and not step.operation.takes_many else None
            if steps is None:
                close()
                found.append(step)
            else:
                row.append(step)
                kernels += steps
        close()
        return Network(found, self.inputs, self.outputs)

    def watched(self, watch: Callable[[Step], Any]) -> Network:
        """Return the network with what `watch` makes of each step in place of its operation."""
        steps = [step._replace(operation=watch(step)) for step in self.steps]
        return Network(steps, self.inputs, self.outputs)

    def split(self) -> tuple[Network, Network]:
        """Return the preprocessing that the network begins with, in a row, and the rest: one after the other, they are the network."""
        uses, count, number = self.uses(), 0, self.inputs[0]
        for step in self.steps if len(self.inputs) == 1 else ():
            if not step.layers[0].preprocessing or step.inputs != (number,) or uses[number] != 1:
                break
            count, number = count + 1, step.output
        between = (number,) if count else self.inputs
        return Network(self.steps[:count], self.inputs, between), Network(self.steps[count:], between, self.outputs)

    def without_final_activation(self, position: int) -> tuple[Network, ActivationFunction]:
        """Return the network, with the same weights, but for the activation that alone the output at `position` comes from; and that."""
        number = self.outputs[position]
        last = next((step for step in self.steps if step.output == number and self.uses()[number] == 1), None)
        if last is None or not isinstance(last.operation, ActivatedLayer) or not last.operation.is_standard:
            return self, LINEAR
        bare = last._replace(operation=last.operation.without_activation())
        return Network([bare if step is last else step for step in self.steps], self.inputs, self.outputs), last.operation.function

    def infer(self, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for the inputs `xs` in inference."""
        return self._run(xs, lambda step, x: step.operation.infer(x))

    def forward(self, xs: Sequence[np.ndarray], training: Draws | None = None) -> tuple[list[np.ndarray], list[Any]]:
        """Return the outputs for the inputs `xs`, and what `backward` needs to know."""
        caches = []

        def forward(step: Step, x: Any) -> np.ndarray:
            y, cache = step.operation.forward(x, None if training is None else training.at(step.output))
            caches.append(cache)
            return y

        return self._run(xs, forward), caches

    def _run(self, xs: Sequence[np.ndarray], compute: Callable[[Step, Any], np.ndarray]) -> list[np.ndarray]:
        values: dict[int, np.ndarray] = dict(zip(self.inputs, xs, strict=True))
        for step, done in zip(self.steps, self.done, strict=True):
            values[step.output] = compute(step, step.x_of(values))
            for number in done:
                del values[number]
        return [values[number] for number in self.outputs]

    def observe(self, caches: Sequence[Any]) -> list[tuple[Layer, Any]]:
        """Return what layers are to absorb after the training step that gave `caches`."""
        seen = ((layer, layer.observe(caches[place])) for place, layer in self._observers)
        return [(layer, observed) for layer, observed in seen if observed is not None]

    def backward(self, dys: Sequence[np.ndarray | None], caches: list[Any], views: Mapping[Layer, Gradients]) -> None:
        """Write the gradients of the weights into `views`, for the gradients of the outputs; `caches` are let go as they are used.

        Nothing is computed that no weight with a view depends on.
        """
        if self._turns is None or self._turns[0] is not views:
            self._turns = views, self._plan_turns(views)
        turns = self._turns[1]
        gradients: dict[int, np.ndarray] = {}
        own: set[int] = set()  # the gradients that are sums: an array that came from elsewhere is never written to

        def add(number: int, gradient: np.ndarray) -> None:
            if number in own:
                gradients[number] += gradient
            elif number in gradients:
                gradients[number] = gradients[number] + gradient
                own.add(number)
            else:
                gradients[number] = gradient

        for number, output_gradient in zip(self.outputs, dys, strict=True):
            if output_gradient is not None:
                add(number, output_gradient)
        written: set[Layer] = set()
        while caches:
            cache = caches.pop()
            step, learners, places, wanted, inputs = turns[len(caches)]
            dy = gradients.pop(step.output, None)
            if dy is None or not wanted:
                continue
            again = not written.isdisjoint(learners)
            dx, weight_gradients = step.operation.backward(dy, cache, bool(inputs), () if again else places)
            if weight_gradients is not places:
                _write(weight_gradients, places, again)
            written.update(learners)
            if inputs and dx is not None:
                for position, number in inputs:
                    part = dx[position] if step.operation.takes_many else dx
                    if part is not None:
                        add(number, part)
        if len(written) < len(views):
            for layer in views.keys() - written:  # its outputs lead to no loss
                _write((), views[layer], False)

    def _plan_turns(self, views: Mapping[Layer, Gradients]) -> list[_Turn]:
        """Return what each step has to do with gradients."""
        wanted: set[int] = set()  # the values that depend on weights with views
        turns = []
        for step in self.steps:
            learners = tuple(layer for layer in step.layers if layer in views)
            places = tuple(place for layer in learners for place in views[layer])
            inputs = [(position, number) for position, number in enumerate(step.inputs) if number in wanted]
            if learners or inputs:
                wanted.add(step.output)
            turns.append(_Turn(step, learners, places, step.output in wanted, inputs))
        return turns

    def shapes(self, inputs: Sequence[Shape]) -> dict[int, Shape]:
        """Return the shapes of all values, for those of the inputs."""
        shapes: dict[int, Any] = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            shapes[step.output] = step.operation.compute_output_shape(step.x_of(shapes))
        return shapes


class _Turn(NamedTuple):
    """A step in `backward`: its layers that learn, where their gradients go, and which inputs, by position and number, want one."""

    step: Step
    learners: tuple[Layer, ...]
    places: Gradients
    wanted: bool
    inputs: list[tuple[int, int]]


def _write(gradients: Gradients, places: Gradients, again: bool) -> None:
    """Bring a layer's gradients, or none, to their places; add them, if there are some from elsewhere already."""
    if again:
        for place, value in zip(places, gradients, strict=False):
            place += value
        return
    for place, value in zip(places, gradients, strict=False):
        if value is not place:
            np.copyto(place, value)
    for place in places[len(gradients) :]:  # of a layer that was frozen after all
        place.fill(0)


def _expand(graph: Graph, inputs: Sequence[int], found: list[Step], counter: Iterator[int]) -> list[int]:
    """Add the steps of `graph`, and of the models in it, for values `inputs`; return the values that are its outputs."""
    numbers: dict[Tensor, int] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        if isinstance(node.layer, InputLayer):
            continue
        sources = [numbers[tensor] for tensor in node.inputs]
        if node.layer.graph is not None:
            outputs = _expand(node.layer.graph, sources, found, counter)
        else:
            outputs = [next(counter)]
            found.append(Step(node.layer, (node.layer,), tuple(sources), outputs[0]))
        numbers.update(zip(node.outputs, outputs, strict=True))
    return [numbers[tensor] for tensor in graph.outputs]
