"""The zip around an npz: its directory is found sound before anything in it is inflated."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from typing import IO

from api.datasets.reading.options import Limits, listed, shown
from api.datasets.reading.workspace import Workspace
from contract.errors import DatasetRefused

PARTED = ("x_train", "y_train", "x_test", "y_test")
WHOLE = ("x", "y")
# Each form may have the weights of the examples, too: those of the training part.
FORMS = (WHOLE, (*WHOLE, "w"), PARTED, (*PARTED, "w_train"))
# Signature, disk, disk of the directory, entries here and in all, the directory's bytes and
# offset, the comment's length (APPNOTE.TXT 4.3.16).
_END = struct.Struct("<4s4H2LH")
_LOCAL_HEADER_BYTES = 30
_LOCATOR_BYTES = 20
# zipfile takes the directory into memory at once; five entries take 400 bytes.
_MAX_DIRECTORY_BYTES = 16_384
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
_SAVE = "save it with numpy.savez"


class Archive:
    """An npz whose directory was checked; `sizes` are the bytes of each array's entry."""

    def __init__(self, source: Path, limits: Limits, workspace: Workspace) -> None:
        directory, count = _check_end(source)
        with _damage("the zip directory"):
            self._zip = workspace.enter_context(zipfile.ZipFile(source))
        entries = self._zip.infolist()
        # A NUL ends a `filename`; not so this one.
        self.names = _check_names([entry.orig_filename for entry in entries], count)
        _check_places(entries, directory)
        self.sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in entries}
        if (total := sum(self.sizes.values())) > limits.max_dataset_bytes:
            raise DatasetRefused(
                f"expected arrays of at most {limits.max_dataset_bytes:,} bytes in all "
                f"(PLATEAU_MAX_DATASET_BYTES); received {total:,}: send fewer examples, or "
                "smaller numbers (uint8, float32)"
            )

    @contextmanager
    def open(self, name: str) -> Iterator["Entry"]:
        """The array `name`, from its first byte."""
        with _damage(name):
            file = self._zip.open(f"{name}.npy")
        with file:
            yield Entry(name, file)


class Entry:
    """One array's bytes as they are inflated, never more of them than were declared."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name = name
        self._file = file

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        with _damage(self._name):
            data = self._file.read(size)
        if len(data) < size:
            raise DatasetRefused(
                f"{self._name} is cut off: expected {size:,} more bytes, received {len(data):,}: "
                f"{_SAVE}, and send the whole file"
            )
        return data


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DatasetRefused(f"{what} is damaged ({shown(str(error))}): {_SAVE}") from error


def _check_end(source: Path) -> tuple[int, int]:
    """Where the directory starts, and how many entries it has.

    It must be followed by the end record, and this by nothing.

    So zipfile, which looks for other ends as well, finds the same one.
    """
    with source.open("rb") as file:
        size = file.seek(0, SEEK_END)
        file.seek(max(0, size - _END.size - _LOCATOR_BYTES))
        tail = file.read()
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise DatasetRefused(
            "expected an npz, a zip archive of arrays; received a file that does not end as one, "
            f"or was cut off: {_SAVE}, and send the whole file"
        )
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack(end)
    plain = (disk, first_disk, comment) == (0, 0, 0) and here == entries
    zip64 = tail[: -_END.size].startswith(b"PK\6\7")
    if not plain or zip64 or offset + length + _END.size != size or length > _MAX_DIRECTORY_BYTES:
        raise DatasetRefused(
            f"the zip directory is not that of an npz: expected {len(FORMS[-1])} entries at "
            f"most, in {_MAX_DIRECTORY_BYTES:,} bytes just before the end, no comment, one disk; "
            f"received {entries:,} entries in {length:,} bytes at {offset:,} of {size:,}: {_SAVE}"
        )
    return int(offset), int(entries)


def _check_names(received: list[str], count: int) -> tuple[str, ...]:
    for names in FORMS:
        if sorted(received) == sorted(f"{name}.npy" for name in names) and len(names) == count:
            return names
    raise DatasetRefused(
        "expected the arrays x and y, or x_train, y_train, x_test and y_test, perhaps the weights "
        "w or w_train, and nothing else; "
        f"received {listed(received) or 'none'}, of {count:,} announced: name them in "
        "numpy.savez(file, x=..., y=...)"
    )


def _check_places(entries: list[zipfile.ZipInfo], directory: int) -> None:
    """Entries must be plain, and lie one after the other between the start and the directory."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.flag_bits & 1:
            raise DatasetRefused(f"{entry.filename} is encrypted: send it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DatasetRefused(
                f"{entry.filename} is compressed by method {entry.compress_type}; expected stored "
                f"or deflated: {_SAVE} or numpy.savez_compressed"
            )
        start = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.filename)
        stored = entry.compress_type == zipfile.ZIP_STORED
        same = not stored or entry.compress_size == entry.file_size
        if entry.header_offset < end or start + entry.compress_size > directory or not same:
            raise DatasetRefused(
                f"{entry.filename} lies where it cannot: its {entry.compress_size:,} bytes at "
                f"{entry.header_offset:,} overlap others, or are not as many as declared: {_SAVE}"
            )
        end = start + entry.compress_size
