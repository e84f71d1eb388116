"""Layers that sum up windows of an image."""

from math import prod
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.layers.arguments import Padding, Window, image, pair, places
from contract.experiment.layers.layer import Layer, Outcome, Shape


class MaxPooling2D(Layer):
    """`strides` null means the pool size, as in Keras."""

    keeps_units: ClassVar[bool] = True

    type: Literal["MaxPooling2D"] = "MaxPooling2D"
    pool_size: Window = 2
    strides: Window | None = None
    padding: Padding = "valid"

    @override
    def output(self, shape: Shape) -> Outcome:
        return _pooled(shape, self.pool_size, self.strides, self.padding)


class AveragePooling2D(Layer):
    """`strides` null means the pool size, as in Keras."""

    keeps_units: ClassVar[bool] = True

    type: Literal["AveragePooling2D"] = "AveragePooling2D"
    pool_size: Window = 2
    strides: Window | None = None
    padding: Padding = "valid"

    @override
    def output(self, shape: Shape) -> Outcome:
        return _pooled(shape, self.pool_size, self.strides, self.padding)


class GlobalAveragePooling2D(Layer):
    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"

    @override
    def output(self, shape: Shape) -> Outcome:
        _, _, channels = image(shape)
        return Outcome((channels,), flops=prod(shape), activations=channels)


def _pooled(shape: Shape, size: Window, strides: Window | None, padding: Padding) -> Outcome:
    height, width, channels = image(shape)
    rows, columns = pair(size)
    steps = size if strides is None else strides
    output = (*places(shape, ("pool_size", size), steps, padding), channels)
    # A window larger than the picture is clipped to it.
    flops = prod(output) * min(rows, height) * min(columns, width)
    return Outcome(output, flops=flops, activations=prod(output))
