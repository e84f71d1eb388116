"""The conditional UPDATE behind every change of a job, and the event that goes with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col

from contract.store.clock import now
from contract.store.status import HELD, Status, leading_to
from contract.store.tables import Event, Job

LET_GO: dict[str, Any] = {"worker_id": None, "lease_expires_at": None}
# The worker stays named: it is the one that ran the job.
ENDED: dict[str, Any] = {
    "lease_expires_at": None,
    "finished_at": now(),
    "checkpoint": None,
    "stored_bytes": 0,
}


@dataclass(frozen=True)
class Claim:
    """The right to write to a job until someone claims it with a higher fence."""

    job_id: str
    fence: int

    @property
    def where(self) -> list[ColumnElement[bool]]:
        """Holds for the job's row as long as the claim does."""
        return [
            col(Job.id) == self.job_id,
            col(Job.fence) == self.fence,
            col(Job.status).in_(HELD),
        ]


def move(
    session: Session,
    target: Status,
    where: Iterable[ColumnElement[bool]],
    data: dict[str, Any],
    **values: Any,
) -> Job | None:
    """The one way to a new status: an UPDATE from a status that leads there, and its event."""
    job = write(
        session,
        [*where, col(Job.status).in_(leading_to(target))],
        status=target,
        events=Job.events + 1,
        updated_at=now(),
        **values,
    )
    if job is not None:
        session.add(event(job, "status", {"status": target, **data}))
        session.flush()
    return job


def write(session: Session, where: Iterable[ColumnElement[bool]], **values: Any) -> Job | None:
    """Update the one job that `where` describes; None when there is none."""
    statement = update(Job).where(*where).values(**values).returning(Job)
    return session.scalars(
        statement, execution_options={"synchronize_session": False, "populate_existing": True}
    ).one_or_none()


def event(job: Job, type_: str, data: dict[str, Any], *, seq: int | None = None) -> Event:
    """An event of `job` as just updated; `seq` is the newest number unless told."""
    number = job.events if seq is None else seq
    return Event(job_id=job.id, seq=number, type=type_, data=data, at=job.updated_at)
