"""JSON pointers (RFC 6901): places in a document, as text and as the steps that lead there."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]

_INDEX = re.compile(r"0|[1-9][0-9]*")


def join(steps: Iterable[str | int]) -> str:
    """The pointer that has these steps; "" is the document as a whole."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def split(pointer: str) -> list[str]:
    """The steps of a pointer."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def path_of(pointer: str) -> Path:
    """The steps of a pointer; one that can be a place in a list is a number."""
    return tuple(int(step) if _INDEX.fullmatch(step) else step for step in split(pointer))


def depth(document: Any, path: Path) -> int:
    """How many steps of `path` lead somewhere in `document`."""
    for done, step in enumerate(path):
        if isinstance(document, list):
            inside = isinstance(step, int) and step < len(document)
        else:
            inside = isinstance(document, Mapping) and step in document
        if not inside:
            return done
        document = document[step]
    return len(path)


def put(document: Any, steps: Sequence[str], value: Any) -> Any:
    """A copy of `document`, JSON, that has `value` where `steps` lead.

    Objects on the way that are missing are made. Raises LookupError, which says what else is there.
    """
    if not steps:
        return value
    head, *rest = steps
    if isinstance(document, list | tuple):
        if not _INDEX.fullmatch(head) or int(head) >= len(document):
            raise LookupError(f"a list of {len(document)} has no {head}")
        at = int(head)
        return [*document[:at], put(document[at], rest, value), *document[at + 1 :]]
    if document is None or isinstance(document, dict):
        known = document or {}
        return {**known, head: put(known.get(head), rest, value)}
    raise LookupError(f"there is {json.dumps(document)[:50]}, which has no {head}")
