"""What a layer does to a shape, and what that costs: the layers that know no height and width.

A rule goes from a layer and its input's shape to an `Outcome`, or raises `Misfit` where Keras would
refuse to build the layer. Shapes leave the batch axis out.
"""

from dataclasses import dataclass
from math import prod

from contract.experiment.base import Part
from contract.experiment.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    LayerNormalization,
    Reshape,
    SeparableConv2D,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """Output shape, trainable and other parameters, and `trace.LayerFacts`' flops, activations."""

    shape: Shape
    trainable: int = 0
    frozen: int = 0
    flops: int = 0
    activations: int = 0


class Misfit(Exception):
    """The layer does not fit its input; `argument` is the one at fault, "" the layer as a whole."""

    def __init__(self, argument: str, detail: str) -> None:
        super().__init__(detail)
        self.argument = argument
        self.detail = detail


def elementwise(_layer: Part, shape: Shape) -> Outcome:
    return Outcome(shape, flops=prod(shape), activations=prod(shape))


def flatten(_layer: Flatten, shape: Shape) -> Outcome:
    return Outcome((prod(shape),))


def reshape(layer: Reshape, shape: Shape) -> Outcome:
    target = layer.target_shape
    free = target.count(-1)
    known = prod(size for size in target if size != -1)
    # With one -1, the rest must divide the input; without, it must equal it.
    if free > 1 or known == 0 or (prod(shape) % known if free else prod(shape) != known):
        raise Misfit(
            "target_shape",
            f"must keep the {prod(shape)} numbers of its input of shape {shape}; received "
            f"{list(target)}: change the sizes, of which one may be -1",
        )
    return Outcome(tuple(prod(shape) // known if size == -1 else size for size in target))


def normalization(layer: BatchNormalization | LayerNormalization, shape: Shape) -> Outcome:
    moving = 2 * shape[-1] if isinstance(layer, BatchNormalization) else 0
    return Outcome(
        shape,
        trainable=(layer.center + layer.scale) * shape[-1],
        frozen=moving,
        flops=4 * prod(shape),
        activations=prod(shape),
    )


def activated(
    layer: Dense | Conv2D | DepthwiseConv2D | SeparableConv2D,
    shape: Shape,
    weights: int,
    products: int,
    scratch: int = 0,
) -> Outcome:
    """Sums of `products` in all, then bias and activation; `scratch` is kept besides them."""
    nonlinear = layer.activation != "linear"
    return Outcome(
        shape,
        trainable=weights + layer.use_bias * shape[-1],
        flops=2 * products + (layer.use_bias + nonlinear) * prod(shape),
        activations=(1 + nonlinear) * prod(shape) + scratch,
    )


def dense(layer: Dense, shape: Shape) -> Outcome:
    """On an input of higher rank, Dense acts on the last axis, as in Keras."""
    output = (*shape[:-1], layer.units)
    return activated(layer, output, shape[-1] * layer.units, prod(shape) * layer.units)
