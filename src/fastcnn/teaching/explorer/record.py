"""What a network did with one input, as bytes for the page: what its layers are, every number that they gave, and gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn.graph import Graph
from fastcnn.layers.activations import Elementwise
from fastcnn.network import Network, Step
from fastcnn.teaching.explorer.kinds import Kind, kind_of
from fastcnn.teaching.explorer.pack import Pack
from fastcnn.teaching.explorer.parts import Part, parts_of

#: How many numbers a record may have in all: outputs, weights, gradients. A page of as many has 43 MB.
MAX_NUMBERS = 8_000_000
#: For how many classes a record has gradients: those of the highest scores.
MAX_CLASSES = 10

#: Activations that a class's score is taken before: behind them, gradients are next to nothing for a class that the network is sure of.
_SQUASHING = ("softmax", "sigmoid")


class Recorder:
    """Makes records of a model's runs.

    Parameters
    ----------
    graph : Graph
        With weights.
    class_names : sequence of str
        What the entries of the outputs are called; empty for numbers.

    Attributes
    ----------
    scores : int or None
        The number of the value (1, K) that is differentiated, where the first output is a vector.

    Raises
    ------
    ValueError
        If the layers give more than `MAX_NUMBERS` numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn import networks
    >>> from fastcnn.teaching.explorer.record import Recorder
    >>> recorder = Recorder(networks.mnist_network()._built_graph())
    >>> recorder.value_count, recorder.number_count
    (68484, 161678)
    """

    def __init__(self, graph: Graph, class_names: Sequence[str] = ()) -> None:
        self._class_names = list(class_names)
        network = Network.of(graph)
        self._names = [tensor.name for tensor in graph.inputs]
        self._inputs, self._outputs = network.inputs, network.outputs
        input_shapes = [tensor.shape for tensor in graph.inputs]
        self._parts = parts_of(network, input_shapes)
        self._steps = [step for part in self._parts for step in part.steps]
        self._shapes = Network(self._steps, network.inputs, network.outputs).shapes(input_shapes)
        #: How many numbers the layers give, and with those of the weights that records have.
        self.value_count = sum(math.prod(size or 1 for size in shape) for shape in self._shapes.values())
        if self.value_count > MAX_NUMBERS:
            raise ValueError(
                f"the model's layers must give at most {MAX_NUMBERS:,} numbers (explorer.MAX_NUMBERS) for one input, "
                f"got {self.value_count:,}; smaller inputs, or a model of its first layers, have fewer"
            )
        self.scores = self._find_scores()
        #: The values whose gradients the page shows: what layers give, and the scores.
        self._shown = {*self._inputs, *(part.output for part in self._parts), self.scores}
        self._weights = Pack()
        self._entries = self._describe()
        self.number_count = self.value_count + self._weights.count

    def _find_scores(self) -> int | None:
        output = self._outputs[0]
        if len(self._shapes[output]) != 2:
            return None
        maker = next((step for step in self._steps if step.output == output), None)
        if maker and isinstance(maker.operation, Elementwise) and maker.operation.function.name in _SQUASHING:
            return maker.inputs[0]
        return output

    # --- What the layers are -----------------------------------------------------------------------------------------------

    def description(self) -> bytes:
        """Return what the layers are, with those weights that there is room for, as a `Pack`."""
        return self._weights.to_bytes(
            {
                "classes": self._class_names,
                "output": self._outputs[0] if self.scores is not None else None,
                "scores": self.scores,
                "layers": self._entries,
            }
        )

    def _describe(self) -> list[dict[str, Any]]:
        """Return an entry for each input and each part; the smallest weights have the first claim to the room that outputs leave."""
        entries = [
            {"name": name, "type": "Input", "kind": "input", "inputs": [], "output": number, "shape": self._shapes[number][1:]}
            for name, number in zip(self._names, self._inputs, strict=True)
        ]
        arrays: list[tuple[dict[str, Any], str, np.ndarray]] = []
        for part in self._parts:
            entry = self._entry(part)
            kind = self._kind_of(part.linear)
            entry |= {"kind": kind.name, **kind.settings}
            arrays += [(entry, name, array) for name, array in kind.arrays.items()]
            entries.append(entry)
        room = MAX_NUMBERS - self.value_count
        for entry, name, array in sorted(arrays, key=lambda each: each[2].size):
            if array.size <= room - self._weights.count:
                entry[name] = self._weights.add(array)
            else:
                entry["left_out"] = [*entry.get("left_out", []), name]
        return entries

    def _entry(self, part: Part) -> dict[str, Any]:
        entry = {
            "name": part.name,
            "type": part.type,
            "inputs": part.linear.inputs,
            "output": part.output,
            "shape": self._shapes[part.output][1:],
        }
        if part.activation is not None:
            kind = self._kind_of(part.activation)
            entry |= {"linear": part.linear.output, "activation": {"kind": kind.name, **kind.settings}}
        return entry

    def _kind_of(self, step: Step) -> Kind:
        return kind_of(step.operation, step.x_of(self._shapes), self._shapes[step.output])

    # --- What they did ------------------------------------------------------------------------------------------------------

    def run(self, xs: Sequence[np.ndarray], classes: Sequence[int] | None = None, most: int = MAX_CLASSES) -> bytes:
        """Return, as a `Pack`, every number that the layers give for the inputs `xs`, and gradients.

        Parameters
        ----------
        xs : sequence of ndarray of float32, shape (1, ...)
            In the model's input shapes.
        classes : sequence of int, optional
            Those whose scores are differentiated; by default the `most` highest, or as many as there is room for.
        """
        values, caches = self.forward(xs)
        pack = Pack()
        head: dict[str, Any] = {"values": {number: pack.add(value[0]) for number, value in values.items()}, "gradients": []}
        for index in self._highest(values, most) if classes is None else classes:
            gradients = self.gradients(values, caches, index)
            of = {number: pack.add(gradient[0]) for number, gradient in gradients.items() if number in self._shown}
            if of:
                head["gradients"].append({"class": index, "values": of})
        return pack.to_bytes(head)

    def forward(self, xs: Sequence[np.ndarray]) -> tuple[dict[int, np.ndarray], list[Any]]:
        """Return all values by their numbers, and what `gradients` needs to know."""
        values: dict[int, np.ndarray] = dict(zip(self._inputs, xs, strict=True))
        caches = []
        for step in self._steps:
            values[step.output], cache = step.operation.forward(step.x_of(values))
            caches.append(cache)
        return values, caches

    def gradients(self, values: dict[int, np.ndarray], caches: Sequence[Any], index: int) -> dict[int, np.ndarray]:
        """Return the gradients of a class's score with regard to the values; none if a layer of one's own has no `backward`."""
        assert self.scores is not None
        score = np.zeros_like(values[self.scores])
        score[0, index] = 1
        found = {self.scores: score}
        for step, cache in zip(reversed(self._steps), reversed(caches), strict=True):
            if step.output not in found:
                continue
            try:
                dx, _ = step.operation.backward(found[step.output], cache, True, ())
            except NotImplementedError:
                return {}
            for number, part in zip(step.inputs, dx if step.operation.takes_many else (dx,), strict=True):
                found[number] = found[number] + part if number in found else part
        return found

    def _highest(self, values: dict[int, np.ndarray], most: int) -> list[int]:
        """Return the classes of the `most` highest scores, or as many as there is room for the gradients of."""
        if self.scores is None:
            return []
        room = (MAX_NUMBERS - self.number_count) // self.value_count
        return [int(index) for index in np.argsort(-values[self.scores][0], kind="stable")[: min(most, room)]]
