"""The layers that a model may have: a class each, with its arguments, output shape and cost.

A class of a module that is imported here is a layer that may be posted; no list names it. What a
whole model costs is in `contract.sizing`.
"""

import json
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError

from contract.experiment.base import Part, any_of, kinds
from contract.experiment.layers import (
    activation,
    attention,
    augmentation,
    convolution,
    core,
    einsum,
    merging,
    normalization,
    pooling,
    recurrent,
    regularization,
    reshaping,
    wrappers,
)
from contract.experiment.layers.layer import Inputs, Layer, LayerName, SeveralInputs
from contract.experiment.nearest import example_of, nearest

__all__ = [
    "KINDS",
    "Again",
    "AnyLayer",
    "activation",
    "attention",
    "augmentation",
    "convolution",
    "core",
    "einsum",
    "merging",
    "normalization",
    "pooling",
    "recurrent",
    "regularization",
    "reshaping",
    "wrappers",
]

KINDS: tuple[type[Layer], ...] = tuple(sorted(kinds(Layer), key=lambda kind: kind.__name__))
_WITH_KERNEL = [kind for kind in KINDS if kind.columns]
_ONE_INPUT = [kind for kind in KINDS if not issubclass(kind, SeveralInputs | core.Input)]
wrappers.SpectralNormalization.model_rebuild(_types_namespace={"WithKernel": any_of(_WITH_KERNEL)})
wrappers.TimeDistributed.model_rebuild(_types_namespace={"OneInput": any_of(_ONE_INPUT)})


class Again(Part):
    """The layer of the name `layer`, used once more, with its weights, on other inputs."""

    layer: LayerName
    name: LayerName | None = None
    inputs: Inputs | None = None


def _tag(value: Any) -> Any:
    """By which an element of `model.layers` is read: its `type`, or that it names a `layer`."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    named = isinstance(value, Again) or (isinstance(value, dict) and "layer" in value)
    return "Again" if named and kind is None else kind


def _an_object(value: Any) -> Any:
    if isinstance(value, dict | Part):
        return value
    raise PydanticCustomError("kind", "{expected}", {"expected": _expected_of(value)})


def _expected_of(value: Any) -> str:
    """A name alone is no layer: what would be one."""
    if not isinstance(value, str):
        return "an object"
    near = nearest(value, [kind.__name__ for kind in KINDS]) or "Dense"
    kind = next(kind for kind in KINDS if kind.__name__ == near)
    return f"an object, such as {json.dumps(example_of(kind, value))}"


if TYPE_CHECKING:
    AnyLayer: TypeAlias = Layer | Again
else:
    AnyLayer = Annotated[
        reduce(or_, [Annotated[kind, Tag(kind.__name__)] for kind in KINDS])
        | Annotated[Again, Tag("Again")],
        Discriminator(_tag),
        BeforeValidator(_an_object),
    ]
