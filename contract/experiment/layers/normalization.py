"""Layers that bring their input to a common scale."""

from math import prod
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.base import Flag, Fraction, Positive
from contract.experiment.layers.layer import Layer, Outcome, Shape


class BatchNormalization(Layer):
    keeps_units: ClassVar[bool] = True

    type: Literal["BatchNormalization"] = "BatchNormalization"
    momentum: Fraction = 0.99
    epsilon: Positive = 1e-3
    center: Flag = True
    scale: Flag = True

    @override
    def output(self, shape: Shape) -> Outcome:
        return _normalized(shape, self.center + self.scale, frozen=2)  # moving mean and variance


class LayerNormalization(Layer):
    keeps_units: ClassVar[bool] = True

    type: Literal["LayerNormalization"] = "LayerNormalization"
    epsilon: Positive = 1e-3
    center: Flag = True
    scale: Flag = True

    @override
    def output(self, shape: Shape) -> Outcome:
        return _normalized(shape, self.center + self.scale)


def _normalized(shape: Shape, trainable: int, frozen: int = 0) -> Outcome:
    """With so many parameters for each entry of the last axis."""
    return Outcome(
        shape,
        trainable=trainable * shape[-1],
        frozen=frozen * shape[-1],
        flops=4 * prod(shape),
        activations=prod(shape),
    )
