"""Shapes, parameters and work of a model, found without TensorFlow, and as Keras finds them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from contract.errors import SpecRefused
from contract.experiment import layers, rules, windows
from contract.experiment.base import Part
from contract.experiment.rules import Misfit, Outcome, Shape
from contract.experiment.spec import Model

# TensorFlow counts the elements of a tensor in 64 bits.
_MOST_ELEMENTS = 2**63 - 1
# Every layer has its rule here.
RULES: dict[type[Part], Callable[[Any, Shape], Outcome]] = {
    layers.Activation: rules.elementwise,
    layers.AveragePooling2D: windows.pooling,
    layers.BatchNormalization: rules.normalization,
    layers.Clip: rules.elementwise,
    layers.Conv2D: windows.conv,
    layers.Dense: rules.dense,
    layers.DepthwiseConv2D: windows.depthwise_conv,
    layers.Dropout: rules.elementwise,
    layers.Flatten: rules.flatten,
    layers.GaussianNoise: rules.elementwise,
    layers.GlobalAveragePooling2D: windows.global_pooling,
    layers.LayerNormalization: rules.normalization,
    layers.MaxPooling2D: windows.pooling,
    layers.Rescaling: rules.elementwise,
    layers.Reshape: rules.reshape,
    layers.SeparableConv2D: windows.separable_conv,
    layers.ZeroPadding2D: windows.zero_padding,
}


@dataclass(frozen=True)
class LayerFacts:
    """What one layer does to one example.

    `flops` is the forward pass: a multiply-accumulate counts as 2, an elementwise operation as 1
    per value, a normalization as 4. `activations` counts the numbers kept for the backward pass.
    """

    index: int
    type: str
    output_shape: Shape
    parameters: int
    trainable_parameters: int
    flops: int
    activations: int


def trace(model: Model, input_shape: Shape) -> list[LayerFacts]:
    """The facts of every layer, in order.

    Raises SpecRefused, with a pointer to the layer or the argument at fault, where Keras would
    refuse to build the model or TensorFlow to run it.
    """
    facts = []
    shape = input_shape
    for index, layer in enumerate(model.layers):
        at = f"/model/layers/{index}"
        try:
            outcome = RULES[type(layer)](layer, shape)
        except Misfit as misfit:
            argument = misfit.argument and f"/{misfit.argument}"
            raise SpecRefused(at + argument, f"{layer.type} {misfit.detail}") from None
        facts.append(_facts(index, layer, outcome))
        shape = outcome.shape
        if max(prod(shape), facts[-1].parameters) > _MOST_ELEMENTS:
            raise SpecRefused(
                at,
                f"{layer.type} has more numbers than TensorFlow can count, 2^63: make it smaller",
            )
    return facts


def _facts(index: int, layer: layers.Layer, outcome: Outcome) -> LayerFacts:
    return LayerFacts(
        index=index,
        type=layer.type,
        output_shape=outcome.shape,
        parameters=outcome.trainable + outcome.frozen,
        trainable_parameters=outcome.trainable,
        flops=outcome.flops,
        activations=outcome.activations,
    )
