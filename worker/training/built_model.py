"""A Keras model by the nodes of the graph that it was built from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.experiment.graph import Graph, Node
from contract.experiment.layers.core import Input
from contract.experiment.layers.layer import Layer


@dataclass(frozen=True)
class BuiltModel:
    """`keras` is the `keras.Model`; `layers` are its Keras layers by the indices of the nodes that
    own them."""

    graph: Graph[Layer]
    keras: Any
    layers: Mapping[int, Any]


def values(
    graph: Graph[Layer], x: Any, apply: Callable[[Node[Layer], Sequence[Any]], Any]
) -> dict[int, Any]:
    """What each node gives for the inputs `x`, by index.

    `apply` is told a node and what its Keras layer is called with: a list where it merges several.
    """
    found: dict[int, Any] = {}
    for node in graph.nodes:
        if isinstance(node.layer, Input):
            found[node.index] = x
            continue
        taken = [found[index] for index in node.inputs] or [x]
        together = node.layer.merges and not node.layer.takes_apart
        found[node.index] = apply(node, [taken] if together else taken)
    return found


def told(layer: Layer) -> dict[str, Any]:
    """The arguments that its Keras layer is called with beside its inputs."""
    return {name: getattr(layer, name) for name in layer.call_arguments}
