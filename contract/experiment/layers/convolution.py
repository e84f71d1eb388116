"""Layers that slide a window of weights over an image (height, width, channels)."""

from math import prod
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.base import Count, Flag
from contract.experiment.initializers import Initializer, Regularizer
from contract.experiment.layers.arguments import (
    ActivationName,
    BiasInitializer,
    Padding,
    Window,
    image,
    pair,
    places,
)
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape, activated


class Conv2D(Layer):
    has_units: ClassVar[bool] = True
    columns: ClassVar[str] = "filters"

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

    @override
    def output(self, shape: Shape) -> Outcome:
        _, _, channels = image(shape)
        if max(pair(self.strides)) > 1 and max(pair(self.dilation_rate)) > 1:
            raise Misfit(
                "dilation_rate",
                f"must be 1 where strides are above 1; received dilation_rate {self.dilation_rate} "
                f"with strides {self.strides}: set one of them to 1",
            )
        window = ("kernel_size", self.kernel_size)
        found = places(shape, window, self.strides, self.padding, self.dilation_rate)
        weights = prod(pair(self.kernel_size)) * channels * self.filters
        output, products = (*found, self.filters), weights * prod(found)
        return activated(self, self.use_bias, output, weights, products, self._copied(shape))

    def _copied(self, shape: Shape) -> int:
        """Numbers in the copies that TensorFlow makes of a dilated layer's input and output.

        On a CPU it pads both directions to a multiple of the rate (SpaceToBatchND), which costs
        gigabytes for a rate of thousands, even where the picture is small.
        """
        rates = pair(self.dilation_rate)
        if max(rates) == 1:
            return 0
        area = 1
        for side, kernel, rate in zip(shape[:2], pair(self.kernel_size), rates, strict=True):
            padded = side + (rate * (kernel - 1) if self.padding == "same" else 0)
            area *= -(-padded // rate) * rate
        return area * (shape[-1] + self.filters)


class DepthwiseConv2D(Layer):
    has_units: ClassVar[bool] = True
    columns: ClassVar[str] = "depth_multiplier"

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

    @override
    def output(self, shape: Shape) -> Outcome:
        found, filtered, weights = _depthwise(self, shape)
        output, products = (*found, filtered), weights * prod(found)
        return activated(self, self.use_bias, output, weights, products)


class SeparableConv2D(Layer):
    has_units: ClassVar[bool] = True

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

    @override
    def output(self, shape: Shape) -> Outcome:
        found, filtered, depthwise = _depthwise(self, shape)
        weights = depthwise + filtered * self.filters
        output, products = (*found, self.filters), weights * prod(found)
        between = filtered * prod(found)
        return activated(self, self.use_bias, output, weights, products, between)


def _depthwise(
    layer: DepthwiseConv2D | SeparableConv2D, shape: Shape
) -> tuple[tuple[int, int], int, int]:
    """(rows, columns), channels and weights of the part that filters each channel by itself."""
    _, _, channels = image(shape)
    if len(set(pair(layer.strides))) > 1:
        raise Misfit(
            "strides",
            f"must be equal in both directions, all that TensorFlow has on every processor; "
            f"received {pair(layer.strides)}: use Conv2D for others",
        )
    found = places(shape, ("kernel_size", layer.kernel_size), layer.strides, layer.padding)
    filtered = channels * layer.depth_multiplier
    return found, filtered, prod(pair(layer.kernel_size)) * filtered
