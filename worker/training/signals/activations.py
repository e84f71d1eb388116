"""Where activations stop to pass gradients on, and which node's activation follows which node."""

from dataclasses import dataclass
from math import inf

from contract.experiment.graph import Graph, Node
from contract.experiment.layers.layer import Layer


@dataclass(frozen=True)
class Station:
    """Node `index` has weights; its pre-activations enter the activation of node `at`."""

    index: int
    at: int
    activation: str


@dataclass(frozen=True)
class Limits:
    """Pre-activations at which an activation's derivative vanishes: at or beyond `dead` it is 0 in
    float32, at or beyond `flat` under a hundredth of its largest value. Infinite means nowhere.
    """

    dead: tuple[float, float]
    flat: tuple[float, float]


# The derivative's own zero within the bend of gelu, mish and silu is a point, not a region.
LIMITS = {
    "elu": Limits((-17.33, inf), (-4.6052, inf)),
    "gelu": Limits((-13.22, inf), (-3.022, inf)),
    "hard_sigmoid": Limits((-3.0, 3.0), (-3.0, 3.0)),
    "leaky_relu": Limits((-inf, inf), (-inf, inf)),
    "mish": Limits((-87.34, inf), (-6.159, inf)),
    "relu": Limits((0.0, inf), (0.0, inf)),
    "relu6": Limits((0.0, 6.0), (0.0, 6.0)),
    "selu": Limits((-17.33, inf), (-4.6053, inf)),
    "sigmoid": Limits((-87.34, 16.64), (-5.987, 5.987)),
    "silu": Limits((-87.34, inf), (-6.143, inf)),
    "softplus": Limits((-87.34, inf), (-4.596, inf)),
    "softsign": Limits((-inf, inf), (-9.0, 9.0)),
    "swish": Limits((-87.34, inf), (-6.143, inf)),
    "tanh": Limits((-7.91, 7.91), (-2.9933, 2.9933)),
}


def stations(graph: Graph[Layer]) -> list[Station]:
    """The nodes with units, each with its own activation or that of a node after it."""
    return [_station(graph, node) for node in graph.nodes if node.layer.has_units]


def _station(graph: Graph[Layer], node: Node[Layer]) -> Station:
    if node.layer.applied == "linear":
        following = graph.consumers(node)
        while len(following) == 1:  # what goes several ways enters no one activation
            (at,) = following
            if at.layer.activates:
                return Station(node.index, at.index, at.layer.applied)
            if not at.layer.keeps_units:
                break
            following = graph.consumers(at)
    return Station(node.index, node.index, node.layer.applied)
