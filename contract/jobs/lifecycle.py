"""Every change of a job, each one conditional UPDATE (docs/lifecycle.md tells the whole story).

Functions take a session that the caller commits. A worker's change names its `Claim`; None or
False means that the job is someone else's now: stop, and write nothing more.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import and_, case, literal, null
from sqlmodel import Session, String, col, select
from sqlmodel.sql.expression import Select

from contract.errors import Conflict, NotFound
from contract.jobs.claimed import (
    acknowledge_cancel,
    crashed,
    fail,
    keep,
    record,
    release,
    renew,
    step_back,
    succeed,
)
from contract.jobs.leases import leases, reap
from contract.jobs.refusals import due, refused
from contract.jobs.reports import Checkpoint, FinishedEpoch
from contract.jobs.transition import Claim, event, move, write
from contract.store.clock import now
from contract.store.status import TERMINAL, Status, leading_to
from contract.store.tables import Job

__all__ = [
    "Checkpoint",
    "Claim",
    "FinishedEpoch",
    "acknowledge_cancel",
    "cancel",
    "claim",
    "claim_next",
    "crashed",
    "fail",
    "keep",
    "leases",
    "queued_for",
    "reap",
    "record",
    "refused",
    "release",
    "renew",
    "step_back",
    "succeed",
]


def claim(
    session: Session, job_id: str, *, worker_id: str, devices: Iterable[str], lease_seconds: float
) -> Job | None:
    """Take a queued job for a worker that serves `devices`: raises the fence, sets the lease."""
    return move(
        session,
        Status.RUNNING,
        [col(Job.id) == job_id, col(Job.device).in_(list(devices))],
        {"worker": worker_id},
        fence=Job.fence + 1,
        attempts=Job.attempts + 1,
        worker_id=worker_id,
        lease_expires_at=now(lease_seconds),
        started_at=case((col(Job.started_at).is_(None), now()), else_=col(Job.started_at)),
    )


def claim_next(
    session: Session, *, worker_id: str, devices: Sequence[str], lease_seconds: float
) -> Job | None:
    """Claim the job whose turn it is; None when none is left for `devices`."""
    # Not what another worker is taking: it may have frozen over it.
    turn = queued_for(devices, 1).with_for_update(skip_locked=True)
    while (waiting := session.exec(turn).first()) is not None:
        job = claim(
            session, waiting[0], worker_id=worker_id, devices=devices, lease_seconds=lease_seconds
        )
        if job is not None:
            return job
        # Another worker was quicker.
    return None


def cancel(session: Session, job_id: str, reason: str | None = None) -> Job:
    """Cancel a queued job at once, ask a running one to stop; asking again changes nothing.

    `reason` is told by the event. Raises NotFound, and Conflict when the job has ended otherwise.
    """
    queued = col(Job.status) == Status.QUEUED
    from_ = leading_to(Status.CANCELLING) | {Status.QUEUED}
    # One UPDATE decides between the two: a claim may come in between two of them.
    job = write(
        session,
        [col(Job.id) == job_id, col(Job.status).in_(from_)],
        status=case(
            (queued, literal(Status.CANCELLED, String)), else_=literal(Status.CANCELLING, String)
        ),
        finished_at=case((queued, now()), else_=None),
        checkpoint=case((queued, null()), else_=col(Job.checkpoint)),
        # Nobody holds it who could remove what it has left.
        uncleared=and_(queued, col(Job.attempts) > 0),
        events=Job.events + 1,
        updated_at=now(),
    )
    if job is not None:
        told = {} if reason is None else {"reason": reason}
        session.add(event(job, "status", {"status": job.status, **told}))
        session.flush()
        return job
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    if job.status in TERMINAL - {Status.CANCELLED}:
        raise Conflict(f"{job_id} has ended already: it is {job.status}.")
    return job


def cancelling(session: Session, job_ids: Iterable[str]) -> set[Claim]:
    """The claims on those of the jobs that were asked to stop."""
    asked = col(Job.status) == Status.CANCELLING
    rows = session.exec(select(Job.id, Job.fence).where(col(Job.id).in_(list(job_ids)), asked))
    return {Claim(job_id, fence) for job_id, fence in rows}


def queued_for(devices: Iterable[str], limit: int) -> Select[str, str]:
    """The queued jobs, (id, device), that a worker serving `devices` could take, the first first.

    Higher priorities come before lower ones, and older jobs before newer ones. Those that wait for
    their next try are left out.
    """
    return (
        select(Job.id, Job.device)
        .where(
            col(Job.status) == Status.QUEUED,
            col(Job.device).in_(list(devices)),
            due(col(Job.not_before)),
        )
        .order_by(col(Job.priority).desc(), col(Job.id))
        .limit(limit)
    )
