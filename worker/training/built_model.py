"""A Keras model by the nodes of the graph that it was built from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contract.experiment.graph import Graph, Node
from contract.experiment.layers.layer import Layer


@dataclass(frozen=True)
class BuiltModel:
    """`keras` is the `keras.Model`; `layers` are its Keras layers by the indices of the nodes."""

    graph: Graph[Layer]
    keras: Any
    layers: Mapping[int, Any]


def values(graph: Graph[Layer], x: Any, apply: Callable[[Node[Layer], Any], Any]) -> dict[int, Any]:
    """What each node gives for the inputs `x`, by index; `apply` is told a node and what it takes.

    That is a list where it takes several.
    """
    found: dict[int, Any] = {}
    for node in graph.nodes:
        taken = [found[index] for index in node.inputs] or [x]
        found[node.index] = apply(node, taken[0] if len(taken) == 1 else taken)
    return found
