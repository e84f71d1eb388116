"""A model as a graph: its layers, and whose output each of them takes.

Nothing here knows what a layer is: the contract's graphs hold `Layer`s, the diagnosis' hold what a
stored spec says of them. Nothing of the contract is imported, so that the diagnosis may use it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Generic, TypeVar

L = TypeVar("L")


class GraphFault(Exception):
    """The entries of `model.layers` make no graph; `pointer` is the place in the experiment."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


@dataclass(frozen=True)
class Entry(Generic[L]):
    """What an element of `model.layers` says of its place in the graph.

    `inputs` are names; None is the entry before it, or the dataset where `is_input` holds or there
    is none before it. `again` is the name of the entry whose layer is used once more: `layer` is
    None then.
    """

    layer: L | None
    name: str | None = None
    inputs: Sequence[str] | None = None
    is_input: bool = False
    again: str | None = None


@dataclass(frozen=True)
class Node(Generic[L]):
    """A layer in its place.

    `index` is its place in `model.layers`. `inputs` are the indices of the nodes whose outputs it
    takes; a node without any takes the dataset's inputs. `again` is the index of the node whose
    layer, with its weights, is used here once more.
    """

    index: int
    layer: L
    inputs: tuple[int, ...] = ()
    again: int | None = None

    @property
    def pointer(self) -> str:
        """Where the experiment describes the layer: a JSON pointer."""
        return _pointer(self.index)

    @property
    def owner(self) -> int:
        """The index of the node to which the layer belongs."""
        return self.index if self.again is None else self.again

    @property
    def is_owner(self) -> bool:
        return self.again is None


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
        alone = all(node.is_owner for node in self.nodes)
        return (
            alone
            and [node.inputs for node in self.nodes] == before[:-1]
            and (self.outputs == before[-1])
        )

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


def graph_of(entries: Sequence[Entry[L]], outputs: Sequence[str] = ()) -> Graph[L]:
    """The graph that `model.layers` says; `outputs` are the names of those in `model.outputs`.

    Without names of outputs the output is that of the one node which no other takes. Raises
    GraphFault for a name that is unknown or there twice, for a ring, and for an output that leads
    nowhere.
    """
    places = _places(entries)
    nodes = [_node(index, entries, places) for index in range(len(entries))]
    ordered = _ordered(nodes)
    return Graph(ordered, _outputs(ordered, entries, places, outputs))


def _places(entries: Sequence[Entry[L]]) -> dict[str, int]:
    """The indices of the names."""
    places: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.name is None:
            continue
        if entry.name in places:
            raise GraphFault(
                f"{_pointer(index)}/name",
                f"layer {places[entry.name]} has the name {entry.name} already: each name may be "
                f"there once",
            )
        places[entry.name] = index
    return places


def _node(index: int, entries: Sequence[Entry[L]], places: dict[str, int]) -> Node[L]:
    entry, at = entries[index], _pointer(index)
    owner = index
    if entry.again is not None:
        owner = _place(entry.again, places, f"{at}/layer")
        if entries[owner].again is not None or entries[owner].is_input:
            raise GraphFault(
                f"{at}/layer", f"{entry.again} is no layer of its own: name one that has a type"
            )
    if entry.inputs is not None:
        inputs = tuple(
            _place(name, places, f"{at}/inputs/{number}")
            for number, name in enumerate(entry.inputs)
        )
    else:
        inputs = () if entry.is_input or index == 0 else (index - 1,)
    layer = entries[owner].layer
    assert layer is not None  # only an entry that uses another's layer has none
    return Node(index, layer, inputs, None if owner == index else owner)


def _place(name: str, places: dict[str, int], pointer: str) -> int:
    if name in places:
        return places[name]
    known = ", ".join(list(places)[:20]) or "no layer has a name"
    raise GraphFault(pointer, f"no layer has the name {name}; there are: {known}")


def _ordered(nodes: Sequence[Node[L]]) -> Sequence[Node[L]]:
    """Each behind those that it takes from; in the order of the list where that is one."""
    waiting = {node.index: len(set(node.inputs)) for node in nodes}
    followers: dict[int, list[int]] = {node.index: [] for node in nodes}
    for node in nodes:
        for index in set(node.inputs):
            followers[index].append(node.index)
    ready = [index for index, left in waiting.items() if not left]
    found = []
    while ready:
        node = nodes[heappop(ready)]
        found.append(node)
        for index in followers[node.index]:
            waiting[index] -= 1
            if not waiting[index]:
                heappush(ready, index)
    if len(found) < len(nodes):
        ring = min(index for index, left in waiting.items() if left)
        raise GraphFault(
            f"{_pointer(ring)}/inputs",
            f"layer {ring} would wait for its own output, or for that of such a ring: take one of "
            f"the inputs out",
        )
    return found


def _outputs(
    nodes: Sequence[Node[L]],
    entries: Sequence[Entry[L]],
    places: dict[str, int],
    named: Sequence[str],
) -> tuple[int, ...]:
    found = tuple(
        _place(name, places, f"/model/outputs/{number}") for number, name in enumerate(named)
    )
    taken = {index for node in nodes for index in node.inputs}
    ends = [node.index for node in nodes if node.index not in taken]
    lost = [index for index in sorted(ends) if index not in found]
    if not found and len(ends) == 1:
        return (ends[0],)
    if lost:
        several = ", ".join(entries[index].name or f"layer {index}" for index in lost)
        raise GraphFault(
            _pointer(lost[0]),
            f"no layer takes the output of {several}: name it in another layer's inputs, or in "
            f"model.outputs",
        )
    return found


def _pointer(index: int) -> str:
    return f"/model/layers/{index}"
