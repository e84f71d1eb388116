"""Shapes, parameters and work of a model, found without TensorFlow, and as Keras finds them."""

from dataclasses import dataclass
from math import prod

from contract.errors import SpecRefused
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.spec import Model

# TensorFlow counts the elements of a tensor in 64 bits.
_MOST_ELEMENTS = 2**63 - 1


@dataclass(frozen=True)
class LayerFacts:
    """What one layer does to one example, counted as in `contract.experiment.layers.layer`."""

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
            outcome = layer.output(shape)
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


def _facts(index: int, layer: Layer, outcome: Outcome) -> LayerFacts:
    return LayerFacts(
        index=index,
        type=layer.type,
        output_shape=outcome.shape,
        parameters=outcome.trainable + outcome.frozen,
        trainable_parameters=outcome.trainable,
        flops=outcome.flops,
        activations=outcome.activations,
    )
