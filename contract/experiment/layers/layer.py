"""What every layer has: Keras' name and arguments, and what it makes of an example's shape."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from contract.experiment.base import Flag, Part

Shape = tuple[int, ...]
# Keras takes any but for a slash; these also stand in a pointer, a path and a URL as they are.
LayerName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
MOST_INPUTS = 1000
InXLA = Literal["quicker", "alike", "slower"]
Inputs = Annotated[tuple[LayerName, ...], Field(min_length=1, max_length=MOST_INPUTS)]


@dataclass(frozen=True)
class Outcome:
    """What a layer makes of one example; shapes leave the batch axis out.

    `trainable` and `frozen` count parameters. `flops` is the forward pass: a multiply-accumulate
    counts as 2, an elementwise operation as 1 per value, a normalization as 4. `activations` counts
    the numbers kept for the backward pass. `graph` is how long TensorFlow takes to trace it; a
    plain layer is 1, about 0.02 s.
    """

    shape: Shape
    trainable: int = 0
    frozen: int = 0
    flops: int = 0
    activations: int = 0
    graph: int = 1


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

    `inputs` are the names of the layers whose outputs it takes; without them it takes that of the
    layer before it. A layer that is not `trainable` keeps its weights.
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
    # It gives its input's numbers as they are, in other places; or takes them as whole numbers, of
    # which each has a row of weights.
    moves: ClassVar[bool] = False
    looks_up: ClassVar[bool] = False
    # It is no linear function of its inputs, whatever its activation.
    bends: ClassVar[bool] = False
    # It takes a list of inputs, be it of one; or else several, one by one.
    merges: ClassVar[bool] = False
    takes_apart: ClassVar[bool] = False
    # Those of its arguments that Keras takes when the layer is called, not when it is made.
    call_arguments: ClassVar[tuple[str, ...]] = ()
    # The argument that says how long the last axis of its one `kernel` is; none where it is empty.
    columns: ClassVar[str] = ""

    type: str
    name: LayerName | None = None
    inputs: Inputs | None = None
    trainable: Flag = True

    @property
    def applied(self) -> str:
        """Keras' name of the activation that it applies; `linear` where that is none."""
        return str(getattr(self, "activation", self.function))

    @property
    def xla_fault(self) -> str:
        """Why XLA cannot compile the training of it, in words; empty where it can."""
        return ""

    @property
    def in_xla(self) -> InXLA:
        """How fast it trains on a CPU where XLA compiles the loop, beside TensorFlow's kernels."""
        return "alike"

    @property
    def in_float32(self) -> tuple[str, ...]:
        """The policies of precision that TensorFlow lacks it for: it computes in float32 then."""
        return ()

    def output(self, shape: Shape) -> Outcome:
        """What it makes of an example of `shape`. Raises Misfit where Keras refuses to build it."""
        return Outcome(shape, flops=prod(shape), activations=prod(shape))

    def outcome(self, shapes: Sequence[Shape]) -> Outcome:
        """What it makes of examples of `shapes`, one an input; otherwise as `output`."""
        if len(shapes) > 1:
            raise Misfit(
                "inputs",
                f"takes one input; received {len(shapes)}: merge them before, such as with "
                f"Concatenate or Add",
            )
        return self.output(shapes[0])


class SeveralInputs(Layer, ABC):
    """`least` to `most` inputs, or any number of them."""

    merges: ClassVar[bool] = True
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    @abstractmethod
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        """What it makes of examples of `shapes`, as many as it takes."""

    @override
    def outcome(self, shapes: Sequence[Shape]) -> Outcome:
        most = self.most or MOST_INPUTS
        if not self.least <= len(shapes) <= most:
            expected = str(most) if self.least == most else f"{self.least} to {most}"
            raise Misfit(
                "inputs",
                f"takes {expected} inputs, named in its inputs; received {len(shapes)}",
            )
        return self.merged(shapes)


def check_activation(layer: Layer, shape: Shape) -> None:
    """Raises Misfit where TensorFlow does not have it for so many axes on every processor."""
    if layer.applied == "softmax" and len(shape) > 4:
        raise Misfit(
            "activation" if hasattr(layer, "activation") else "",
            f"softmax takes four axes at most, besides the batch; received shape {shape}: put a "
            f"Reshape before it",
        )


def activated(
    layer: Layer, use_bias: bool, shape: Shape, weights: int, products: int, scratch: int = 0
) -> Outcome:
    """Sums of `products` in all, then bias and activation; `scratch` is kept besides them."""
    check_activation(layer, shape)
    nonlinear = layer.applied != "linear"
    return Outcome(
        shape,
        trainable=weights + use_bias * shape[-1],
        flops=2 * products + (use_bias + nonlinear) * prod(shape),
        activations=(1 + nonlinear) * prod(shape) + scratch,
    )


def _alone(layer: Layer) -> Layer:
    if layer.inputs is not None:
        raise ValueError("a layer within a layer takes what that is given: leave its inputs out")
    return layer


# Goes with a layer within a layer in `Annotated`.
ALONE = AfterValidator(_alone)


def inside(argument: str, layer: Layer, shape: Shape) -> Outcome:
    """What the layer that is another's `argument` makes of an example of `shape`."""
    try:
        found = layer.outcome([shape])
    except Misfit as misfit:
        at = f"{argument}/{misfit.argument}" if misfit.argument else argument
        raise Misfit(at, f"has a layer, {layer.type}, that {misfit.detail}") from None
    if layer.trainable:
        return found
    return replace(found, trainable=0, frozen=found.trainable + found.frozen)


def listed(shapes: Sequence[Shape]) -> str:
    """For a message: "(3, 4), (5,)", the first ten of them."""
    more = ", ..." if len(shapes) > 10 else ""
    return ", ".join(map(str, shapes[:10])) + more
