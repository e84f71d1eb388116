"""Shapes, parameters and work of a model, found without TensorFlow, and as Keras finds them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from contract.errors import SpecRefused
from contract.experiment.graph import Node
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.spec import Model

# TensorFlow counts the elements of a tensor in 64 bits.
_MOST_ELEMENTS = 2**63 - 1
# About a minute of tracing before the first step, and three more with signals.
_LARGEST_GRAPH = 2_048


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
    built: dict[int, int] = {}  # the parameters of each layer, by the index of its owner
    graph = 0
    for node in model.graph.nodes:
        shapes = [found[index].output_shape for index in node.inputs] or [input_shape]
        outcome = _outcome(node, shapes)
        parameters = outcome.trainable + outcome.frozen
        if max(prod(outcome.shape), parameters) > _MOST_ELEMENTS:
            raise SpecRefused(
                node.pointer,
                f"{node.layer.type} has more numbers than TensorFlow can count, 2^63: make it "
                f"smaller",
            )
        graph += outcome.graph
        if graph > _LARGEST_GRAPH:
            raise SpecRefused(
                node.pointer,
                f"{node.layer.type} makes the graph too large, {graph:,} layers where "
                f"{_LARGEST_GRAPH:,} are allowed: TimeDistributed counts for each step, and a "
                f"recurrent layer for 32: make the sequence shorter, or take fewer of them; Dense "
                f"works on the last axis without TimeDistributed",
            )
        again = node.owner in built
        if parameters != built.setdefault(node.owner, parameters):
            raise SpecRefused(
                node.pointer,
                f"layer {node.owner} is used on inputs of different sizes here and elsewhere, and "
                f"its weights fit one of them: give it inputs of one shape, or take two layers",
            )
        if again:  # its parameters are counted already
            outcome = replace(outcome, trainable=0, frozen=0)
        found[node.index] = _facts(node, outcome)
    return list(found.values())


def _outcome(node: Node[Layer], shapes: Sequence[Shape]) -> Outcome:
    try:
        return node.layer.outcome(shapes)
    except Misfit as misfit:
        argument = misfit.argument and f"/{misfit.argument}"
        detail = f"{node.layer.type} {misfit.detail}"
        raise SpecRefused(node.pointer + argument, detail) from None


def _facts(node: Node[Layer], outcome: Outcome) -> LayerFacts:
    return LayerFacts(
        node=node,
        output_shape=outcome.shape,
        parameters=outcome.trainable + outcome.frozen,
        trainable_parameters=outcome.trainable if node.layer.trainable else 0,
        flops=outcome.flops,
        activations=outcome.activations,
    )
