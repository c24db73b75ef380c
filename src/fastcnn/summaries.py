"""The table of a model's layers."""

from __future__ import annotations

from collections.abc import Mapping

from fastcnn.graph import Graph
from fastcnn.layers.base import Layer


def summary_lines(name: str, graph: Graph, keyed: Mapping[str, Layer]) -> list[str]:
    """Return a row for each of the layers, by name, with its output shape, its parameters and, in networks with branches, its sources."""
    keys = {layer: key for key, layer in keyed.items()}
    first = {layer: next(node for node in graph.nodes if node.layer is layer) for layer in keyed.values()}
    branches = any(len(node.inputs) > 1 for node in graph.nodes) or len(graph.outputs) > 1
    rows = [("Layer (type)", "Output shape", "Params", "Takes")]
    for layer, key in keys.items():
        node = first[layer]
        shapes = ", ".join(str(tensor.shape) for tensor in node.outputs)
        sources = ", ".join(keys.get(tensor.node.layer, tensor.name) for tensor in node.inputs)
        rows.append((f"{key} ({type(layer).__name__})", shapes, f"{layer.count_params():,}", sources))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), *([row[3]] if branches else [])]
        lines.append("  ".join(cells).rstrip())
    rule = "─" * max(map(len, lines))
    total = sum(layer.count_params() for layer in keyed.values())
    trainable = sum(_trainable_params(layer) for layer in keyed.values())
    counts = (("Total", total), ("Trainable", trainable), ("Non-trainable", total - trainable))
    totals = [f"{kind} params: {count:,} ({4 * count / 1024:,.2f} KB)" for kind, count in counts]
    return [f'Model: "{name}"', lines[0], rule, *lines[1:], rule, *totals]


def _trainable_params(layer: Layer) -> int:
    if layer.graph is not None:
        return sum(map(_trainable_params, layer.graph.layers))
    return sum(layer.weights[name].size for name in layer.trainable_names)
