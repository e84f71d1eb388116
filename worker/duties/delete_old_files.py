"""What is let go of jobs that ended long ago: models, signals, and the events of epochs."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy import String, cast, delete, exists, literal, or_, tuple_, update
from sqlmodel import Session, col, select

from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.clock import UTCDateTime, now
from contract.store.database import Database
from contract.store.tables import Event, Job, Result, SignalRow
from worker.duties.clock_drift import Drift

log = logging.getLogger(__name__)

# When a job ended, and which.
Ended: TypeAlias = tuple[datetime, str]
START: Ended = (datetime.min.replace(tzinfo=UTC), "")
_AT_ONCE = 100
_DAY = 86_400


def prune(
    settings: Settings,
    database: Database,
    store: ArtifactStore,
    since: Ended = START,
    drift: Drift | None = None,
) -> Ended:
    """Keep to `Settings.retain_days`. Several at once are safe: all of it can be done twice.

    Looks at the jobs that ended after `since`; returns what the next look can begin with. Files go
    once no row names them; where that is interrupted, `delete_leftovers` finds them. By what the
    clock has jumped ahead (`drift`) jobs are younger than they seem.
    """
    if not settings.retain_days:
        return since
    seconds = settings.retain_days * _DAY + (drift.ahead() if drift else 0.0)
    with database.reading() as session:
        until = session.scalars(select(now(-seconds))).one()
    while due := _due(database, since, until):
        job_ids = [job_id for _, job_id in due]
        with database.writing() as session:
            _forget(session, job_ids)
        for job_id in job_ids:
            store.delete(f"jobs/{job_id}")
        log.info("%d jobs that ended long ago were pruned", len(due))
        since = due[-1]
    return until, ""


def _due(database: Database, since: Ended, until: datetime) -> Sequence[Ended]:
    """The first to have ended first."""
    of_epochs = exists().where(col(Event.job_id) == Job.id, col(Event.type) == "epoch")
    named = cast(Result.artifacts, String) != "{}"
    with_files = exists().where(col(Result.job_id) == Job.id, named)
    at = col(Job.finished_at), col(Job.id)
    due = [
        tuple_(*at) > tuple_(literal(since[0], UTCDateTime), since[1]),
        at[0] < until,
        or_(of_epochs, with_files, col(Job.checkpoint).is_not(None)),
    ]
    with database.reading() as session:
        rows = session.execute(select(*at).where(*due).order_by(*at).limit(_AT_ONCE))
        return [(finished_at, job_id) for finished_at, job_id in rows]


def _forget(session: Session, job_ids: Sequence[str]) -> None:
    """Statuses stay, as the jobs' transitions, and so do results and curves, first losses too."""
    of_epochs = [col(Event.job_id).in_(job_ids), col(Event.type) == "epoch"]
    session.execute(delete(Event).where(*of_epochs))
    beyond_curve = [col(SignalRow.job_id).in_(job_ids), col(SignalRow.kind) != "losses"]
    session.execute(delete(SignalRow).where(*beyond_curve))
    session.execute(update(Result).where(col(Result.job_id).in_(job_ids)).values(artifacts={}))
    pruned = update(Job).where(col(Job.id).in_(job_ids))
    session.execute(pruned.values(checkpoint=None, stored_bytes=0))
