"""Patches that splice layers into a graph: what each layer is fed with, before and after."""

from collections.abc import Mapping
from typing import Any

import jsonpatch
import pytest

from diagnosis.run.network import Network
from diagnosis.splicing import append, insert_after, insert_before, take_out

Json = dict[str, Any]


def dense(name: str | None = None, *inputs: str) -> Json:
    layer: Json = {"type": "Dense", "units": 4, "kernel_initializer": "zeros"}
    return layer | ({"name": name} if name else {}) | ({"inputs": [*inputs]} if inputs else {})


CHAIN = [dense(), {"type": "Clip", "x_min": 0, "x_max": 1}, dense()]
# a feeds b and c, which meet in the third; d is the model's output, though it stands first.
BRANCHES = [
    dense("d", "sum"),
    {"type": "Input", "name": "x"},
    dense("a"),
    dense("b"),
    dense("c", "a"),
    {"type": "Add", "name": "sum", "inputs": ["b", "c"]},
]


def network(layers: list[Json], *named: str) -> Network:
    return Network(layers, named)


def fed(before: Network, patch: Any) -> Mapping[str, list[str]]:
    """By what each layer is called after the patch, what feeds it."""
    document = {"model": {"layers": list(before.layers), "outputs": list(before.named)}}
    model = jsonpatch.apply_patch(document, list(patch))["model"]
    after = Network(model["layers"], model["outputs"])
    called = {node.index: _called(node.layer, node.index) for node in after.nodes}
    found = {called[node.index]: [called[i] for i in node.inputs] for node in after.nodes}
    return found | {"output": [called[index] for index in after.graph.outputs]}


def _called(layer: Mapping[str, Any], index: int) -> str:
    return str(layer.get("name") or f"{layer['type']}{index}")


def test_a_chain_is_spliced_by_place() -> None:
    chain = network(CHAIN)
    patch = insert_after(chain, [chain.nodes[0], chain.nodes[2]], {"type": "Dropout", "rate": 0.5})
    assert [operation["path"] for operation in patch] == ["/model/layers/3", "/model/layers/1"]
    assert fed(chain, patch) == {
        "Dense0": [],
        "Dropout1": ["Dense0"],
        "Clip2": ["Dropout1"],
        "Dense3": ["Clip2"],
        "Dropout4": ["Dense3"],
        "output": ["Dropout4"],
    }
    assert fed(chain, take_out(chain, [chain.nodes[1]]))["Dense1"] == ["Dense0"]
    assert fed(chain, append(chain, {"type": "ReLU"}))["output"] == ["ReLU3"]


def test_who_took_the_output_takes_the_new_layers() -> None:
    branches = network(BRANCHES)
    a = next(node for node in branches.nodes if node.layer.get("name") == "a")
    found = fed(branches, insert_after(branches, [a], {"type": "ReLU"}))
    assert (found["a_relu"], found["b"], found["c"]) == (["a"], ["a_relu"], ["a_relu"])
    assert (found["sum"], found["output"]) == (["b", "c"], ["d"])


def test_what_a_layer_took_the_new_one_takes() -> None:
    branches = network(BRANCHES)
    c = next(node for node in branches.nodes if node.layer.get("name") == "c")
    found = fed(branches, insert_before(c, {"type": "ReLU"}))
    assert (found["ReLU4"], found["c"], found["b"]) == (["a"], ["ReLU4"], ["a"])


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_what_names_lead_to_or_from_becomes_linear(name: str) -> None:
    branches = network(BRANCHES)
    node = next(node for node in branches.nodes if node.layer.get("name") == name)
    patch = take_out(branches, [node])
    assert patch[0]["value"]["activation"] == "linear"
    assert fed(branches, patch) == fed(branches, [])


@pytest.mark.parametrize("named", [(), ("d",)])
def test_the_output_need_not_be_the_last(named: tuple[str, ...]) -> None:
    branches = network(BRANCHES, *named)
    [(output, source)] = [
        (output, found[output])
        for found in [fed(branches, append(branches, {"type": "ReLU"}))]
        for output in found["output"]
    ]
    assert (output[:1], source) == ("R" if not named else "d", ["d"])
