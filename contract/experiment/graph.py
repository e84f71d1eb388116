"""A model as a graph: its layers, and whose output each of them takes.

Nothing here knows what a layer is: the contract's graphs hold `Layer`s, the diagnosis' hold what a
stored spec says of them. Nothing is imported, so that the diagnosis may use it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

L = TypeVar("L")


@dataclass(frozen=True)
class Node(Generic[L]):
    """A layer in its place.

    `index` is its place in `model.layers`. `inputs` are the indices of the nodes whose outputs it
    takes; a node without any takes the dataset's inputs.
    """

    index: int
    layer: L
    inputs: tuple[int, ...] = ()

    @property
    def pointer(self) -> str:
        """Where the experiment describes the layer: a JSON pointer."""
        return f"/model/layers/{self.index}"


@dataclass(frozen=True)
class Graph(Generic[L]):
    """`nodes` stand behind those whose outputs they take; `outputs` are indices of nodes."""

    nodes: Sequence[Node[L]]
    outputs: tuple[int, ...]

    def __getitem__(self, index: int) -> Node[L]:
        return self._by_index[index]

    @property
    def is_chain(self) -> bool:
        """Whether each node takes the output of the one before it, and the model gives the last."""
        before = [(), *((node.index,) for node in self.nodes)]
        return [node.inputs for node in self.nodes] == before[:-1] and (self.outputs == before[-1])

    def consumers(self, node: Node[L]) -> Sequence[Node[L]]:
        """The nodes that take the output of `node`."""
        return self._consumers[node.index]

    def downstream(
        self, node: Node[L], until: Callable[[Node[L]], bool] = lambda _: False
    ) -> Sequence[Node[L]]:
        """The nodes that `node` leads to, but not through one that `until` holds for, nor to it."""
        reached = {node.index}
        found = []
        for other in self._behind(node):
            if reached.intersection(other.inputs) and not until(other):
                reached.add(other.index)
                found.append(other)
        return found

    def upstream(self, node: Node[L]) -> Sequence[Node[L]]:
        """The nodes that lead to `node`."""
        wanted = set(node.inputs)
        found = []
        for other in reversed(self.nodes):
            if other.index in wanted:
                wanted.update(other.inputs)
                found.append(other)
        return found[::-1]

    def _behind(self, node: Node[L]) -> Iterator[Node[L]]:
        nodes = iter(self.nodes)
        for other in nodes:
            if other.index == node.index:
                break
        return nodes

    @cached_property
    def _by_index(self) -> dict[int, Node[L]]:
        return {node.index: node for node in self.nodes}

    @cached_property
    def _consumers(self) -> dict[int, list[Node[L]]]:
        found: dict[int, list[Node[L]]] = {node.index: [] for node in self.nodes}
        for node in self.nodes:
            for index in dict.fromkeys(node.inputs):
                found[index].append(node)
        return found


def graph_of(layers: Sequence[L]) -> Graph[L]:
    """That of a list of layers, at least one: each takes the output of the one before it."""
    nodes = [
        Node(index, layer, (index - 1,) if index else ()) for index, layer in enumerate(layers)
    ]
    return Graph(nodes, (nodes[-1].index,))
