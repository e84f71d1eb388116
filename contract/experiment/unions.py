"""Unions that read a value as the member that was meant, and answer with its errors alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from contract.experiment.base import Part

# The kinds of values by which a member is chosen. An error's location has them as steps.
FLAG, WHOLE, NUMBER, TEXT, LIST, LISTS, OBJECT = KINDS = (
    "<flag>", "<whole>", "<number>", "<text>", "<list>", "<lists>", "<object>",
)  # fmt: skip
# More of them nobody reads in an error.
_MOST_NAMES = 40
_KIND_OF = {bool: FLAG, int: WHOLE, float: NUMBER, str: TEXT, list: LIST, tuple: LIST, dict: OBJECT}


def kind_of(value: Any) -> str | None:
    """The kind of a JSON value or of a Part; None for null."""
    return _KIND_OF.get(type(value)) or (OBJECT if isinstance(value, Part) else None)


@dataclass(frozen=True)
class ByKind:
    """Goes with a union in `Annotated`: a value is read as the member that takes its kind.

    One that no member takes is an error of the type "kind"; its context says what is `expected`.
    Where two members take values of one kind, it is the first of them, or that which a `choose` of
    its own says.
    """

    choose: Callable[[Any], str | None] = kind_of

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        members: dict[Any, CoreSchema] = {}
        words: dict[str, None] = {}
        for member in handler(source)["choices"]:
            kinds, told = _taken(member)
            members |= {kind: member for kind in kinds if kind not in members}
            words[told] = None
        return core_schema.tagged_union_schema(
            members,
            self.choose,
            custom_error_type="kind",
            custom_error_message="Input should be {expected}",
            custom_error_context={"expected": " or ".join(words)},
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As that of a plain union: 1 is one of the whole numbers, and of the numbers, too."""
        found = handler(schema)
        found["anyOf"] = found.pop("oneOf")
        return found


def _taken(member: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The kinds of values that a member takes, and what it takes in words."""
    match member["type"]:
        case "bool":
            return (FLAG,), "true or false"
        case "int":
            return (WHOLE,), "a whole number"
        case "float":
            return (WHOLE, NUMBER), "a number"
        case "literal":
            *names, last = member["expected"]
            if len(names) >= _MOST_NAMES:
                return (TEXT,), f"one of {len(names) + 1} names, such as {last}"
            return (TEXT,), f"one of {', '.join(names)} or {last}" if names else f"{last!r}"
        case "tuple":
            nested = member["items_schema"][0]["type"] == "tuple"
            return (LISTS if nested else LIST,), "a list"
        case "tagged-union":
            return (OBJECT,), f"an object whose type is one of {', '.join(member['choices'])}"
        case "function-before" | "function-after":
            return _taken(member["schema"])
        case "model" | "definition-ref" | "dict":
            return (OBJECT,), "an object"
    raise TypeError(f"no kind of values is known that a {member['type']} takes")
