"""One array of an npz: its header is checked against every limit before its data is read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from api.datasets.reading.archive import Archive, Entry
from api.datasets.reading.arrays import Array
from api.datasets.reading.options import (
    MAX_DIMENSIONS,
    MAX_NAME,
    MAX_VALUES,
    Limits,
    shown,
)
from api.datasets.reading.workspace import BLOCK, Spool, Workspace, spans
from contract.errors import DatasetRefused

_MAGIC = b"\x93NUMPY"
# numpy.save writes 118 bytes. Its reader takes in as many as are announced, up to 4 GiB, before
# it looks at their number, and evaluates them; so they are read here.
_MAX_HEADER_BYTES = 4_096
_ITEM = re.compile(
    r"""['"](?:descr['"]\s*:\s*['"](?P<descr>[^'"]{1,20})['"]"""
    r"""|fortran_order['"]\s*:\s*(?P<fortran>True|False)"""
    r"""|shape['"]\s*:\s*\((?P<shape>[\d,\s]*)\))\s*,?\s*"""
)
_DTYPE = re.compile(r"[<>|=]?(?P<kind>[biufSU])(?P<size>\d{1,6})")
_NUMBERS = "biuf"
_TEXTS = "US"


@dataclass(frozen=True)
class Header:
    """`bytes` is how many of them come before the data."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran: bool
    bytes: int


@dataclass(frozen=True)
class StoredArray:
    """An array that is still in its archive. `dtype` is as received, `shape` is (n, ...)."""

    name: str
    archive: Archive
    header: Header
    workspace: Workspace

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.header.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.header.shape

    def blocks(self) -> Iterator[Array]:
        """All rows in order, (rows, *shape[1:]), about BLOCK bytes at a time."""
        turned = self.header.fortran and prod(self.shape[1:]) > 1
        for block in self._turned() if turned else self._plain(self.shape):
            # Of a bool only 0 and 1 are defined; a byte of a file may be anything.
            yield block != 0 if self.dtype.kind == "b" else block

    def values(self) -> Iterator[Array]:
        """All numbers, in whatever order they lie: nothing goes to the disk."""
        return self._plain((prod(self.shape),))

    def _plain(self, shape: tuple[int, ...]) -> Iterator[Array]:
        raw = self._raw
        row_bytes = raw.itemsize * prod(shape[1:])
        with self.archive.open(self.name) as entry:
            entry.read(self.header.bytes)
            for start, stop in spans(shape[0], row_bytes):
                data = entry.read((stop - start) * row_bytes)
                yield np.frombuffer(data, raw).reshape(stop - start, *shape[1:])

    def _turned(self) -> Iterator[Array]:
        """In Fortran's order the first axis varies fastest: a row's values lie far apart."""
        rows, values = self.shape[0], prod(self.shape[1:])
        spool = self.workspace.spool(self._raw)
        for block in self._plain((rows * values,)):
            spool.append(block)
        for start, stop in spans(rows, values * self._raw.itemsize, 4 * BLOCK):
            yield self._gathered(spool, start, stop)

    def _gathered(self, spool: Spool, start: int, stop: int) -> Array:
        rows, values = self.shape[0], prod(self.shape[1:])
        block = np.empty((values, stop - start), self._raw)
        for value in range(values):
            block[value] = spool.rows(value * rows + start, value * rows + stop)
        return block.reshape(*self.shape[:0:-1], stop - start).T

    @property
    def _raw(self) -> np.dtype[np.generic]:
        return np.dtype(np.uint8) if self.dtype.kind == "b" else self.dtype


def stored_array(name: str, archive: Archive, limits: Limits, workspace: Workspace) -> StoredArray:
    """Reads the header alone. Raises DatasetRefused where the array is not one to be trained on."""
    with archive.open(name) as entry:
        header = _read_header(name, entry)
    _check_dtype(name, header.dtype)
    _check_shape(name, header, limits)
    expected = header.bytes + prod(header.shape) * header.dtype.itemsize
    if archive.sizes[name] != expected:
        raise DatasetRefused(
            f"{name} is damaged: its header says {header.dtype} {header.shape}, which takes "
            f"{expected:,} bytes, but its entry has {archive.sizes[name]:,}: save it again"
        )
    return StoredArray(name, archive, header, workspace)


def _read_header(name: str, entry: Entry) -> Header:
    start = entry.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(start[6])
    if not start.startswith(_MAGIC) or width is None:
        raise DatasetRefused(
            f"{name} is not an array: expected NumPy's format 1 to 3, received bytes that start "
            f"with {start!r}: save it with numpy.savez"
        )
    length = int.from_bytes(entry.read(width), "little")
    if length > _MAX_HEADER_BYTES:
        raise DatasetRefused(
            f"{name} has a header of {length:,} bytes; expected at most {_MAX_HEADER_BYTES:,}: "
            "save it as an array of plain numbers"
        )
    text = entry.read(length).decode("latin1").strip()
    items = [(match.lastgroup, match[match.lastgroup or 0]) for match in _ITEM.finditer(text)]
    by_name = dict(items)
    sizes = by_name.get("shape", "").replace(",", " ").split()
    rest = "".join(_ITEM.sub("", text).split())
    if (rest, len(items), len(by_name)) != ("{}", 3, 3) or any(len(size) > 15 for size in sizes):
        raise DatasetRefused(
            f"{name} has a header that is not understood: expected descr (one plain type), "
            f"fortran_order and shape; received {shown(text)}"
        )
    return Header(
        _dtype(name, by_name["descr"]),
        tuple(map(int, sizes)),
        by_name["fortran"] == "True",
        len(start) + width + length,
    )


def _dtype(name: str, descr: str) -> np.dtype[np.generic]:
    """Only of letters that stand for numbers and text: no other is even looked up."""
    if _DTYPE.fullmatch(descr):
        try:
            return np.dtype(descr)
        except (TypeError, ValueError):
            pass
    objects = "; objects are pickles, which are never read" if "O" in descr else ""
    raise DatasetRefused(
        f"{name} has dtype {shown(descr)}; expected integers, floats or bools, or for y also text"
        f"{objects}: convert it with .astype(...)"
    )


def _check_dtype(name: str, dtype: np.dtype[np.generic]) -> None:
    kinds = _NUMBERS + (_TEXTS if name.startswith("y") else "")
    largest = 8 if dtype.kind in _NUMBERS else MAX_NAME * (4 if dtype.kind == "U" else 1)
    if dtype.kind not in kinds or not 0 < dtype.itemsize <= largest:
        raise DatasetRefused(
            f"{name} has dtype {dtype}; expected integers, floats (of 64 bits at most) or bools, "
            f"or for y also text of {MAX_NAME} characters at most: convert it with .astype(...)"
        )


def _check_shape(name: str, header: Header, limits: Limits) -> None:
    shape = header.shape
    if not 1 <= len(shape) <= MAX_DIMENSIONS + 1 or 0 in shape:
        raise DatasetRefused(
            f"{name} has shape {shown(shape)}; expected examples along the first axis, of 1 to "
            f"{MAX_DIMENSIONS} dimensions each, and none of size 0"
        )
    if shape[0] > limits.max_examples:
        raise DatasetRefused(
            f"{name} has {shape[0]:,} examples; expected at most {limits.max_examples:,}"
        )
    values = prod(shape[1:])
    # A row of Fortran's order is gathered from as many places as it has values.
    turned = header.fortran and values > limits.max_columns
    most = limits.max_columns if turned else MAX_VALUES
    if values > most:
        raise DatasetRefused(
            f"{name} has {values:,} values an example; expected at most {most:,}"
            + (" in Fortran's order: use numpy.ascontiguousarray" if turned else "")
        )
