"""The layers that a model may have: a class each, with its arguments, output shape and cost.

A class of a module that is imported here is a layer that may be posted; no list names it. What a
whole model costs is in `contract.sizing`.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Discriminator, Tag

from contract.experiment.base import Part, kinds
from contract.experiment.layers import (
    convolution,
    core,
    einsum,
    merging,
    normalization,
    pooling,
    regularization,
    reshaping,
)
from contract.experiment.layers.layer import Inputs, Layer, LayerName

__all__ = [
    "KINDS",
    "Again",
    "AnyLayer",
    "convolution",
    "core",
    "einsum",
    "merging",
    "normalization",
    "pooling",
    "regularization",
    "reshaping",
]


KINDS: tuple[type[Layer], ...] = tuple(sorted(kinds(Layer), key=lambda kind: kind.__name__))


class Again(Part):
    """The layer of the name `layer`, used once more, with its weights, on other inputs."""

    layer: LayerName
    name: LayerName | None = None
    inputs: Inputs | None = None


def _tag(value: Any) -> Any:
    """By which an element of `model.layers` is read: its `type`, or that it names a `layer`."""
    if isinstance(value, Again) or (isinstance(value, dict) and "layer" in value):
        return "Again"
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


if TYPE_CHECKING:
    AnyLayer: TypeAlias = Layer | Again
else:
    AnyLayer = Annotated[
        reduce(or_, [Annotated[kind, Tag(kind.__name__)] for kind in KINDS])
        | Annotated[Again, Tag("Again")],
        Discriminator(_tag),
    ]
