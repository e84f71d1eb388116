"""JSON as it may come in: UTF-8 that every part of the service can hold, and not too deep.

json.loads alone takes more than JSON is (RFC 8259, and RFC 7493 for what two parsers agree on):
UTF-16, members of the same name, halves of surrogate pairs, and NUL, which Postgres cannot store.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import HTTPException

from api.http.pointers import pointer
from contract.experiment.pointers import Path

# An experiment has some 10; what handles JSON by recursion fails at some hundreds.
MAX_DEPTH = 64
# Of one object; a name for each class is the most that an experiment has.
MAX_MEMBERS = 2_000
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """What `body` says. Raises HTTPException 400 with the place and the reason of what is wrong."""
    try:
        document = json.loads(_text(body), object_pairs_hook=_object)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # JSONDecodeError, or an integer of thousands of digits
        raise HTTPException(400, f"expected JSON: {error}") from None
    # Else it is not too deep, and all its text is what UTF-8 can hold.
    if b"\\u" in body or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        for path, value in _values(document):
            if len(path) >= MAX_DEPTH and isinstance(value, dict | list):
                raise _too_deep(path)
            _check_text(path, value)
    return document


def _text(body: bytes) -> str:
    if (at := body.find(0)) >= 0:
        raise HTTPException(400, f"expected JSON in UTF-8; byte {at:,} is NUL, as in UTF-16")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"expected JSON in UTF-8: {error}") from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        (twice, _), *_ = Counter(name for name, _ in members).most_common(1)
        raise ValueError(f"the member {json.dumps(twice)[:100]} is there twice in one object")
    if len(found) > MAX_MEMBERS:
        raise ValueError(
            f"an object has {len(found):,} members, of which at most {MAX_MEMBERS:,} are taken"
        )
    return found


def _values(document: Any) -> Iterator[tuple[Path, Any]]:
    """Each value with its path, those above first; by no recursion."""
    left: list[tuple[Path, Any]] = [((), document)]
    while left:
        path, value = left.pop()
        yield path, value
        if isinstance(value, dict):
            left += [((*path, name), below) for name, below in value.items()]
        elif isinstance(value, list):
            left += [((*path, number), below) for number, below in enumerate(value)]


def _check_text(path: Path, value: Any) -> None:
    for text in (value, *path[-1:]):
        if isinstance(text, str) and (found := UNSTORABLE.search(text)):
            raise HTTPException(
                400,
                f"{pointer(path)}: expected text without NUL and without halves of surrogate "
                f"pairs; received \\u{ord(found[0]):04x}",
            )


def _too_deep(path: Path = ()) -> HTTPException:
    where = f", at {pointer(path)[:100]}..." if path else ""
    return HTTPException(400, f"it is nested more than {MAX_DEPTH} levels deep{where}")
