"""Ids: of what kind a thing is, and a ULID, so that later things have greater ids."""

import re
from datetime import datetime

from ulid import ULID

ULID_FORM = "[0-9A-HJKMNP-TV-Z]{26}"


class Kind:
    """The ids of one kind of things.

    `form` is a regular expression to put into others, `pattern` one for a field of pydantic (whose
    `$`, unlike Python's, is the end and nothing before it).
    """

    def __init__(self, name: str) -> None:
        self.prefix = f"{name}_"
        self.form = f"{self.prefix}{ULID_FORM}"
        self.pattern = f"^{self.form}$"
        self._whole = re.compile(self.form).fullmatch

    def new(self) -> str:
        """An id that no other thing has."""
        return f"{self.prefix}{ULID()}"

    def fits(self, text: str) -> bool:
        """Whether `text` can be an id.

        What cannot is not in the database, and Postgres refuses to look for some of it.
        """
        return self._whole(text) is not None


def made_at(id_: str) -> datetime:
    """When an id of any kind was made, by the clock of the process that made it."""
    return ULID.from_str(id_.partition("_")[2]).datetime


JOB = Kind("job")
SWEEP = Kind("sweep")
DATASET = Kind("ds")
KEY = Kind("key")
WORKER = Kind("worker")
REQUEST = Kind("req")
