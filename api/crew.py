"""The workers: those of a page, and those that are alive with what they do."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, Select, func
from sqlalchemy import select as columns_of
from sqlmodel import Session, col, select

from api.queries import Limit
from contract.clock import recent
from contract.settings import Settings
from contract.status import HELD
from contract.tables import TABLES, Job, Worker


class WorkerPage(BaseModel):
    after: Annotated[
        str | None,
        Field(pattern=r"^worker_[0-9A-Z]{26}$", description="id of the previous page's last one"),
    ] = None
    limit: Limit = 20


def workers(session: Session, page: WorkerPage) -> tuple[Sequence[Worker], bool]:
    """Newest first, and whether there are more."""
    statement = select(Worker).order_by(col(Worker.id).desc()).limit(page.limit + 1)
    if page.after:
        statement = statement.where(Worker.id < page.after)
    rows = session.exec(statement).all()
    return rows[: page.limit], len(rows) > page.limit


def alive(connection: Connection, settings: Settings) -> Sequence[Row[Any]]:
    """(id, queues, slots, busy) of the live workers: those that beat their heart within a lease's
    time, by the database's clock. `busy` is how many of the slots hold a job."""
    return connection.execute(_alive(settings.lease_seconds)).all()


@cache
def _alive(lease_seconds: float) -> Select[Any]:
    workers, jobs = TABLES["workers"].c, TABLES["jobs"].c
    held = columns_of(func.count()).where(jobs.worker_id == workers.id, jobs.status.in_(HELD))
    return columns_of(
        workers.id, workers.queues, workers.slots, held.scalar_subquery().label("busy")
    ).where(workers.stopped_at.is_(None), recent(workers.heartbeat_at, lease_seconds))


def busy_slots(session: Session, worker_ids: Iterable[str]) -> dict[str, int]:
    """How many jobs each worker holds; those that hold none are left out."""
    rows = session.exec(
        select(Job.worker_id, func.count())
        .where(col(Job.worker_id).in_(list(worker_ids)), col(Job.status).in_(HELD))
        .group_by(Job.worker_id)
    )
    return {worker_id: count for worker_id, count in rows if worker_id is not None}
