"""Settings of several values, which an environment variable has separated by commas."""

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

Value = TypeVar("Value")
_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _split(given: object) -> object:
    if not isinstance(given, str):
        return given
    return [part.strip() for part in given.split(",") if part.strip()]


def _host(given: str) -> str:
    if not _PATTERN.fullmatch(given.lower()):
        raise ValueError(
            f"expected names such as plateau.example.org or *.example.org, or *, without scheme "
            f"and port; received {given}"
        )
    return given.lower()


Separated = Annotated[tuple[Value, ...], NoDecode, BeforeValidator(_split)]
# The name of a host, or a pattern of names.
Host = Annotated[str, AfterValidator(_host)]
