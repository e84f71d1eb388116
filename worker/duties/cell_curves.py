"""What the cells of a sweep reached after each epoch: read once, since it never changes."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from sqlalchemy import JSON, and_, or_, select, type_coerce
from sqlmodel import Session, col

from contract.store.tables import EpochRow
from contract.sweeps.cells import Run

# Runs a statement: SQLite before 3.32 takes 999 parameters.
_AT_ONCE = 400


class Curves:
    """Of one sweep, by a metric. A worker that dies loses nothing: its successor reads all anew.

    A value is 8 bytes; there are as many of them as epochs, and as many again for the cells' means.
    """

    def __init__(self, metric: str) -> None:
        self._value = type_coerce(col(EpochRow.metrics), JSON)[metric]
        self._runs: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._means: dict[tuple[str, ...], array[float]] = defaultdict(lambda: array("d"))

    def read(self, session: Session, runs: Sequence[Run]) -> None:
        """Take over the epochs that the runs have recorded since, and no others."""
        moved = [run for run in runs if run.epoch > len(self._runs[run.job_id])]
        for start in range(0, len(moved), _AT_ONCE):
            for job_id, value in self._since(session, moved[start : start + _AT_ONCE]):
                self._runs[job_id].append(value)

    def of(self, runs: Sequence[Run]) -> Sequence[float]:
        """A cell's mean over its runs after each epoch, from the first one on.

        Of the epochs that none of those under way has still to reach: what is among these stays
        as it is, whatever the runs do next.
        """
        own = [self._runs[run.job_id] for run in runs]
        under_way = [run.epoch for run in runs if not run.ended]
        common = min(under_way) if under_way else max(map(len, own), default=0)
        means = self._means[tuple(run.job_id for run in runs)]
        for epoch in range(len(means), common):
            means.append(fmean(curve[epoch] for curve in own if epoch < len(curve)))
        return means

    def _since(self, session: Session, runs: Sequence[Run]) -> Iterator[tuple[str, float]]:
        unread = [
            and_(
                col(EpochRow.job_id) == run.job_id,
                col(EpochRow.epoch) > len(self._runs[run.job_id]),
            )
            for run in runs
        ]
        rows: Any = session.execute(
            select(col(EpochRow.job_id), self._value)
            .where(or_(*unread))
            .order_by(col(EpochRow.job_id), col(EpochRow.epoch))
        )
        for job_id, value in rows:
            # R2 is not there where no target changes.
            yield job_id, math.nan if value is None else float(value)
