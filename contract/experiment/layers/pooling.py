"""Layers that sum up windows of an image."""

from math import prod
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.layers.arguments import Padding, Window, image, pair, places
from contract.experiment.layers.layer import Layer, Outcome, Shape


class _Pooling(Layer):
    keeps_units: ClassVar[bool] = True

    pool_size: Window = 2
    strides: Window | None = None
    padding: Padding = "valid"

    @override
    def output(self, shape: Shape) -> Outcome:
        height, width, channels = image(shape)
        rows, columns = pair(self.pool_size)
        strides = self.pool_size if self.strides is None else self.strides
        found = places(shape, ("pool_size", self.pool_size), strides, self.padding)
        output = (*found, channels)
        # A window larger than the picture is clipped to it.
        flops = prod(output) * min(rows, height) * min(columns, width)
        return Outcome(output, flops=flops, activations=prod(output))


class MaxPooling2D(_Pooling):
    """`strides` null means the pool size, as in Keras."""

    type: Literal["MaxPooling2D"] = "MaxPooling2D"


class AveragePooling2D(_Pooling):
    """`strides` null means the pool size, as in Keras."""

    type: Literal["AveragePooling2D"] = "AveragePooling2D"


class GlobalAveragePooling2D(Layer):
    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"

    @override
    def output(self, shape: Shape) -> Outcome:
        _, _, channels = image(shape)
        return Outcome((channels,), flops=prod(shape), activations=channels)
