"""Rows of numbers that are kept on disk, because memory is not to grow with the dataset."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike

from api.datasets.reading.arrays import Array

# Bytes of a dataset that are looked at together.
BLOCK = 1 << 20


class Spool:
    """Rows, each of shape `row`, in a file without a name; all are appended before any is read."""

    def __init__(self, file: BinaryIO, dtype: DTypeLike, row: tuple[int, ...] = ()) -> None:
        self.dtype = np.dtype(dtype)
        self.row = row
        self.length = 0
        self._file = file
        self._row_bytes = self.dtype.itemsize * prod(row)

    def append(self, rows: Array) -> None:
        """Write rows, (n, *row), behind those that are there."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.length += len(rows)

    def rows(self, start: int, stop: int) -> Array:
        """Rows `start` to `stop`, (stop - start, *row); read-only."""
        # Not through the file's buffer: of a few bytes it would read 8 kB.
        self._file.flush()
        size = (stop - start) * self._row_bytes
        data = os.pread(self._file.fileno(), size, start * self._row_bytes)
        return np.frombuffer(data, self.dtype).reshape(stop - start, *self.row)

    def blocks(self) -> Iterator[Array]:
        """All rows in order, about BLOCK bytes at a time."""
        for start, stop in spans(self.length, self._row_bytes):
            yield self.rows(start, stop)


class Workspace(ExitStack):
    """Temporary files in `folder`, closed at the end, with whatever else was entered."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def spool(self, dtype: DTypeLike, row: tuple[int, ...] = ()) -> Spool:
        """An empty one, whose file goes with this workspace."""
        file = self.enter_context(TemporaryFile(dir=self.folder))  # noqa: SIM115
        return Spool(cast(BinaryIO, file), dtype, row)


def spans(rows: int, row_bytes: int, block: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Where blocks of `rows` start and stop: of `block` bytes, but of a row at least."""
    step = max(1, block // row_bytes)
    return ((start, min(start + step, rows)) for start in range(0, rows, step))
