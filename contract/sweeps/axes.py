"""The axes of a sweep: what varies, and the cells that come of it. Pure functions.

An axis is a JSON pointer into an experiment, with a list of values or a range of numbers. A cell is
a value for each axis, in the order of the axes.
"""

import json
import math
import random
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import Field, JsonValue, WithJsonSchema

from contract.errors import SpecRefused
from contract.experiment import pointers
from contract.experiment.base import Flag, Part, Real
from contract.experiment.unions import NUMBER, WHOLE, ByKind, kind_of

Pointer = Annotated[str, Field(strict=True, max_length=200, pattern=r"^(/([^~/]|~[01])+)+$")]
_LARGEST = 1_000_000_000_000


def _kept(value: Any) -> str | None:
    """A whole number that is too large for one is read as another number."""
    kind = kind_of(value)
    return NUMBER if kind == WHOLE and abs(value) > _LARGEST else kind


Number = Annotated[
    Annotated[int, Field(strict=True, ge=-_LARGEST, le=_LARGEST)] | Real, ByKind(_kept)
]
Value = Annotated[JsonValue, WithJsonSchema({"description": "any JSON"})]
MAX_AXES, MAX_VALUES = 20, 1_000
Values = Annotated[tuple[Value, ...], Field(min_length=1, max_length=MAX_VALUES)]
Cell = Sequence[Any]
# Draws that only find what was drawn before: then the cells are nearly used up.
_TRIES = 100
_COUNTABLE = 100_000


class Range(Part):
    """Numbers from `low` to `high`, both included; whole ones where both are written as such.

    `log` draws evenly by order of magnitude; `step` takes low, low + step, and so on.
    """

    low: Number = Field(description="least number")
    high: Number = Field(description="greatest number, if the steps come to it")
    log: Flag = Field(False, description="whether all orders of magnitude are as likely")
    step: Number | None = Field(
        None, description="from one number to the next; null is 1 for whole ones, else none"
    )

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole ones."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def pace(self) -> int | float | None:
        """Between neighbours; None where there is a number between any two."""
        return 1 if self.step is None and self.whole else self.step

    @property
    def size(self) -> float:
        """How many numbers there are."""
        if self.low == self.high:
            return 1
        return math.inf if self.pace is None else self._steps + 1

    @property
    def last(self) -> int | float:
        """The greatest number: `high`, unless the steps end before it."""
        return self.high if self.pace is None else self.at(self._steps)

    @property
    def _steps(self) -> int:
        if self.pace is None:
            return 0
        # 0.3 / 0.1 is a little less than 3.
        return math.floor((self.high - self.low) / self.pace + 1e-9)

    def numbers(self) -> list[int | float]:
        """All of them, where they can be counted."""
        return [self.at(step) for step in range(int(self.size))]

    def at(self, step: int) -> int | float:
        """The number after `step` steps from `low`, at most `high`."""
        value = min(self.high, self.low + step * (self.pace or 0))
        return value if self.whole else float(value)


Axis = Annotated[Values | Range, ByKind()]
Axes = Mapping[str, Values | Range]


def placed(document: Any, axes: Axes, cell: Cell) -> Any:
    """A copy of `document`, JSON, with the cell's values where the axes point.

    Objects that lead there and are missing are made. Raises SpecRefused, with the axis, where
    something else is in the way.
    """
    for pointer, value in zip(axes, cell, strict=True):
        try:
            document = pointers.put(document, pointers.split(pointer), value)
        except LookupError as error:
            at = pointers.join(("axes", pointer))
            raise SpecRefused(at, f"{pointer} leads nowhere: {error}") from None
    return document


def size(axes: Axes) -> float:
    """How many different cells there can be."""
    sizes = [axis.size if isinstance(axis, Range) else len(axis) for axis in axes.values()]
    return math.prod(sizes)


def grid(axes: Axes) -> list[Cell]:
    """Every cell of axes that are lists, the last axis varying first."""
    return list(product(*(axis for axis in axes.values() if not isinstance(axis, Range))))


def drawn(axes: Axes, seed: int, known: Sequence[Cell] = ()) -> Iterator[Cell]:
    """Cells at random, none twice and none of `known`, by `seed` alone.

    All that there are in the end, where these can be counted.
    """
    seen = {key(cell) for cell in known}
    randomly = random.Random(seed)
    while (cell := _unseen(axes, randomly, seen)) is not None:
        seen.add(key(cell))
        yield cell


def _unseen(axes: Axes, randomly: random.Random, seen: Container[str]) -> Cell | None:
    for _ in range(_TRIES):
        cell = tuple(_draw(axis, randomly) for axis in axes.values())
        if key(cell) not in seen:
            return cell
    if size(axes) > _COUNTABLE:
        return None
    every = [axis.numbers() if isinstance(axis, Range) else axis for axis in axes.values()]
    left = [cell for cell in product(*every) if key(cell) not in seen]
    return randomly.choice(left) if left else None


def key(value: Any) -> str:
    """The same for the same JSON, and for nothing else: 1 and true are two values."""
    return json.dumps(value, sort_keys=True)


def _draw(axis: Values | Range, randomly: random.Random) -> Any:
    if not isinstance(axis, Range):
        return randomly.choice(axis)
    if axis.log:
        return _within(axis, _logarithmic(axis, randomly.uniform))
    if axis.pace is not None:
        return axis.at(randomly.randrange(int(axis.size)))
    return _within(axis, randomly.uniform(axis.low, axis.high))


def _logarithmic(axis: Range, uniform: Callable[[float, float], float]) -> float:
    """Whole numbers have half of the way to their neighbours on either side, the ends too."""
    margin = 0.5 if axis.whole else 0.0
    value = math.exp(uniform(math.log(axis.low - margin), math.log(axis.high + margin)))
    return round(value) if axis.whole else value


def _within(axis: Range, value: float) -> float:
    """Rounding may lead a little out."""
    return max(axis.low, min(axis.high, value))
