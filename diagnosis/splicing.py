"""Layers put into a model's graph, or taken out, as RFC 6902 patches of `model.layers`.

A layer without `inputs` takes the output of the entry before it, and so is spliced by its place in
the list alone. Where layers name their inputs, the names are changed with it. Operations that move
no entry come first, then insertions and removals from the end of the list to its beginning.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diagnosis.report import Patch
from diagnosis.run.network import Layer, Network, Node

Operation = Mapping[str, Any]


def insert_before(node: Node, layer: Layer) -> Patch:
    """A layer that takes what `node` took, and gives its output to `node`."""
    if node.layer.get("inputs") is None:
        return [_add(node.pointer, layer)]
    taken = {"inputs": list(node.layer["inputs"])}
    return [
        {"op": "remove", "path": f"{node.pointer}/inputs"},
        _add(node.pointer, {**layer, **taken}),
    ]


def insert_after(network: Network, nodes: Sequence[Node], layer: Layer) -> Patch:
    """After each of `nodes` such a layer, between it and those that take its output."""
    renamed: list[Operation] = []
    inserted: list[Operation] = []
    for node in sorted(nodes, key=lambda node: node.index, reverse=True):
        places = [*_named_at(network, node)]
        name = _unused(network, f"{node.layer.get('name')}_{str(layer['type']).lower()}")
        renamed += [{"op": "replace", "path": place, "value": name} for place in places]
        new = {**layer, "name": name} if places else layer
        inserted.append(_add(f"/model/layers/{node.index + 1}", new))
    return [*renamed, *inserted]


def append(network: Network, layer: Layer) -> Patch:
    """A layer behind the output, whose output is the model's then."""
    output = network.output
    if output.index == len(network.layers) - 1 and not network.named:
        return [_add("/model/layers/-", layer)]
    return insert_after(network, [output], layer)


def take_out(network: Network, nodes: Sequence[Node]) -> Patch:
    """Those that took a node's output take what it took.

    Where names lead to or from it, a linear activation takes its place, which changes nothing.
    """
    kept: list[Operation] = []
    gone: list[Operation] = []
    for node in sorted(nodes, key=lambda node: node.index, reverse=True):
        if _is_simple(network, node):
            gone.append({"op": "remove", "path": node.pointer})
        else:
            wires = {key: node.layer[key] for key in ("name", "inputs") if node.layer.get(key)}
            linear = {"type": "Activation", "activation": "linear", **wires}
            kept.append({"op": "replace", "path": node.pointer, "value": linear})
    return [*kept, *gone]


def _is_simple(network: Network, node: Node) -> bool:
    """Whether the next entry, if any, takes the output, and the one before gives the input."""
    named = node.layer.get("inputs") is not None or any(_named_at(network, node))
    before = [network.graph[index] for index in node.inputs]
    return not named and all(len(network.graph.consumers(each)) == 1 for each in before)


def _named_at(network: Network, node: Node) -> Iterator[str]:
    """Pointers to where the output of `node` is asked for by name."""
    name = node.layer.get("name")
    if name is None:
        return
    for consumer in network.graph.consumers(node):
        inputs = network.layers[consumer.index].get("inputs") or ()
        for number, taken in enumerate(inputs):
            if taken == name:
                yield f"{consumer.pointer}/inputs/{number}"
    for number, output in enumerate(network.named):
        if output == name:
            yield f"/model/outputs/{number}"


def _unused(network: Network, wanted: str) -> str:
    names = {layer.get("name") for layer in network.layers}
    number, found = 1, wanted
    while found in names:
        number, found = number + 1, f"{wanted}_{number}"
    return found


def _add(pointer: str, value: Any) -> Operation:
    return {"op": "add", "path": pointer, "value": value}
