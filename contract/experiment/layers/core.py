"""Dense layers, activations, and operations on each number."""

from math import prod
from typing import ClassVar, Literal, Self

from pydantic import model_validator
from typing_extensions import override

from contract.experiment.base import Count, Flag, NonNegative, Real
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer, Regularizer
from contract.experiment.layers.arguments import (
    ActivationName,
    BiasConstraint,
    BiasInitializer,
    Weighted,
    penalized,
)
from contract.experiment.layers.layer import Layer, Outcome, Shape, activated, check_activation


class Input(Layer):
    """What the model is given: it takes no other layer's output.

    A plain list of layers needs none.
    """

    type: Literal["Input"] = "Input"

    @override
    def output(self, shape: Shape) -> Outcome:
        return Outcome(shape)


class Dense(Weighted):
    has_units: ClassVar[bool] = True

    type: Literal["Dense"] = "Dense"
    units: Count
    activation: ActivationName = "linear"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        # On an input of higher rank it acts on the last axis, as in Keras.
        given = (*shape[:-1], self.units)
        weights, products = shape[-1] * self.units, prod(shape) * self.units
        found = activated(self, self.use_bias, given, weights, products)
        return penalized(found, self.kernel_regularizer, (shape[-1], self.units))


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


class Rescaling(Layer):
    """x * scale + offset."""

    type: Literal["Rescaling"] = "Rescaling"
    scale: Real
    offset: Real = 0.0


class Clip(Layer):
    """`keras.ops.clip`: values below `x_min` become it, and values above `x_max` become that."""

    type: Literal["Clip"] = "Clip"
    x_min: Real
    x_max: Real

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.x_min >= self.x_max:
            raise ValueError(f"x_min must be below x_max; received {self.x_min} and {self.x_max}")
        return self
