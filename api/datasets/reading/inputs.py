"""Inputs as they are stored, and what is seen of them on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from api.datasets.reading.arrays import Array
from api.datasets.reading.npy import StoredArray
from api.datasets.reading.options import shown
from contract.errors import DatasetRefused

# A range of twice this is still a float32, so that scaling by it is finite.
_LARGEST = 1e38
# Above this, float32 has no longer every whole number.
EXACT = 2**24
_WHOLE = np.iinfo(np.int32)

Kind = Literal["uint8", "int32", "float32"]


@dataclass(frozen=True)
class Inputs:
    """`blocks` yields all examples in order, (rows, values) of the dtype `kind`.

    `received` is the dtype that was sent, `columns` the names of a table's features.
    """

    examples: int
    shape: tuple[int, ...]
    kind: Kind
    received: str
    blocks: Callable[[], Iterator[Array]]
    columns: tuple[str, ...] | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """As they are stored."""
        return np.dtype(self.kind)

    @property
    def values(self) -> int:
        """How many numbers one example has."""
        return prod(self.shape)


def of_arrays(parts: list[StoredArray]) -> Inputs:
    """uint8 stays what it is, and integers within 32 bits stay whole; all else becomes float32,
    bools 0 and 1."""
    first = parts[0]
    shape = first.shape[1:] or (1,)
    for part in parts:
        if (part.shape[1:] or (1,)) != shape or _is_bytes(part) != _is_bytes(first):
            raise DatasetRefused(
                f"{first.name} and {part.name} must agree in all but the number of examples; "
                f"received {first.dtype} {first.shape} and {part.dtype} {part.shape}"
            )

    kind: Kind = "uint8" if _is_bytes(first) else "float32"
    if kind == "float32" and all(map(_is_whole, parts)):
        kind = "int32"

    def blocks() -> Iterator[Array]:
        for part in parts:
            for block in part.blocks():
                rows = block.reshape(len(block), prod(shape))
                yield rows.astype(np.int32) if kind == "int32" else as_stored(rows, part.name)

    return Inputs(
        sum(part.shape[0] for part in parts),
        shape,
        kind,
        first.dtype.name,
        blocks,
    )


def _is_bytes(array: StoredArray) -> bool:
    return array.dtype == np.uint8


def _is_whole(array: StoredArray) -> bool:
    """Whether it holds integers that int32 has; where its dtype does not tell, all are looked at.

    Those of 64 bits are what NumPy makes of a list.
    """
    if array.dtype.kind not in "iu":
        return False
    if np.can_cast(array.dtype, np.int32):
        return True
    return all(_WHOLE.min <= block.min() and block.max() <= _WHOLE.max for block in array.values())


def as_stored(block: Array, name: str) -> Array:
    """`block` as uint8 if it is that, else as float32. Raises DatasetRefused if it does not fit."""
    if block.dtype == np.uint8:
        return block
    stored: Array = block.astype(np.float32)
    size = np.abs(stored)
    if not (size <= _LARGEST).all():
        too_large = (size > _LARGEST) & ~np.isinf(block)
        if too_large.any():
            raise DatasetRefused(
                f"{name} has the value {shown(block[too_large][0].item())}; expected numbers "
                f"between -{_LARGEST:g} and {_LARGEST:g}: they are kept as float32"
            )
    return stored


class Spread:
    """Least and greatest value of each place in an example; what is not finite is only counted."""

    def __init__(self, values: int) -> None:
        self.low = np.full(values, np.nan, np.float32)
        self.high = np.full(values, np.nan, np.float32)
        self.not_finite = 0

    def see(self, rows: Array) -> None:
        """`rows` is (n, values); n may be 0."""
        if not len(rows):
            return
        if rows.dtype.kind == "f" and not (finite := np.isfinite(rows)).all():
            self.not_finite += rows.size - int(np.count_nonzero(finite))
            rows = np.where(finite, rows, np.float32(np.nan))
            low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
        else:
            low, high = rows.min(axis=0), rows.max(axis=0)
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)

    @property
    def constant(self) -> Array:
        """Indices of the places that never change, or are never finite."""
        return np.flatnonzero(~(self.low < self.high))

    @property
    def range(self) -> tuple[float, float] | None:
        """None if nothing was finite."""
        if np.isnan(self.low).all():
            return None
        return float(np.nanmin(self.low)), float(np.nanmax(self.high))
