"""The formats that a file may be uploaded in. A new one is a reader, and its entry here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from api.datasets.reading.options import Limits, Wanted

if TYPE_CHECKING:
    from api.datasets.reading.source import Source
    from api.datasets.reading.workspace import Workspace

    Reader: TypeAlias = Callable[[Path, Wanted, Limits, Workspace], Source]


@dataclass(frozen=True)
class Format:
    """`media_types` are those of the Content-Type; each such file, and no other, begins with
    `magic`, which is empty for text. `reader` loads what reads it."""

    media_types: tuple[str, ...]
    magic: bytes
    reader: "Callable[[], Reader]"


# The readers are imported late, with the first upload: NumPy takes 12 MB.
def _npz() -> "Reader":
    from api.datasets.reading.npz import read_npz

    return read_npz


def _csv() -> "Reader":
    from api.datasets.reading.csv_table import read_table

    return read_table


# The order in which a file of an unknown format is looked at: text last.
FORMATS = {
    "npz": Format(("application/x-npz", "application/zip"), b"PK\3\4", _npz),
    "csv": Format(("text/csv",), b"", _csv),
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
