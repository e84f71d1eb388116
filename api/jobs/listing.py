"""Pages of the list of jobs. Each is a range of an index, however many jobs there are."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Select, asc, desc, exists, union_all
from sqlalchemy import select as columns_of
from sqlalchemy.orm import aliased
from sqlmodel import col

from api.http.pages import Limit
from api.jobs.fields import Fields, selected
from api.jobs.queries import JobRow, columns
from contract import ids
from contract.experiment.datasets import AnyDatasetName
from contract.experiment.spec import Tag
from contract.store.status import Status
from contract.store.tables import TABLES, Job, JobTag


class JobFilter(BaseModel):
    """Several statuses mean any of them, several tags all; runs of proofs come by `parent` only."""

    status: list[Status] = []
    verdict: Annotated[str | None, Field(pattern=r"^[a-z_]{1,50}$")] = None
    dataset: AnyDatasetName | None = None
    tag: Annotated[list[Tag], Field(max_length=20)] = []
    parent: Annotated[
        str | None, Field(pattern=ids.JOB.pattern, description="the job that runs help to explain")
    ] = None
    sweep: Annotated[str | None, Field(pattern=ids.SWEEP.pattern)] = None
    after: Annotated[
        str | None, Field(pattern=ids.JOB.pattern, description="id of the previous page's last job")
    ] = None
    limit: Limit = 20
    order: Annotated[
        Literal["asc", "desc"], Field(description="asc: oldest first; desc: newest first")
    ] = "desc"
    fields: Fields = []


def page(connection: Connection, owner: str, wanted: JobFilter) -> tuple[Sequence[JobRow], bool]:
    """In the wanted order, and whether there are more."""
    direction = desc if wanted.order == "desc" else asc
    whatever_status = _filtered(owner, wanted)
    # Each status is a range of an index that is in order; several at once are none.
    parts = [
        whatever_status.where(col(Job.status) == status).order_by(direction(_id_in(wanted)))
        for status in dict.fromkeys(wanted.status)
    ] or [whatever_status.order_by(direction(_id_in(wanted)))]
    limit = wanted.limit + 1
    merged = union_all(*(columns_of(part.limit(limit).subquery()) for part in parts))
    rows = connection.execute(merged.order_by(direction("id")).limit(limit)).all()
    return rows[: wanted.limit], len(rows) > wanted.limit


def _id_in(wanted: JobFilter) -> Any:
    """What a page is in the order of: with a tag that tag's ids, each in its turn."""
    return col(JobTag.job_id) if wanted.tag else col(Job.id)


def _filtered(owner: str, wanted: JobFilter) -> Select[Any]:
    """All but the statuses, the order and the limit."""
    id_ = _id_in(wanted)
    statement = columns_of(*columns(selected(wanted.fields))).where(
        col(Job.owner) == owner, col(Job.parent_id) == wanted.parent
    )
    if wanted.tag:
        statement = statement.join_from(JobTag, Job, id_ == col(Job.id))
        # All ids are beyond their prefix: SQLite sees a range of the tag's index, and begins there.
        statement = statement.where(col(JobTag.tag) == wanted.tag[0], id_ > ids.JOB.prefix)
    exactly = {"verdict": wanted.verdict, "dataset": wanted.dataset, "sweep_id": wanted.sweep}
    for name, value in exactly.items():
        if value:
            statement = statement.where(TABLES["jobs"].c[name] == value)
    if wanted.after:
        statement = statement.where(
            id_ < wanted.after if wanted.order == "desc" else id_ > wanted.after
        )
    for tag in wanted.tag[1:]:
        other = aliased(JobTag)
        tagged = exists().where(col(other.job_id) == id_, col(other.tag) == tag)
        statement = statement.where(tagged)
    return statement
