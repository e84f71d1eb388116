"""The file that is kept of a dataset: an npz of uncompressed arrays, of the same bytes for the same
data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zipfile import ZipFile, ZipInfo

import numpy as np

from api.datasets.reading.arrays import Array


@contextmanager
def array(
    file: ZipFile, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]
) -> Iterator[Callable[[Array], None]]:
    """Yields the function that writes the next rows; there must be shape[0] of them in all."""
    # A ZipInfo is of 1980 unless told otherwise.
    with file.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(entry, header)
        yield lambda rows: _write(entry.write, np.ascontiguousarray(rows, dtype))


def _write(write: Callable[[memoryview], int], rows: Array) -> None:
    if rows.size:
        write(rows.data)
