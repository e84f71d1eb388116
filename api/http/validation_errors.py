"""Pydantic's errors in words for people: what was expected, what was received."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, Field

from api.http.pointers import PARTS, Located, Path, Source, grouped, pointer

MAX_FAULTS = 20
# Wording costs microseconds an error, and a hostile body has thousands.
_LOOKED_AT = 500
_SHOWN = 80
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_type": "a whole number",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "said_twice": "one value, once",
    "string_pattern_mismatch": "a string that matches {pattern}",
    "string_too_long": "a string of at most {max_length} characters",
    "string_too_short": "a string of at least {min_length} character(s)",
    "string_type": "a string",
    "string_unicode": "a string of valid Unicode",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "tuple_type": "a list",
    "unstorable": "text in UTF-8, percent-encoded, without NUL",
}


class Fault(BaseModel):
    """A field at fault: in the body (`pointer`), or among the query's parameters (`parameter`)."""

    pointer: str | None = Field(None, description="JSON pointer (RFC 6901) into the body")
    parameter: str | None = Field(None, description="name of the query parameter or header")
    detail: str = Field(description="what is wrong, in words")
    expected: str | None = Field(None, description="what would have been accepted")
    received: str | None = Field(None, description="what came instead, as JSON, shortened")


def faults_in(errors: Sequence[Mapping[str, Any]], source: Source) -> tuple[list[Fault], int]:
    """At most 20 faults, and how many more there are. `source` is the body, if there is one."""
    if errors[0]["loc"][0] == "body":
        groups = grouped(errors[:_LOOKED_AT], source.document)
        faults = [_in_body(group, source) for group in groups[:MAX_FAULTS]]
    else:
        groups = [[Located(error["loc"][1:], error)] for error in errors[:_LOOKED_AT]]
        faults = [_in_query(group) for group in groups[:MAX_FAULTS]]
    return faults, len(groups) - len(faults) + max(0, len(errors) - _LOOKED_AT)


def _in_body(group: Sequence[Located], source: Source) -> Fault:
    first = group[0]
    path = first.path if len(group) == 1 or first.union is None else first.union
    if first.error["type"].startswith("union_tag") and len(group) == 1:
        path = (*path, "type")
    words = _words(group, source.root)
    place, words["detail"] = source.blame(path, words["detail"])
    return Fault(pointer=pointer(place), **words)


def _in_query(group: Sequence[Located]) -> Fault:
    return Fault(parameter=str(group[0].path[0]), **_words(group))


def _words(group: Sequence[Located], root: type[BaseModel] | None = None) -> dict[str, str]:
    """`root` is what a body is, None for a query."""
    error = group[0].error
    received = error["input"]
    match error["type"] if len(group) == 1 else "union":
        case "missing" | "union_tag_not_found":
            return {"detail": "this is required, and missing"}
        case "extra_forbidden" if "known" in error.get("ctx", {}):
            return _no_such_parameter(error)
        case "extra_forbidden":
            return _no_such_field(group[0].path, group[0].error["loc"], root)
        case "value_error":
            return {"detail": error["msg"].removeprefix("Value error, ")}
        case "union_tag_invalid":
            received = error["ctx"]["tag"]
    expected = " or ".join(dict.fromkeys(_expected(located) for located in group))
    shown = _shown(received)
    detail = f"expected {expected}; received {shown}{_meant(received, expected)}"
    return {"detail": detail, "expected": expected, "received": shown}


def _expected(located: Located) -> str:
    error = located.error
    context = error.get("ctx", {})
    match error["type"]:
        case "literal_error" | "enum":
            return f"one of {context['expected']}".replace("'", "")
        case "union_tag_invalid":
            return f"one of {context['expected_tags']}".replace("'", "")
        case "model_attributes_type" if located.member not in ("", *PARTS):
            tags = re.findall(r"\b[A-Z]\w+", located.member)
            return f"an object whose type is one of {', '.join(tags)}"
    told = _EXPECTED.get(error["type"])
    return told.format(**context) if told else error["msg"].removeprefix("Input should be ")


def _no_such_parameter(error: Mapping[str, Any]) -> dict[str, str]:
    known = error["ctx"]["known"]
    if not known:
        return {"detail": "there is no such parameter: nothing takes any here"}
    expected = f"one of {', '.join(known)}"
    meant = _meant(error["loc"][-1], expected)
    detail = f"there is no such parameter; here are {', '.join(known)}{meant}"
    return {"detail": detail, "expected": expected}


def _no_such_field(path: Path, location: Path, root: type[BaseModel] | None) -> dict[str, str]:
    owner = str(location[-2])
    name = owner.title().replace("_", "")
    part: type[BaseModel] | None = root if owner == "body" else PARTS.get(owner, PARTS.get(name))
    if part is None:
        return {"detail": "there is no such field here"}
    fields = ", ".join(part.model_fields)
    meant = _meant(path[-1], f"one of {fields}")
    detail = f"there is no such field; {part.__name__} has {fields}{meant}"
    return {"detail": detail, "expected": f"one of {fields}"}


def _meant(received: Any, expected: str) -> str:
    if not isinstance(received, str) or len(received) > _SHOWN or not expected.startswith("one of"):
        return ""
    # What follows ", or " is no name but a description of names.
    names = re.findall(r"[\w-]+", expected.partition(", or ")[0])[2:]
    close = get_close_matches(received, names, 1)
    return f": did you mean {close[0]}?" if close else ""


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
