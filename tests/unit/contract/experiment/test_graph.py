"""What a graph says of its nodes: of a chain, and of branches that meet again."""

from collections.abc import Sequence

from contract.experiment.graph import Graph, Node, graph_of

# a feeds b and d; b feeds c; c and d meet in e, whose output is the model's. f is another output.
NAMES = ["a", "b", "c", "d", "e", "f"]
INPUTS: list[tuple[int, ...]] = [(), (0,), (1,), (0,), (2, 3), (1,)]
BRANCHES = Graph(
    [Node(at, name, inputs) for at, (name, inputs) in enumerate(zip(NAMES, INPUTS, strict=True))],
    (4, 5),
)


def names(nodes: Sequence[Node[str]]) -> str:
    return "".join(node.layer for node in nodes)


def test_in_a_list_each_layer_takes_the_output_of_the_one_before_it() -> None:
    chain = graph_of(["a", "b", "c"])
    assert [node.inputs for node in chain.nodes] == [(), (0,), (1,)]
    assert chain.outputs == (2,)
    assert chain.is_chain
    assert names(chain.consumers(chain[1])) == "c"
    assert names(chain.downstream(chain[0])) == "bc"
    assert names(chain.upstream(chain[2])) == "ab"
    assert chain[1].pointer == "/model/layers/1"
    assert graph_of(["a"]).is_chain


def test_branches_are_followed_each_on_its_own() -> None:
    assert not BRANCHES.is_chain
    assert names(BRANCHES.consumers(BRANCHES[0])) == "bd"
    assert names(BRANCHES.downstream(BRANCHES[1])) == "cef"
    assert names(BRANCHES.downstream(BRANCHES[3])) == "e"
    assert names(BRANCHES.upstream(BRANCHES[5])) == "ab"
    assert names(BRANCHES.upstream(BRANCHES[4])) == "abcd"


def test_what_is_behind_a_barrier_is_reached_by_another_way_alone() -> None:
    def is_c(node: Node[str]) -> bool:
        return node.layer == "c"

    assert names(BRANCHES.downstream(BRANCHES[1], until=is_c)) == "f"
    assert names(BRANCHES.downstream(BRANCHES[0], until=is_c)) == "bdef"


def test_a_chain_in_another_order_or_with_another_output_is_none() -> None:
    first, second = Node(0, "a"), Node(1, "b", (0,))
    assert not Graph([first, second], (0,)).is_chain
    assert not Graph([first, Node(1, "b")], (1,)).is_chain


def test_the_order_of_nodes_need_not_be_that_of_their_places() -> None:
    graph = Graph([Node(1, "b"), Node(0, "a", (1,))], (0,))
    assert graph.is_chain
    assert names(graph.downstream(graph[1])) == "a"
    assert names(graph.upstream(graph[0])) == "b"
