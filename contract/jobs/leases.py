"""The leases of jobs that train, and what becomes of those whose worker fell silent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from contract.jobs.claimed import crashed
from contract.jobs.transition import Claim
from contract.store.clock import now
from contract.store.status import HELD
from contract.store.tables import Job


@dataclass(frozen=True)
class Lease:
    """Of the claim `held`, as it was read; each renewal sets another `until`.

    `expired` is by the database's clock, which may have jumped.
    """

    held: Claim
    until: datetime
    expired: bool


def leases(session: Session) -> Sequence[Lease]:
    """Of all jobs that a worker holds."""
    until = col(Job.lease_expires_at)
    rows = session.exec(
        # In one order, so that two reapers wait for each other and never deadlock.
        select(Job.id, Job.fence, until, until < now())
        .where(col(Job.status).in_(HELD))
        .order_by(Job.id)
    ).all()
    return [Lease(Claim(id_, fence), at, over) for id_, fence, at, over in rows if at]


def reap(session: Session, silent: Iterable[Lease], *, max_crashes: int) -> int:
    """Let the jobs go on elsewhere whose leases these still are. Returns how many.

    Such a job is queued again, or ends: as cancelled if that was asked, as failed after
    `max_crashes` in a row. A worker that renewed its lease meanwhile keeps its job.
    """
    reason = "its worker fell silent (killed, or cut off from the database)"
    return sum(
        crashed(
            session,
            lease.held,
            reason,
            max_crashes=max_crashes,
            also=[col(Job.lease_expires_at) == lease.until],
            uncleared=True,
        )
        for lease in silent
    )
