"""What the list of workers reads."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import func
from sqlmodel import Session, col, select

from api.http.pages import Limit
from contract.store.status import HELD
from contract.store.tables import Job, Worker


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


def busy_slots(session: Session, worker_ids: Iterable[str]) -> dict[str, int]:
    """How many jobs each worker holds; those that hold none are left out."""
    rows = session.exec(
        select(Job.worker_id, func.count())
        .where(col(Job.worker_id).in_(list(worker_ids)), col(Job.status).in_(HELD))
        .group_by(Job.worker_id)
    )
    return {worker_id: count for worker_id, count in rows if worker_id is not None}
