"""Pydantic's errors in words for people: what was expected, what was received."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, Field

from api.http.pointers import Located, Source, located, pointer
from contract.experiment.left_out import why
from contract.experiment.nearest import example_of, kind_named, nearest

MAX_FAULTS = 20
# Wording costs microseconds an error, and a hostile body has thousands.
_LOOKED_AT = 500
_SHOWN = 80
# More names than these nobody reads in an error.
_MOST_NAMES = 40
# Of layers, where nothing is near.
_COMMON = "Dense"
_QUOTED = re.compile("'([^']*)'")
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_type": "a whole number",
    "kind": "{expected}",
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
        found = located(errors[:_LOOKED_AT], source.root)
        faults = [_in_body(each, source) for each in found[:MAX_FAULTS]]
    else:
        found = [Located(error["loc"][1:], error) for error in errors[:_LOOKED_AT]]
        faults = [_in_query(each) for each in found[:MAX_FAULTS]]
    return faults, len(found) - len(faults) + max(0, len(errors) - _LOOKED_AT)


def _in_body(fault: Located, source: Source) -> Fault:
    path = fault.path
    if fault.error["type"].startswith("union_tag"):
        path = (*path, "type")
    words = _words(fault)
    place, words["detail"] = source.blame(path, words["detail"])
    return Fault(pointer=pointer(place), **words)


def _in_query(fault: Located) -> Fault:
    return Fault(parameter=str(fault.path[0]), **_words(fault))


def _words(fault: Located) -> dict[str, str]:
    error = fault.error
    received = error["input"]
    match error["type"]:
        case "missing" | "union_tag_not_found":
            return {"detail": "this is required, and missing"}
        case "extra_forbidden" if "known" in error.get("ctx", {}):
            return _no_such_parameter(error)
        case "extra_forbidden":
            return _no_such_field(fault)
        case "value_error":
            return {"detail": error["msg"].removeprefix("Value error, ")}
        case "union_tag_invalid":
            received = error["ctx"]["tag"]
    expected, names = _expected(error, received)
    shown = _shown(received)
    detail = f"expected {expected}; received {shown}{_meant(received, names)}"
    return {"detail": detail, "expected": expected, "received": shown}


def _expected(error: Mapping[str, Any], received: Any) -> tuple[str, Sequence[str]]:
    """In words, and the names among which one was to be chosen."""
    context = error.get("ctx", {})
    match error["type"]:
        case "literal_error" | "enum":
            names = _QUOTED.findall(context["expected"])
            if len(names) > _MOST_NAMES:
                return _one_of(names, received), names
            return f"one of {context['expected']}".replace("'", ""), names
        case "union_tag_invalid":
            names = _QUOTED.findall(context["expected_tags"])
            return _one_of(names, received), names
        case "kind":
            _, _, types = context["expected"].partition("whose type is one of ")
            return context["expected"], types.split(", ") if types else ()
    told = _EXPECTED.get(error["type"])
    return (told.format(**context) if told else error["msg"].removeprefix("Input should be ")), ()


def _one_of(names: Sequence[str], received: Any) -> str:
    """All of them, or, of many, that which is most like what was received, and some others."""
    if len(names) <= _MOST_NAMES:
        return f"one of {', '.join(names)}"
    near = nearest(str(received), names)
    like = get_close_matches(str(received)[:_SHOWN], names, 4, cutoff=0.4)
    shown = dict.fromkeys([near, *like] if near else like or [_common(names), *names[:4]])
    return f"one of {len(names)} names, such as {', '.join(shown)}"


def _no_such_parameter(error: Mapping[str, Any]) -> dict[str, str]:
    known = error["ctx"]["known"]
    if not known:
        return {"detail": "there is no such parameter: nothing takes any here"}
    expected = f"one of {', '.join(known)}"
    meant = _meant(error["loc"][-1], known)
    detail = f"there is no such parameter; here are {', '.join(known)}{meant}"
    return {"detail": detail, "expected": expected}


def _no_such_field(fault: Located) -> dict[str, str]:
    if fault.owner is None:
        return {"detail": "there is no such field here"}
    fields = ", ".join(fault.owner.model_fields)
    meant = _meant(fault.path[-1], [*fault.owner.model_fields])
    detail = f"there is no such field; {fault.owner.__name__} has {fields}{meant}"
    return {"detail": detail, "expected": f"one of {fields}"}


def _meant(received: Any, names: Sequence[str]) -> str:
    """Why it is left out, or which of `names` is near; of a type, what would be taken."""
    if not isinstance(received, str) or not names:
        return ""
    if (reason := why(received, names)) is not None:
        return f": Keras has it, but {reason}"
    near = nearest(received, names)
    kind = kind_named(near or _common(names))
    shown = "" if kind is None else f" {json.dumps(example_of(kind, received))} would be taken"
    if near is None:
        return shown and f":{shown}"
    return f": did you mean {near}?{shown}"


def _common(names: Sequence[str]) -> str:
    return _COMMON if _COMMON in names else names[0]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
