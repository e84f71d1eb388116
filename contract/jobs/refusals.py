"""Jobs that their worker could not train: each waits ever longer for its next try, and others pass.

Whether the node is at fault or the job cannot be told from one try. That others trained meanwhile,
where this one could not, tells it.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from contract.jobs.claimed import acknowledge_cancel, requeue
from contract.jobs.transition import ENDED, Claim, move
from contract.store.clock import now
from contract.store.status import Status
from contract.store.tables import EpochRow, Job

# Longer, each time, than a slot pauses: else the job would be first again when the pause is over.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 4.0, 300.0
# About a day: so long a disk may be full, or a store away, until that costs a job.
_LAST_REFUSAL = 300
_HINTS = {
    "storage_full": "It needs more room than there is for its files, most of all its checkpoints "
    "(with Adam 12 bytes a parameter, and two are kept): make the model smaller, or make room "
    "where PLATEAU_VAR_DIR and PLATEAU_ARTIFACTS_URL point.",
    "node_unfit": "The worker's log has the trace: mend what it names, and retry the job.",
}


def due(not_before: Any) -> ColumnElement[bool]:
    """Whether a queued job may be claimed. A wait that is longer than the longest is none: the
    clock was set back."""
    longest = now(_LONGEST_WAIT_SECONDS)
    return or_(not_before.is_(None), not_before <= now(), not_before > longest)


def refused(
    session: Session,
    held: Claim,
    *,
    code: str,
    reason: str,
    tried_seconds: float,
    max_refusals: int,
) -> bool:
    """Give a job back that its worker cannot train, for `reason`.

    It fails, with `code`, after `max_refusals` in a row (without an epoch in between) if other
    jobs trained on that worker meanwhile. If none did, the node may be at fault, and the job has a
    day. It waits for twice the `tried_seconds` at least, up to five minutes: a slot's time is for
    the others. `code` is storage_full or node_unfit. Returns as `contract.jobs.claimed` does.
    """
    before = session.exec(select(Job.refusals).where(*held.where)).one_or_none()
    if before is None:
        return False
    times = before + 1
    if times >= max_refusals and _failed(session, held, code, reason, times):
        return True
    wait = max(_FIRST_WAIT_SECONDS * 2**before, 2 * tried_seconds)
    told = f"its worker could not train it ({times} in a row): {reason}"
    given_back = requeue(
        session,
        held.where,
        told,
        refusals=times,
        refused_at=func.coalesce(col(Job.refused_at), now()),
        not_before=now(min(wait, _LONGEST_WAIT_SECONDS)),
    )
    return given_back or acknowledge_cancel(session, held)


def _failed(session: Session, held: Claim, code: str, reason: str, times: int) -> bool:
    error = {
        "code": code,
        "message": f"No worker could train it, {times} times in a row: {reason}",
        "hint": _HINTS[code],
    }
    where = held.where if times >= _LAST_REFUSAL else [*held.where, _others_trained()]
    failed = move(session, Status.FAILED, where, error, error=error, refusals=times, **ENDED)
    return failed is not None


def _others_trained() -> ColumnElement[bool]:
    """On the same worker, since the job was first refused."""
    other = aliased(Job)
    return exists().where(
        and_(
            col(other.worker_id) == col(Job.worker_id),
            col(other.id) != col(Job.id),
            col(other.updated_at) > col(Job.refused_at),
            col(EpochRow.job_id) == other.id,
            col(EpochRow.at) > col(Job.refused_at),
        )
    )
