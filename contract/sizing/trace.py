"""Shapes, parameters and work of a model, found without TensorFlow, and as Keras finds them."""

from dataclasses import dataclass
from math import prod

from contract.errors import SpecRefused
from contract.experiment.graph import Node
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.spec import Model

# TensorFlow counts the elements of a tensor in 64 bits.
_MOST_ELEMENTS = 2**63 - 1


@dataclass(frozen=True)
class LayerFacts:
    """What one node does to one example, counted as in `contract.experiment.layers.layer`."""

    node: Node[Layer]
    output_shape: Shape
    parameters: int
    trainable_parameters: int
    flops: int
    activations: int

    @property
    def index(self) -> int:
        """The place in `model.layers`."""
        return self.node.index

    @property
    def type(self) -> str:
        return self.node.layer.type


def trace(model: Model, input_shape: Shape) -> list[LayerFacts]:
    """The facts of every node, in the order of the graph. `input_shape` is an example's.

    Raises SpecRefused, with a pointer to the layer or the argument at fault, where Keras would
    refuse to build the model or TensorFlow to run it.
    """
    found: dict[int, LayerFacts] = {}
    for node in model.graph.nodes:
        layer = node.layer
        shapes = [found[index].output_shape for index in node.inputs] or [input_shape]
        try:
            outcome = layer.output(*shapes)
        except Misfit as misfit:
            argument = misfit.argument and f"/{misfit.argument}"
            raise SpecRefused(node.pointer + argument, f"{layer.type} {misfit.detail}") from None
        facts = found[node.index] = _facts(node, outcome)
        if max(prod(facts.output_shape), facts.parameters) > _MOST_ELEMENTS:
            raise SpecRefused(
                node.pointer,
                f"{layer.type} has more numbers than TensorFlow can count, 2^63: make it smaller",
            )
    return list(found.values())


def _facts(node: Node[Layer], outcome: Outcome) -> LayerFacts:
    return LayerFacts(
        node=node,
        output_shape=outcome.shape,
        parameters=outcome.trainable + outcome.frozen,
        trainable_parameters=outcome.trainable,
        flops=outcome.flops,
        activations=outcome.activations,
    )
