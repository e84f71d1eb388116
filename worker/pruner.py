"""What is let go of jobs that ended long ago: models, signals, and the events of epochs."""

import logging
from collections.abc import Sequence

from sqlalchemy import String, cast, delete, exists, or_, update
from sqlmodel import Session, col, select

from contract.artifacts import ArtifactStore
from contract.clock import now
from contract.database import Database
from contract.settings import Settings
from contract.status import TERMINAL
from contract.tables import Event, Job, Result, SignalRow

log = logging.getLogger(__name__)

_AT_ONCE = 100
_DAY = 86_400


def prune(settings: Settings, database: Database, store: ArtifactStore) -> None:
    """Keep to `Settings.retain_days`. Several at once are safe: all of it can be done twice.

    Files go before the rows that name them: what is interrupted is found again.
    """
    seconds = settings.retain_days * _DAY
    while seconds and (job_ids := _due(database, seconds)):
        for job_id in job_ids:
            store.delete(f"jobs/{job_id}")
        with database.writing() as session:
            _forget(session, job_ids)
        log.info("%d jobs that ended long ago were pruned", len(job_ids))


def _due(database: Database, seconds: float) -> Sequence[str]:
    of_epochs = exists().where(col(Event.job_id) == Job.id, col(Event.type) == "epoch")
    named = cast(Result.artifacts, String) != "{}"
    with_files = exists().where(col(Result.job_id) == Job.id, named)
    due = [
        col(Job.status).in_(TERMINAL),
        col(Job.finished_at) < now(-seconds),
        or_(of_epochs, with_files),
    ]
    with database.reading() as session:
        return session.exec(select(Job.id).where(*due).limit(_AT_ONCE)).all()


def _forget(session: Session, job_ids: Sequence[str]) -> None:
    """Statuses stay, as the jobs' transitions, and so do results and curves, first losses too."""
    of_epochs = [col(Event.job_id).in_(job_ids), col(Event.type) == "epoch"]
    session.execute(delete(Event).where(*of_epochs))
    beyond_curve = [col(SignalRow.job_id).in_(job_ids), col(SignalRow.kind) != "losses"]
    session.execute(delete(SignalRow).where(*beyond_curve))
    session.execute(update(Result).where(col(Result.job_id).in_(job_ids)).values(artifacts={}))
