"""The layers that a model may have: a class each, with its arguments, output shape and cost.

A class that is defined in a module here is a layer that may be posted; no list names it. What
costs a whole model has is in `contract.sizing`.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from contract.experiment.layers import (
    convolution,
    core,
    normalization,
    pooling,
    regularization,
    reshaping,
)
from contract.experiment.layers.layer import Layer

__all__ = [
    "KINDS",
    "AnyLayer",
    "convolution",
    "core",
    "normalization",
    "pooling",
    "regularization",
    "reshaping",
]

KINDS: tuple[type[Layer], ...] = tuple(
    sorted(Layer.__subclasses__(), key=lambda kind: kind.__name__)
)
if TYPE_CHECKING:
    AnyLayer: TypeAlias = Layer
else:
    AnyLayer = Annotated[reduce(or_, KINDS), Field(discriminator="type")]
