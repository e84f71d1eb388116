"""What the runs of sweeps have reached, each question in one statement over a sweep's own jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, and_, case, func, select, type_coerce
from sqlmodel import Session, col

from contract.store.numbers import decode
from contract.store.status import TERMINAL, Status
from contract.store.tables import EpochRow, Job
from contract.sweeps.cells import Run
from contract.sweeps.plan import Objective

_STORED = ("cell", "status", "verdict", "epoch", "epochs", "train_seconds")


@dataclass
class Counts:
    """`jobs` of cells by status. The rest is of all, those of proofs that began by themselves too:
    the epochs that they have trained, the seconds that those took, and how many have not ended."""

    jobs: dict[str, int] = field(default_factory=dict)
    unended: int = 0
    epochs: int = 0
    seconds: float = 0.0


def runs(session: Session, sweep_id: str, objective: Objective) -> list[Run]:
    """All of a sweep's cells, in the order in which they were queued, in one statement."""
    last = and_(col(EpochRow.job_id) == Job.id, col(EpochRow.epoch) == Job.epoch)
    measured = col(Job.metrics) if objective.final else col(EpochRow.metrics)
    value = type_coerce(measured, JSON)[objective.metric]
    seed = type_coerce(col(Job.spec), JSON)[("training", "seed")]
    rows: Any = session.execute(
        select(
            col(Job.id).label("job_id"),
            seed.label("seed"),
            case((col(Job.status) == Status.SUCCEEDED, value)).label("value"),
            *(getattr(Job, name) for name in _STORED),
        )
        .outerjoin(EpochRow, last)
        .where(col(Job.sweep_id) == sweep_id, col(Job.cell).is_not(None))
        .order_by(col(Job.id))
    ).mappings()
    return [Run(**{**row, "value": decode(row["value"])}) for row in rows]


def counts(session: Session, sweep_ids: Sequence[str]) -> Mapping[str, Counts]:
    """What of each sweep's jobs is in each status, and what they have trained so far."""
    rows: Any = session.execute(
        select(
            col(Job.sweep_id),
            col(Job.status),
            func.count(),
            func.count(col(Job.cell)),
            func.sum(Job.epoch),
            func.sum(Job.train_seconds),
        )
        .where(col(Job.sweep_id).in_(sweep_ids))
        .group_by(col(Job.sweep_id), col(Job.status))
    )
    found = {sweep_id: Counts() for sweep_id in sweep_ids}
    for sweep_id, status, jobs, of_cells, epochs, seconds in rows:
        if of_cells:
            found[sweep_id].jobs[status] = of_cells
        found[sweep_id].unended += 0 if status in TERMINAL else jobs
        found[sweep_id].epochs += epochs
        found[sweep_id].seconds += seconds
    return found
