"""Jobs that have ended and are no longer wanted: their rows, and then their files.

With a job go the proofs that it has a part in, and their runs, which show nothing without it.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, or_, update
from sqlmodel import Session, col, select

from contract.errors import Conflict
from contract.store.status import TERMINAL
from contract.store.tables import (
    EpochRow,
    Event,
    Idempotency,
    Job,
    JobTag,
    Proof,
    ProofStatus,
    Result,
    SignalRow,
    Sweep,
    SweepStatus,
)

_OF_JOBS = (Idempotency, JobTag, Result, EpochRow, SignalRow, Event)


def delete_job(session: Session, job_id: str) -> list[str]:
    """Delete the rows of a job and of the runs that go with it: the ids of all of them.

    Their files are to go once this is committed. Raises Conflict where one of them has not ended,
    or a proof or a sweep goes on that needs one.
    """
    jobs, proofs = _together(session, job_id)
    for proof in proofs:
        if proof.status == ProofStatus.RUNNING:
            raise Conflict(
                f"{job_id} has a part in the proof {proof.id}, which is running: wait for its end"
                + (f", or POST /v1/jobs/{proof.job_id}/repairs/cancel" * (proof.kind == "repairs"))
            )
    for job in jobs:
        _check(session, job, job_id)
    for job in jobs:
        _hand_on_key(session, job)
    ids = [job.id for job in jobs]
    for table in _OF_JOBS:
        session.execute(delete(table).where(col(table.job_id).in_(ids)))
    session.execute(delete(Proof).where(col(Proof.id).in_([proof.id for proof in proofs])))
    session.execute(delete(Job).where(col(Job.id).in_(ids)))
    return ids


def _together(session: Session, job_id: str) -> tuple[Sequence[Job], Sequence[Proof]]:
    """The job, the proofs that it or one of their runs has a part in, and their runs; locked.

    The row of a job is locked before its proofs are looked for: then none can begin any more.
    """
    jobs = _locked(session, [col(Job.id) == job_id])
    while True:
        ids = [job.id for job in jobs]
        about = or_(col(Proof.job_id).in_(ids), col(Proof.other_id).in_(ids))
        proofs = session.exec(select(Proof).where(about)).all()
        runs = col(Job.proof_id).in_([proof.id for proof in proofs])
        more = _locked(session, [or_(runs, col(Job.id).in_(ids))])
        if len(more) == len(jobs):
            return jobs, proofs
        jobs = more


def _locked(session: Session, where: Sequence[ColumnElement[bool]]) -> Sequence[Job]:
    """In one order, so that two who delete wait for each other and never deadlock."""
    return session.exec(select(Job).where(*where).order_by(col(Job.id)).with_for_update()).all()


def _check(session: Session, job: Job, asked: str) -> None:
    """Raises Conflict unless nobody works on `job`, or with it."""
    what = asked if job.id == asked else f"{job.id}, which goes with {asked},"
    if job.status not in TERMINAL:
        raise Conflict(f"{what} is {job.status}: cancel it first, or wait for its end.")
    proof = session.get(Proof, job.proof_id) if job.proof_id else None
    if proof is not None and proof.status == ProofStatus.RUNNING:
        raise Conflict(f"{what} is a run of the proof {proof.id}, which is running: wait for it.")
    sweep = session.get(Sweep, job.sweep_id) if job.sweep_id else None
    if sweep is not None and sweep.status == SweepStatus.RUNNING:
        raise Conflict(
            f"{what} is a run of {sweep.id}, which is running: POST /v1/sweeps/{sweep.id}/cancel, "
            "or wait for its end."
        )


def _hand_on_key(session: Session, job: Job) -> None:
    """The key that made a sweep is kept with its first job, and for as long as it has any."""
    if job.sweep_id is None:
        return
    others = select(func.min(Job.id)).where(Job.sweep_id == job.sweep_id, Job.id != job.id)
    heir = session.exec(others).one()
    if heir is not None:
        own = update(Idempotency).where(col(Idempotency.job_id) == job.id)
        session.execute(own.values(job_id=heir))
