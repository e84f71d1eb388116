"""Layers that are an activation function, and nothing else."""

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from contract.experiment.base import NonNegative, Real
from contract.experiment.initializers import ElementRegularizer
from contract.experiment.layers.arguments import ActivationName, BiasConstraint, BiasInitializer
from contract.experiment.layers.axes import Axes, places_of
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape, check_activation
from contract.experiment.unions import ByKind


class Activation(Layer):
    activates: ClassVar[bool] = True

    type: Literal["Activation"] = "Activation"
    activation: ActivationName

    @override
    def output(self, shape: Shape) -> Outcome:
        check_activation(self, shape)
        return super().output(shape)


class LeakyReLU(Layer):
    activates: ClassVar[bool] = True
    function: ClassVar[str] = "leaky_relu"

    type: Literal["LeakyReLU"] = "LeakyReLU"
    negative_slope: NonNegative = 0.3


class ReLU(Layer):
    """0 below `threshold`, or there the distance to it times `negative_slope`; at most
    `max_value`."""

    activates: ClassVar[bool] = True

    type: Literal["ReLU"] = "ReLU"
    max_value: NonNegative | None = Field(None, description="largest output; null is none")
    negative_slope: NonNegative = 0.0
    threshold: NonNegative = 0.0

    @property
    @override
    def applied(self) -> str:
        return "leaky_relu" if self.negative_slope else "relu"


class ELU(Layer):
    """x for x > 0, else (exp(x) - 1) times `alpha`."""

    activates: ClassVar[bool] = True
    function: ClassVar[str] = "elu"

    type: Literal["ELU"] = "ELU"
    alpha: Real = Field(1.0, description="limit of the output below 0, with its sign turned")


_Shared = Annotated[int, Field(strict=True, ge=1, le=8)]


class PReLU(Layer):
    """x for x > 0, else x times a learnt slope: one a number, but for the `shared_axes`, of which
    the first after the batch is 1."""

    activates: ClassVar[bool] = True
    function: ClassVar[str] = "leaky_relu"

    type: Literal["PReLU"] = "PReLU"
    alpha_initializer: BiasInitializer = "zeros"
    alpha_regularizer: ElementRegularizer | None = None
    alpha_constraint: BiasConstraint | None = None
    shared_axes: (
        Annotated[
            _Shared | Annotated[tuple[_Shared, ...], Field(min_length=1, max_length=8)], ByKind()
        ]
        | None
    ) = None

    @override
    def output(self, shape: Shape) -> Outcome:
        given = self.shared_axes or ()
        shared = (given,) if isinstance(given, int) else given
        if max(shared, default=0) > len(shape):
            raise Misfit(
                "shared_axes",
                f"must name axes of its input of shape {shape}, where 0 is the batch; received "
                f"{list(shared)}: take 1 to {len(shape)}",
            )
        slopes = prod(size for axis, size in enumerate(shape, 1) if axis not in shared)
        return Outcome(shape, trainable=slopes, flops=4 * prod(shape), activations=2 * prod(shape))


class Softmax(Layer):
    """Along `axis`, or several, of which 0 is the batch."""

    activates: ClassVar[bool] = True
    function: ClassVar[str] = "softmax"

    type: Literal["Softmax"] = "Softmax"
    axis: Axes = -1

    @override
    def output(self, shape: Shape) -> Outcome:
        places_of("axis", self.axis, shape)
        check_activation(self, shape)
        return super().output(shape)
