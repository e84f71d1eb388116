"""The layers that a model may have: a class each, with its arguments, output shape and cost.

A class of a module that is imported here is a layer that may be posted; no list names it. What a
whole model costs is in `contract.sizing`.
"""

from collections.abc import Iterator
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


def _kinds(base: type[Layer]) -> Iterator[type[Layer]]:
    """All that come of `base`, but what several have in common: the name of that begins with _."""
    for kind in base.__subclasses__():
        if not kind.__name__.startswith("_"):
            yield kind
        yield from _kinds(kind)


KINDS: tuple[type[Layer], ...] = tuple(sorted(_kinds(Layer), key=lambda kind: kind.__name__))
if TYPE_CHECKING:
    AnyLayer: TypeAlias = Layer
else:
    AnyLayer = Annotated[reduce(or_, KINDS), Field(discriminator="type")]
