"""A query's parameters: those that its route takes, no others, and text that can be kept.

A misspelt parameter that was passed over would be a wish that nobody hears.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from api.http.json_reader import UNSTORABLE

Error = dict[str, Any]


async def check(request: Request) -> None:
    """The dependency of every route. Raises RequestValidationError.

    For a parameter that the route lacks or that has one value and came with several, and for text
    that is not UTF-8 or has NUL in it.
    """
    query: bytes = request.scope["query_string"]
    known = dict(taken(request.scope["route"].dependant)) if query else {}
    if errors := list(_errors(query, known)):
        raise RequestValidationError(errors)


def _errors(query: bytes, many: Mapping[str, bool]) -> Iterator[Error]:
    seen: set[str] = set()
    # What is not UTF-8 becomes surrogates.
    told = query.decode("ascii", "surrogateescape")
    for name, value in parse_qsl(told, keep_blank_values=True, errors="surrogateescape"):
        if UNSTORABLE.search(name) or UNSTORABLE.search(value):
            yield _error("unstorable", name, value)
        elif name not in many:
            yield _error("extra_forbidden", name, value, {"known": sorted(many)})
        elif name in seen and not many[name]:
            yield _error("said_twice", name, value)
        seen.add(name)


def _error(kind: str, name: str, value: str, context: Mapping[str, Any] = {}) -> Error:
    printable = name.encode("utf-8", "backslashreplace").decode()
    return {"type": kind, "loc": ("query", printable), "msg": "", "input": value, "ctx": context}


def taken(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Each parameter that the route takes, and whether it may come several times."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, each in kind.model_fields.items():
                yield each.alias or name, _is_list(each.annotation)
        else:
            yield field.alias, _is_list(kind)
    for below in dependant.dependencies:
        yield from taken(below)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in (list, tuple) or any(map(_is_list, get_args(kind)))
