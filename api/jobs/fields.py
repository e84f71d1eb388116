"""`fields`: which members of a job to answer with. What is not among them is not read either."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from api.jobs import responses

ALL = frozenset(responses.Job.model_fields)


def _split(given: Any) -> Any:
    """Names may be separated by commas, or `fields` be given several times."""
    if not isinstance(given, list):
        return given
    return [name for each in given for name in str(each).split(",")]


def _known(name: str) -> str:
    if name not in ALL:
        expected = ", ".join(f"'{field}'" for field in responses.Job.model_fields)
        raise PydanticKnownError("literal_error", {"expected": expected})
    return name


Fields = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_known),
            WithJsonSchema({"type": "string", "enum": list(responses.Job.model_fields)}),
        ]
    ],
    BeforeValidator(_split),
    Field(
        description="members of a job to answer with, separated by commas or each in a `fields` of "
        "its own; id and object always come. All, unless told",
        examples=[["status", "progress"]],
    ),
]


def selected(fields: Iterable[str]) -> frozenset[str]:
    """The members that `fields` asks for."""
    named = frozenset(fields)
    return named | {"id", "object"} if named else ALL
