"""Documents as they are stored, whichever version of the service wrote them."""

import logging
from collections.abc import Set
from contextlib import suppress
from copy import deepcopy
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from contract.errors import Unreadable

log = logging.getLogger(__name__)

Kind = TypeVar("Kind")
Part = tuple[int | str, ...]


def read(kind: type[Kind], document: Any) -> Kind:
    """`document`, out of JSON, as a `kind`: a dataclass, a pydantic model, or a list of these.

    What this version does not know is dropped. What the document lacks, or has otherwise than this
    version reads it, is null where that may be, else it has its default, else what it is a part of
    is left out: an element of a list, an entry of a mapping. The log says what was left out. Raises
    Unreadable where all of it would have to be.
    """
    wanted: Any = kind
    name = getattr(kind, "__name__", str(kind))
    left, tried = document, set[Part]()
    while True:
        try:
            found: Kind = _adapter(wanted).validate_python(left)
            return found
        except ValidationError as error:
            faults = {_part(left, fault, tried): fault["msg"] for fault in error.errors()}
        if () in faults:
            raise Unreadable(f"what is stored is no {name} that this version reads: {faults[()]}")
        left = deepcopy(document) if left is document else left
        # The last elements of a list first: the places of those before them stay the same.
        for part in sorted(faults, reverse=True):
            log.warning("left out of a stored %s: %s (%s)", name, part, faults[part])
            tried = _leave_out(left, part, tried)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _part(document: Any, fault: ErrorDetails, tried: Set[Part]) -> Part:
    """Where the fault is, or the innermost part around it that there is."""
    place = fault["loc"]
    for depth, key in enumerate(place):
        try:
            document = document[key]
        except (LookupError, TypeError):
            lacks = fault["type"] == "missing" and depth == len(place) - 1
            return place if lacks and place not in tried else place[:depth]
    return place


def _leave_out(document: Any, part: Part, tried: set[Part]) -> set[Part]:
    """First null, then nothing. Returns the parts that were left out before, this one too."""
    *above, last = part
    with suppress(LookupError, TypeError):  # it went with what was around it
        for key in above:
            document = document[key]
        if isinstance(document, list):
            del document[int(last)]
            return {each for each in tried if each[: len(above)] != tuple(above)}
        if part in tried:
            del document[last]
        else:
            document[last] = None
    return tried | {part}
