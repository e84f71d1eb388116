"""Dense layers, embeddings, masks, and operations on each number."""

from math import prod
from typing import ClassVar, Literal, Self

from pydantic import model_validator
from typing_extensions import override

from contract.experiment.base import Count, Flag, Real
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer, Regularizer
from contract.experiment.layers.arguments import (
    ActivationName,
    BiasConstraint,
    BiasInitializer,
    Weighted,
    penalized,
)
from contract.experiment.layers.layer import Layer, Outcome, Shape, activated


class Input(Layer):
    """What the model is given: it takes no other layer's output.

    A plain list of layers needs none.
    """

    moves: ClassVar[bool] = True

    type: Literal["Input"] = "Input"

    @override
    def output(self, shape: Shape) -> Outcome:
        return Outcome(shape)


class Dense(Weighted):
    has_units: ClassVar[bool] = True
    columns: ClassVar[str] = "units"

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


class Embedding(Weighted):
    """A row of weights for each whole number of its inputs, which are below `input_dim`.

    `mask_zero` tells the layers after it to pass over the places of a 0.
    """

    looks_up: ClassVar[bool] = True
    bends: ClassVar[bool] = True
    columns: ClassVar[str] = "output_dim"

    type: Literal["Embedding"] = "Embedding"
    input_dim: Count
    output_dim: Count
    embeddings_initializer: Initializer = "random_uniform"
    embeddings_regularizer: Regularizer | None = None
    embeddings_constraint: Constraint | None = None
    mask_zero: Flag = False

    @override
    def output(self, shape: Shape) -> Outcome:
        given, kernel = (*shape, self.output_dim), (self.input_dim, self.output_dim)
        found = Outcome(given, trainable=prod(kernel), activations=prod(given))
        return penalized(found, self.embeddings_regularizer, kernel)


class Masking(Layer):
    """Tells the layers after it to pass over the steps of which all numbers are `mask_value`."""

    type: Literal["Masking"] = "Masking"
    mask_value: Real = 0.0


class Identity(Layer):
    moves: ClassVar[bool] = True
    keeps_units: ClassVar[bool] = True

    type: Literal["Identity"] = "Identity"

    @override
    def output(self, shape: Shape) -> Outcome:
        return Outcome(shape)


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
