"""The file that is kept of a dataset: an npz, of the same bytes for the same data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from api.datasets.reading.arrays import Array


class Canonical:
    """An npz of uncompressed arrays, written block by block."""

    def __init__(self, path: Path) -> None:
        self._zip = ZipFile(path, "w", ZIP_STORED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()

    @contextmanager
    def array(
        self, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]
    ) -> Iterator[Callable[[Array], None]]:
        """Yields the function that takes the next rows; there must be shape[0] of them in all."""
        # A ZipInfo is of 1980 unless told otherwise.
        with self._zip.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(entry, header)
            yield lambda rows: _write(entry.write, np.ascontiguousarray(rows, dtype))


def _write(write: Callable[[memoryview], int], rows: Array) -> None:
    if rows.size:
        write(rows.data)
