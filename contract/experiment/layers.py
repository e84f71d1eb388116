"""The layers that a model may have: names, arguments and defaults are those of `keras.layers`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.experiment.base import Count, Flag, Fraction, Part, Positive, Real, Whole
from contract.experiment.initializers import Initializer, Regularizer
from contract.experiment.layer_arguments import (
    ActivationName,
    BiasInitializer,
    Padding,
    Share,
    Window,
)


class Dense(Part):
    type: Literal["Dense"] = "Dense"
    units: Count
    activation: ActivationName = "linear"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None


class Activation(Part):
    type: Literal["Activation"] = "Activation"
    activation: ActivationName


class Dropout(Part):
    type: Literal["Dropout"] = "Dropout"
    rate: Share


class GaussianNoise(Part):
    type: Literal["GaussianNoise"] = "GaussianNoise"
    stddev: Share


class Flatten(Part):
    type: Literal["Flatten"] = "Flatten"


class Reshape(Part):
    """`target_shape` leaves the batch out; one entry may be -1."""

    type: Literal["Reshape"] = "Reshape"
    target_shape: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=-1, le=1_000_000_000)], ...],
        Field(min_length=1, max_length=5),
    ]


class Rescaling(Part):
    """x * scale + offset."""

    type: Literal["Rescaling"] = "Rescaling"
    scale: Real
    offset: Real = 0.0


class Clip(Part):
    """`keras.ops.clip`: values below `x_min` become it, and values above `x_max` become that."""

    type: Literal["Clip"] = "Clip"
    x_min: Real
    x_max: Real

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.x_min >= self.x_max:
            raise ValueError(f"x_min must be below x_max; received {self.x_min} and {self.x_max}")
        return self


class BatchNormalization(Part):
    type: Literal["BatchNormalization"] = "BatchNormalization"
    momentum: Fraction = 0.99
    epsilon: Positive = 1e-3
    center: Flag = True
    scale: Flag = True


class LayerNormalization(Part):
    type: Literal["LayerNormalization"] = "LayerNormalization"
    epsilon: Positive = 1e-3
    center: Flag = True
    scale: Flag = True


class Conv2D(Part):
    type: Literal["Conv2D"] = "Conv2D"
    filters: Count
    kernel_size: Window
    strides: Window = 1
    padding: Padding = "valid"
    dilation_rate: Window = 1
    activation: ActivationName = "linear"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None


class DepthwiseConv2D(Part):
    type: Literal["DepthwiseConv2D"] = "DepthwiseConv2D"
    kernel_size: Window
    strides: Window = 1
    padding: Padding = "valid"
    depth_multiplier: Count = 1
    activation: ActivationName = "linear"
    use_bias: Flag = True
    depthwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    depthwise_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None


class SeparableConv2D(Part):
    type: Literal["SeparableConv2D"] = "SeparableConv2D"
    filters: Count
    kernel_size: Window
    strides: Window = 1
    padding: Padding = "valid"
    depth_multiplier: Count = 1
    activation: ActivationName = "linear"
    use_bias: Flag = True
    depthwise_initializer: Initializer = "glorot_uniform"
    pointwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    depthwise_regularizer: Regularizer | None = None
    pointwise_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None


class MaxPooling2D(Part):
    """`strides` null means the pool size, as in Keras."""

    type: Literal["MaxPooling2D"] = "MaxPooling2D"
    pool_size: Window = 2
    strides: Window | None = None
    padding: Padding = "valid"


class AveragePooling2D(Part):
    """`strides` null means the pool size, as in Keras."""

    type: Literal["AveragePooling2D"] = "AveragePooling2D"
    pool_size: Window = 2
    strides: Window | None = None
    padding: Padding = "valid"


class GlobalAveragePooling2D(Part):
    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"


class ZeroPadding2D(Part):
    """One number, [height, width], or [[top, bottom], [left, right]]."""

    type: Literal["ZeroPadding2D"] = "ZeroPadding2D"
    padding: Whole | tuple[Whole, Whole] | tuple[tuple[Whole, Whole], tuple[Whole, Whole]] = 1


Layer = Annotated[
    Dense
    | Activation
    | Dropout
    | GaussianNoise
    | Flatten
    | Reshape
    | Rescaling
    | Clip
    | BatchNormalization
    | LayerNormalization
    | Conv2D
    | DepthwiseConv2D
    | SeparableConv2D
    | MaxPooling2D
    | AveragePooling2D
    | GlobalAveragePooling2D
    | ZeroPadding2D,
    Field(discriminator="type"),
]
