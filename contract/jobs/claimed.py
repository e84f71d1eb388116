"""What the worker that holds a claim may do with its job.

False means that the job is someone else's now: stop, and write nothing more.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from contract.jobs.reports import Checkpoint, FinishedEpoch, Signal
from contract.jobs.transition import ENDED, LET_GO, Claim, event, move, write
from contract.store.clock import now
from contract.store.status import Status
from contract.store.tables import EpochRow, Job, Result, SignalRow


def renew(session: Session, held: Claim, *, lease_seconds: float, epoch_fraction: float) -> bool:
    """Extend the lease; `epoch_fraction` is the share done of the epoch under way."""
    lease = now(lease_seconds)
    job = write(session, held.where, lease_expires_at=lease, epoch_fraction=epoch_fraction)
    return job is not None


def record(
    session: Session,
    held: Claim,
    epochs: Sequence[FinishedEpoch],
    signals: Sequence[Signal],
    checkpoint: Checkpoint,
    *,
    lease_seconds: float,
) -> bool:
    """Store finished epochs, and the `signals` that were measured meanwhile, with the checkpoint
    that makes them final. Forgives past crashes and refusals.

    `epochs` go on where the job's last one ended. Recording them again, after a commit whose
    answer was lost, changes nothing.
    """
    seconds = sum(epoch.seconds for epoch in epochs)
    job = write(
        session,
        [*held.where, col(Job.epoch) == epochs[0].epoch - 1],
        epoch=epochs[-1].epoch,
        epoch_fraction=0.0,
        seconds_per_epoch=seconds / len(epochs),
        train_seconds=Job.train_seconds + seconds,
        **_going_on_from(checkpoint),
        crashes=0,
        refusals=0,
        refused_at=None,
        lease_expires_at=now(lease_seconds),
        events=Job.events + len(epochs),
        updated_at=now(),
    )
    if job is None:
        done = session.exec(select(Job.epoch).where(*held.where)).one_or_none()
        return done == epochs[-1].epoch
    for seq, epoch in enumerate(epochs, job.events - len(epochs) + 1):
        row = {"job_id": job.id, "fence": held.fence, "at": job.updated_at, **vars(epoch)}
        session.add(EpochRow(**row))
        data = {"epoch": epoch.epoch, "metrics": epoch.metrics}
        session.add(event(job, "epoch", data, seq=seq))
    session.add_all(
        SignalRow(job_id=job.id, fence=held.fence, **vars(signal))
        for signal in _unknown(session, job.id, signals)
    )
    session.flush()
    return True


def _unknown(session: Session, job_id: str, signals: Sequence[Signal]) -> list[Signal]:
    """Those not stored yet: a run that took a step back measures some a second time."""
    since = min((signal.step for signal in signals), default=0)
    rows = select(SignalRow.kind, SignalRow.step).where(
        col(SignalRow.job_id) == job_id, col(SignalRow.step) >= since
    )
    known = {tuple(row) for row in session.exec(rows)}
    return [signal for signal in signals if (signal.kind, signal.step) not in known]


def keep(session: Session, held: Claim, checkpoint: Checkpoint, *, lease_seconds: float) -> bool:
    """Point to a checkpoint that covers no epoch beyond those recorded.

    A run that took a step back comes by them again; their rows stay as they were told.
    """
    lease = now(lease_seconds)
    job = write(session, held.where, **_going_on_from(checkpoint), lease_expires_at=lease)
    return job is not None


def succeed(
    session: Session,
    held: Claim,
    result: Result,
    *,
    metrics: dict[str, float],
    verdict: str,
    headline: str,
) -> bool:
    """End a run that came to its end, well or badly; a job that is being cancelled is cancelled."""
    outcome = {"metrics": metrics, "verdict": verdict, "headline": headline}
    kept = {"stored_bytes": sum(each.get("bytes", 0) for each in result.artifacts.values())}
    if move(session, Status.SUCCEEDED, held.where, {}, **outcome, **(ENDED | kept)) is None:
        return acknowledge_cancel(session, held)
    session.add(result)
    session.flush()
    return True


def fail(
    session: Session, held: Claim, error: dict[str, str], checkpoint: Checkpoint | None = None
) -> bool:
    """End a run that cannot succeed; `error` has code, message and hint.

    `checkpoint` is kept, of a run that was cut short.
    """
    values = ENDED | _going_on_from(checkpoint)
    failed = move(session, Status.FAILED, held.where, error, error=error, **values)
    return failed is not None or acknowledge_cancel(session, held)


def acknowledge_cancel(session: Session, held: Claim) -> bool:
    """End a job that was asked to stop, now that its trainer has.

    The functions around it try their own edge first and this one last: a cancel that arrives in
    between is then seen, and nothing leads back from cancelling.
    """
    return _cancelled(session, held.where)


def release(
    session: Session, held: Claim, reason: str, checkpoint: Checkpoint | None = None
) -> bool:
    """Give a job back unharmed (the worker stops): it goes on elsewhere from its checkpoint."""
    values = {} if checkpoint is None else _going_on_from(checkpoint)
    return requeue(session, held.where, reason, **values) or acknowledge_cancel(session, held)


def step_back(session: Session, held: Claim, reason: str, before: Checkpoint | None) -> bool:
    """Give a job back whose checkpoint is no use: it goes on from the one before, or its start."""
    to = _going_on_from(before)
    return requeue(session, held.where, reason, **to) or acknowledge_cancel(session, held)


def crashed(
    session: Session,
    held: Claim,
    reason: str,
    *,
    max_crashes: int,
    also: Sequence[ColumnElement[bool]] = (),
    uncleared: bool = False,
) -> bool:
    """Queue a job again whose trainer or worker died; after `max_crashes` in a row it fails.

    In a row means without an epoch in between: what dies at the same place each time is the
    job's own doing. `also` narrows the UPDATE's WHERE; `uncleared` says that whoever asks for this
    has no hand on the job's files.
    """
    where = [*held.where, *also]
    error = {
        "code": "crashed",
        "message": f"The run died {max_crashes} times without finishing an epoch: {reason}",
        "hint": "Most often this is memory: try a smaller batch_size or model.",
    }
    crashes, ended = Job.crashes + 1, ENDED | {"uncleared": uncleared}
    last = [*where, col(Job.crashes) + 1 >= max_crashes]
    return (
        move(session, Status.FAILED, last, error, error=error, crashes=crashes, **ended) is not None
        or requeue(session, where, reason, crashes=crashes)
        or _cancelled(session, where, **ended)
    )


def requeue(
    session: Session, where: Sequence[ColumnElement[bool]], reason: str, **values: Any
) -> bool:
    """Give a job back; `reason` is told by the event, `values` go with the UPDATE."""
    values |= {**LET_GO, "epoch_fraction": 0.0}
    return move(session, Status.QUEUED, where, {"reason": reason}, **values) is not None


def _cancelled(session: Session, where: Sequence[ColumnElement[bool]], **values: Any) -> bool:
    cancelling = col(Job.status) == Status.CANCELLING
    ended = ENDED | values
    return move(session, Status.CANCELLED, [*where, cancelling], {}, **ended) is not None


def _going_on_from(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """The columns of a job that has this checkpoint, and no other file."""
    if checkpoint is None:
        return {"checkpoint": None, "stored_bytes": 0}
    return {"checkpoint": checkpoint.to_dict(), "stored_bytes": checkpoint.stored_bytes}
