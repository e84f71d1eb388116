"""A spec's graph read as a network: nodes with kernels, what follows each, and the head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from contract.experiment import graph
from diagnosis.report import Patch

Layer = Mapping[str, Any]
Node: TypeAlias = graph.Node[Layer]

# What Keras calls the argument that draws a layer's kernel, the last one's where it has two; and
# the argument that says how wide it is. A layer is known by these, not by its own name.
_KERNELS = ("kernel_initializer", "pointwise_initializer", "depthwise_initializer")
_WIDTHS = ("units", "filters")
NORMALIZATIONS = ("BatchNormalization", "LayerNormalization")
# Their derivative is 0 where the input is below 0.
RECTIFIERS = ("relu", "relu6")
# Their derivative goes to 0 on both sides.
SATURATING = ("sigmoid", "tanh", "hard_sigmoid", "softsign", "softmax")


@dataclass(frozen=True)
class Block:
    """A `node` with a kernel, and those that it leads to before the next kernel, `followers`.

    `activation` is its own, or else that of the first follower which applies one; `activated_at` is
    the node that applies it.
    """

    node: Node
    followers: Sequence[Node]

    @property
    def index(self) -> int:
        return self.node.index

    @property
    def layer(self) -> Layer:
        return self.node.layer

    @property
    def width(self) -> int | None:
        """Units or filters; None for a DepthwiseConv2D, which keeps what it is given."""
        return self.layer.get(self.width_argument)

    @property
    def width_argument(self) -> str:
        """The name of the argument that says how wide it is; empty where it has none."""
        return next((name for name in _WIDTHS if name in self.layer), "")

    @property
    def activated_at(self) -> Node:
        """The node that applies the activation; its own, where there is none."""
        if _applied(self.layer) != "linear":
            return self.node
        found = (node for node in self.followers if _applied(node.layer) != "linear")
        return next(found, self.node)

    @property
    def activation(self) -> str:
        """What is applied, `linear` where nothing is."""
        return _applied(self.activated_at.layer)

    def activated_by(self, kind: str) -> Patch:
        """Apply another activation, where the present one is applied."""
        at = self.activated_at
        if "applies" in at.layer and "activation" not in at.layer:
            other = {"type": "Activation", "activation": kind}
            return [{"op": "replace", "path": at.pointer, "value": other}]
        return [{"op": "add", "path": f"{at.pointer}/activation", "value": kind}]

    @property
    def initializer(self) -> Any:
        """The kernel's: a name, or an object with its arguments."""
        return self.layer.get(self.kernel, "glorot_uniform")

    @property
    def kernel(self) -> str:
        """The name of the argument that draws the kernel."""
        return next(name for name in _KERNELS if name in self.layer)

    @property
    def is_recurrent(self) -> bool:
        """Whether its activation bounds what goes from step to step, as it should."""
        return "recurrent_initializer" in self.layer

    @property
    def normalized(self) -> bool:
        """Whether a normalization follows before the next kernel."""
        return any(node.layer.get("type") in NORMALIZATIONS for node in self.followers)


@dataclass(frozen=True)
class Network:
    """`layers` are those of `model.layers` with their defaults, `named` is `model.outputs`."""

    layers: Sequence[Layer]
    named: Sequence[str] = ()

    @cached_property
    def graph(self) -> graph.Graph[Layer]:
        return graph.graph_of([_entry(layer) for layer in self.layers], self.named)

    @property
    def nodes(self) -> Sequence[Node]:
        return self.graph.nodes

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """All nodes with kernels, in order."""
        return [
            Block(node, self.graph.downstream(node, until=_has_kernel))
            for node in self.nodes
            if _has_kernel(node)
        ]

    @cached_property
    def hidden(self) -> Sequence[Block]:
        """The blocks that lead to another kernel."""
        return [block for block in self.blocks if self._leads_on(block)]

    @cached_property
    def head(self) -> Block | None:
        """The block whose numbers are answered; None where there is no kernel, or several are, or
        it is within a wrapper."""
        last = [block for block in self.blocks if not self._leads_on(block)]
        wrapped = any("layer" in node.layer for block in last for node in block.followers)
        return last[0] if len(last) == 1 and not wrapped else None

    @property
    def output(self) -> Node:
        """The node whose output is the model's, the first of several."""
        return self.graph[self.graph.outputs[0]]

    @cached_property
    def before(self) -> Sequence[Node]:
        """What the inputs pass on their way to the first kernels."""
        found, behind = [], set[int]()
        for node in self.nodes:
            if _has_kernel(node) or not behind.isdisjoint(node.inputs):
                behind.add(node.index)
            else:
                found.append(node)
        return found

    def _leads_on(self, block: Block) -> bool:
        return block.node.index in self._leading

    @cached_property
    def _leading(self) -> set[int]:
        """The nodes that lead to a kernel: found in one pass, as a model may have 1,000 layers."""
        found = set[int]()
        for node in reversed(self.nodes):
            after = self.graph.consumers(node)
            if any(_has_kernel(other) or other.index in found for other in after):
                found.add(node.index)
        return found

    @property
    def output_activation(self) -> str:
        """The last one that is applied to the head's numbers."""
        if self.head is None:
            return "linear"
        own = [node.layer for node in self.head.followers if _applied(node.layer) != "linear"]
        return _applied(own[-1] if own else self.head.layer)

    @property
    def outputs(self) -> int | None:
        """Numbers that the model gives, where the head is Dense and nothing reshapes it."""
        head = self.head
        return head.width if head is not None and head.layer["type"] == "Dense" else None

    @property
    def normalizes_inputs(self) -> bool:
        """Whether the inputs are brought to a common scale before the first kernel, or only name
        rows of weights, which have one."""
        return any(
            node.layer.get("type") in NORMALIZATIONS or "embeddings_initializer" in node.layer
            for node in self.before
        )

    def of_type(self, *types: str) -> Sequence[Node]:
        """All nodes whose layers are of these types."""
        return [node for node in self.nodes if node.layer.get("type") in types]


def _entry(layer: Layer) -> graph.Entry[Layer]:
    again = None if "type" in layer else layer["layer"]
    return graph.Entry(
        None if again else layer,
        layer.get("name"),
        layer.get("inputs"),
        is_input=layer.get("type") == "Input",
        again=again,
    )


def is_activation(layer: Layer) -> bool:
    """Whether the layer is an activation, be it a linear one, and nothing else."""
    return "applies" in layer or layer.get("type") == "Activation"


def _has_kernel(node: Node) -> bool:
    # Attention has several, none of which enters an activation.
    attends = "use_causal_mask" in node.layer
    return not attends and any(name in node.layer for name in _KERNELS)


def _applied(layer: Layer) -> str:
    """The activation, by Keras' name: what the layer `applies`, or else its argument."""
    return str(layer.get("applies") or layer.get("activation", "linear"))
