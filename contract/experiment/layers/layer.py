"""What every layer has: Keras' name and arguments, and what it makes of an example's shape."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from contract.experiment.base import Part

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What a layer makes of one example; shapes leave the batch axis out.

    `trainable` and `frozen` count parameters. `flops` is the forward pass: a multiply-accumulate
    counts as 2, an elementwise operation as 1 per value, a normalization as 4. `activations` counts
    the numbers kept for the backward pass.
    """

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


class Layer(Part):
    """The layer of `keras.layers` that has this name, with Keras' arguments and defaults.

    A new one is a class in a module here: its `type`, its arguments, and `output` where it is more
    than an operation on each number. The diagnosis knows more of those that have units.
    """

    namespace: ClassVar[str] = "layers"
    # Units, or filters, with weights of their own, and an activation.
    has_units: ClassVar[bool] = False
    # It applies an activation to what the units before it give: which, by Keras' name, where no
    # argument says so.
    activates: ClassVar[bool] = False
    function: ClassVar[str] = "linear"
    # It may stand between units and their activation: each keeps its place on the last axis.
    keeps_units: ClassVar[bool] = False

    type: str

    @property
    def applied(self) -> str:
        """Keras' name of the activation that it applies; `linear` where that is none."""
        return str(getattr(self, "activation", self.function))

    def output(self, shape: Shape) -> Outcome:
        """What it makes of an example of `shape`. Raises Misfit where Keras refuses to build it."""
        return Outcome(shape, flops=prod(shape), activations=prod(shape))


def activated(
    layer: Layer, use_bias: bool, shape: Shape, weights: int, products: int, scratch: int = 0
) -> Outcome:
    """Sums of `products` in all, then bias and activation; `scratch` is kept besides them."""
    nonlinear = layer.applied != "linear"
    return Outcome(
        shape,
        trainable=weights + use_bias * shape[-1],
        flops=2 * products + (use_bias + nonlinear) * prod(shape),
        activations=(1 + nonlinear) * prod(shape) + scratch,
    )
