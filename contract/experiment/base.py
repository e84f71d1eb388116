"""What every piece of a spec has in common, and the number types that its fields use."""

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A piece of a spec: immutable, and a misspelt field is an error instead of a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The module of Keras that has the same by the same name; none where it is empty.
    namespace: ClassVar[str] = ""


P = TypeVar("P", bound=Part)


def kinds(base: type[P]) -> list[type[P]]:
    """All classes that come of `base` and say their `type`, in the order of the code."""
    found = []
    for kind in base.__subclasses__():
        field = kind.model_fields.get("type")
        if field is not None and get_origin(field.annotation) is Literal:
            found.append(kind)
        found += kinds(kind)
    return found


def in_lower_case(name: str) -> str:
    """In the form in which Keras knows a class by its name: KLDivergence is kl_divergence."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def any_of(parts: Sequence[type[P]]) -> Any:
    """The type of a field that takes one of `parts`, told apart by their `type`."""
    return Annotated[reduce(or_, parts), Field(discriminator="type")]


# Strict: "100" and true are not numbers. An integer is accepted where a real is expected.
# The ceilings keep products of a few sizes inside 64 bits; the budget sets the real limits.
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000)]
Whole = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]
# Within float32, which is what TensorFlow computes in.
Real = Annotated[float, Field(strict=True, ge=-3e38, le=3e38, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, le=3e38, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0, le=3e38, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
