"""The formats that a file may be uploaded in. A new one is a reader, and its entry here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from api.datasets.reading.csv_table import read_table
from api.datasets.reading.npz import read_npz
from api.datasets.reading.options import Limits, Wanted
from api.datasets.reading.source import Source
from api.datasets.reading.workspace import Workspace


@dataclass(frozen=True)
class Format:
    """`media_types` are those of the Content-Type; each such file, and no other, begins with
    `magic`, which is empty for text."""

    media_types: tuple[str, ...]
    magic: bytes
    read: Callable[[Path, Wanted, Limits, Workspace], Source]


# The order in which a file of an unknown format is looked at: text last.
FORMATS = {
    "npz": Format(("application/x-npz", "application/zip"), b"PK\3\4", read_npz),
    "csv": Format(("text/csv",), b"", read_table),
}
if TYPE_CHECKING:
    Media: TypeAlias = str
else:
    Media = Literal[tuple(FORMATS)]


def format_of(path: Path) -> Media:
    """The format that the file's first bytes tell."""
    with path.open("rb") as file:
        head = file.read(max(len(known.magic) for known in FORMATS.values()))
    return next(name for name, known in FORMATS.items() if head.startswith(known.magic))
