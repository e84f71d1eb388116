"""Curves with fewer points that look the same: each metric's minima and maxima stay.

A line of more points than the screen has columns is drawn as its minimum and maximum in each, so
that is all that has to be kept of it (Jugel et al., "M4", VLDB 2014; the first and last values of
a column, which M4 keeps too, matter for its inner pixels alone, and here are the neighbours').
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from contract.store.numbers import Number

Columns = Mapping[str, Sequence[Number]]


def thinned(columns: Columns, points: int) -> dict[str, list[Number]]:
    """At most `points` rows of `columns`, in order; all of them if there are no more.

    Kept are the first and the last, where a metric first is NaN, and in each of equal stretches
    the lowest and the highest value of each metric. `points` are at least 3 for each column.
    """
    length = max(map(len, columns.values()), default=0)
    rows = range(length) if length <= points else sorted(_kept(columns, length, points))
    return {name: [column[row] for row in rows] for name, column in columns.items()}


def _kept(columns: Columns, length: int, points: int) -> set[int]:
    # The number of an epoch has no extremes of its own: it only rises.
    curves = [column for name, column in columns.items() if name != "epoch"]
    stretches = (points - 2 - len(curves)) // (2 * len(curves))
    kept = {0, length - 1}
    for curve in curves:
        values = [math.nan if value is None else float(value) for value in curve]
        kept.update(_first_nan(curve))
        for number in range(stretches):
            start, end = (length * each // stretches for each in (number, number + 1))
            kept.update(_extremes(values, range(start, end)))
    return kept


def _first_nan(curve: Sequence[Number]) -> Iterator[int]:
    yield from [row for row, value in enumerate(curve) if value == "NaN"][:1]


def _extremes(values: Sequence[float], rows: range) -> Iterator[int]:
    known = [row for row in rows if not math.isnan(values[row])]
    if known:
        yield min(known, key=values.__getitem__)
        yield max(known, key=values.__getitem__)
