"""A spec's layers read as a network: layers with kernels, what follows each, and the head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diagnosis.report import Patch

Layer = Mapping[str, Any]

# The argument that says how wide a layer with a kernel is, and the one that draws the kernel.
WIDTHS = {"Dense": "units", "Conv2D": "filters", "SeparableConv2D": "filters"}
KERNELS = {
    "Dense": "kernel_initializer",
    "Conv2D": "kernel_initializer",
    "DepthwiseConv2D": "depthwise_initializer",
    "SeparableConv2D": "pointwise_initializer",
}
NORMALIZATIONS = ("BatchNormalization", "LayerNormalization")
# Their derivative is 0 where the input is below 0.
RECTIFIERS = ("relu", "relu6")
# Their derivative goes to 0 on both sides.
SATURATING = ("sigmoid", "tanh", "hard_sigmoid", "softsign", "softmax")


@dataclass(frozen=True)
class Block:
    """A layer with a kernel at `index`, and those up to the next one, `followers`.

    `activation` is its own, or else that of the first follower which applies one; `activated_at` is
    the index of the layer that applies it.
    """

    index: int
    layer: Layer
    followers: Sequence[tuple[int, Layer]]

    @property
    def width(self) -> int | None:
        """Units or filters; None for a DepthwiseConv2D, which keeps what it is given."""
        name = WIDTHS.get(str(self.layer.get("type")))
        return self.layer.get(name) if name else None

    @property
    def activated_at(self) -> int:
        if _applied(self.layer) != "linear":
            return self.index
        found = (at for at, layer in self.followers if _activates(layer))
        return next(found, self.index)

    @property
    def activation(self) -> str:
        layers = {self.index: self.layer, **dict(self.followers)}
        return _applied(layers[self.activated_at])

    def activated_by(self, kind: str) -> Patch:
        """Apply another activation, where the present one is applied."""
        at = self.activated_at
        layer = {self.index: self.layer, **dict(self.followers)}[at]
        if "applies" in layer and "activation" not in layer:
            other = {"type": "Activation", "activation": kind}
            return [{"op": "replace", "path": f"/model/layers/{at}", "value": other}]
        return [{"op": "add", "path": f"/model/layers/{at}/activation", "value": kind}]

    @property
    def initializer(self) -> Any:
        return self.layer.get(self.kernel, "glorot_uniform")

    @property
    def kernel(self) -> str:
        """The name of the argument that draws the kernel."""
        return KERNELS[str(self.layer["type"])]

    @property
    def normalized(self) -> bool:
        """Whether a normalization follows before the next kernel."""
        return any(layer.get("type") in NORMALIZATIONS for _, layer in self.followers)


@dataclass(frozen=True)
class Network:
    """`layers` are those of `model.layers` with their defaults."""

    layers: Sequence[Layer]

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """All layers with kernels, in order."""
        starts = [at for at, layer in enumerate(self.layers) if layer.get("type") in KERNELS]
        ends = [*starts[1:], len(self.layers)]
        return [
            Block(start, self.layers[start], list(enumerate(self.layers))[start + 1 : end])
            for start, end in zip(starts, ends, strict=False)
        ]

    @property
    def hidden(self) -> Sequence[Block]:
        return self.blocks[:-1]

    @property
    def head(self) -> Block | None:
        return self.blocks[-1] if self.blocks else None

    @property
    def before(self) -> Sequence[tuple[int, Layer]]:
        """What the inputs pass on their way to the first kernel."""
        end = self.blocks[0].index if self.blocks else len(self.layers)
        return list(enumerate(self.layers))[:end]

    @property
    def output_activation(self) -> str:
        """The last one that is applied to the head's numbers."""
        if self.head is None:
            return "linear"
        own = [layer for _, layer in self.head.followers if _activates(layer)]
        return _applied(own[-1] if own else self.head.layer)

    @property
    def outputs(self) -> int | None:
        """Numbers that the model gives, where the head is Dense and nothing reshapes it."""
        head = self.head
        return head.width if head is not None and head.layer["type"] == "Dense" else None

    @property
    def normalizes_inputs(self) -> bool:
        """Whether the inputs are brought to a common scale before the first kernel."""
        return any(layer.get("type") in NORMALIZATIONS for _, layer in self.before)

    def of_type(self, *types: str) -> Sequence[tuple[int, Layer]]:
        """(index, layer) of all layers of these types."""
        return [(at, layer) for at, layer in enumerate(self.layers) if layer.get("type") in types]


def is_activation(layer: Layer) -> bool:
    """Whether the layer is an activation, be it a linear one, and nothing else."""
    return "applies" in layer or layer.get("type") == "Activation"


def _activates(layer: Layer) -> bool:
    return layer.get("type") not in KERNELS and _applied(layer) != "linear"


def _applied(layer: Layer) -> str:
    """The activation, by Keras' name: what the layer `applies`, or else its argument."""
    return str(layer.get("applies") or layer.get("activation", "linear"))
