"""Which layers are given the dataset's own numbers, and whether these need ever become floats."""

from collections.abc import Sequence

from contract.experiment.graph import Graph, Node
from contract.experiment.layers.layer import Layer


def takers(graph: Graph[Layer]) -> Sequence[Node[Layer]]:
    """The nodes that work with the dataset's numbers, past those that only move them."""
    moved: set[int] = set()
    found = []
    for node in graph.nodes:
        if node.inputs and moved.isdisjoint(node.inputs):
            continue
        if node.layer.moves and moved.issuperset(node.inputs):
            moved.add(node.index)
        else:
            found.append(node)
    return found


def takes_whole_numbers(graph: Graph[Layer]) -> bool:
    """Whether all that is done with the dataset's numbers is to look them up.

    A float of 16 bits has not each whole number above 256, one of 32 bits not each above 2^24.
    """
    found = takers(graph)
    return bool(found) and all(node.layer.looks_up for node in found)
