"""What the routes read, each in a fixed number of statements."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field
from sqlalchemy import (
    JSON,
    Connection,
    Row,
    Select,
    asc,
    bindparam,
    desc,
    exists,
    type_coerce,
    union_all,
)
from sqlalchemy import select as columns_of
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from api.fields import Fields, selected
from contract.datasets import CATALOGUE, AnyDatasetName
from contract.spec import Tag
from contract.status import Status
from contract.tables import TABLES, Dataset, EpochRow, Event, Job, JobTag

Limit = Annotated[int, Field(ge=1, le=100, description="items a page")]
Seq = Annotated[int, Field(ge=0, lt=2**31)]
_JOB_ID = r"^job_[0-9A-Z]{26}$"
Epoch = tuple[int, Mapping[Any, Any], float, float]
# Of a job: an object of a session, what was selected of its columns, or what was inserted.
JobRow: TypeAlias = Job | Row[Any] | SimpleNamespace


class JobFilter(BaseModel, extra="forbid"):
    """Several statuses mean any of them, several tags all; runs of proofs come by `parent` only."""

    status: list[Status] = []
    verdict: Annotated[str | None, Field(pattern=r"^[a-z_]{1,50}$")] = None
    dataset: AnyDatasetName | None = None
    tag: Annotated[list[Tag], Field(max_length=20)] = []
    parent: Annotated[
        str | None, Field(pattern=_JOB_ID, description="the job that runs help to explain")
    ] = None
    after: Annotated[
        str | None, Field(pattern=_JOB_ID, description="id of the previous page's last job")
    ] = None
    limit: Limit = 20
    order: Annotated[
        Literal["asc", "desc"], Field(description="asc: oldest first; desc: newest first")
    ] = "desc"
    fields: Fields = []


class JobPoll(BaseModel, extra="forbid"):
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=60,
            allow_inf_nan=False,
            description="seconds to wait for the job's next change of status or next epoch, unless "
            "If-None-Match says that the client does not have what is there now",
        ),
    ] = 0
    fields: Fields = []


class EventPage(BaseModel, extra="forbid"):
    after: Annotated[Seq, Field(description="seq of the last event seen")] = 0
    limit: Limit = 20


class DatasetPage(BaseModel, extra="forbid"):
    kind: Annotated[
        Literal["upload", "catalogue"] | None, Field(description="only uploads, or none")
    ] = None
    after: Annotated[
        AnyDatasetName | None, Field(description="id of the previous page's last dataset")
    ] = None
    limit: Limit = 20


def jobs(connection: Connection, owner: str, wanted: JobFilter) -> tuple[Sequence[JobRow], bool]:
    """In the wanted order, and whether there are more."""
    direction = desc if wanted.order == "desc" else asc
    whatever_status = _filtered(owner, wanted)
    # Each status is a range of an index that is in order; several at once are none.
    pages = [
        whatever_status.where(col(Job.status) == status).order_by(direction(_id_in(wanted)))
        for status in dict.fromkeys(wanted.status)
    ] or [whatever_status.order_by(direction(_id_in(wanted)))]
    limit = wanted.limit + 1
    merged = union_all(*(columns_of(page.limit(limit).subquery()) for page in pages))
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
        # All ids are beyond "job_": SQLite sees a range of the tag's index, and begins there.
        statement = statement.where(col(JobTag.tag) == wanted.tag[0], id_ > "job_")
    if wanted.verdict:
        statement = statement.where(col(Job.verdict) == wanted.verdict)
    if wanted.dataset:
        statement = statement.where(col(Job.dataset) == wanted.dataset)
    if wanted.after:
        statement = statement.where(
            id_ < wanted.after if wanted.order == "desc" else id_ > wanted.after
        )
    for tag in wanted.tag[1:]:
        other = aliased(JobTag)
        tagged = exists().where(col(other.job_id) == id_, col(other.tag) == tag)
        statement = statement.where(tagged)
    return statement


def job(connection: Connection, job_id: str, fields: frozenset[str]) -> JobRow:
    """What is answered with `fields` of a job that is there."""
    return connection.execute(_one(columns(fields)), {"id": job_id}).one()


def job_state(connection: Connection, job_id: str) -> JobRow | None:
    """What a poll's tag and the place in the queue follow from, and whose the job is."""
    return connection.execute(_one(_STATE), {"id": job_id}).first()


def columns(fields: frozenset[str]) -> tuple[Any, ...]:
    """What to read of a job that is answered with `fields`."""
    return _WITH_SPEC if "spec" in fields else _WITHOUT_SPEC


def _all_but(*names: str) -> tuple[Any, ...]:
    return tuple(column for column in TABLES["jobs"].columns if column.name not in names)


_WITH_SPEC = _all_but("upload", "checkpoint")
_WITHOUT_SPEC = _all_but("upload", "checkpoint", "spec")
_STATE = tuple(
    TABLES["jobs"].columns[name]
    for name in ("id", "owner", "status", "device", "events", "epoch_fraction", "updated_at")
)


@cache
def _one(selected: tuple[Any, ...]) -> Select[Any]:
    """Built once: to build it costs more than to run it."""
    return columns_of(*selected).where(TABLES["jobs"].c.id == bindparam("id"))


def tags(connection: Connection, job_ids: Iterable[str]) -> dict[str, list[str]]:
    """Each job's tags as they were posted, out of specs that are not loaded."""
    posted = type_coerce(col(Job.spec), JSON)["tags"]
    rows = connection.execute(columns_of(col(Job.id), posted).where(col(Job.id).in_(job_ids)))
    return {job_id: found or [] for job_id, found in rows}


def transitions(connection: Connection, job_ids: Iterable[str]) -> dict[str, list[Any]]:
    """The events of each job that tell of a status, in order: their seq, data and time."""
    found: dict[str, list[Any]] = defaultdict(list)
    for event in connection.execute(_TRANSITIONS, {"ids": list(job_ids)}):
        found[event.job_id].append(event)
    return found


_EVENTS = TABLES["events"].c
_TRANSITIONS = (
    columns_of(_EVENTS.job_id, _EVENTS.seq, _EVENTS.data, _EVENTS.at)
    .where(_EVENTS.job_id.in_(bindparam("ids", expanding=True)), _EVENTS.type == "status")
    .order_by(_EVENTS.job_id, _EVENTS.seq)
)


def events(session: Session, job_id: str, page: EventPage) -> tuple[Sequence[Event], bool]:
    """Oldest first, and whether there are more."""
    rows = session.exec(
        select(Event)
        .where(Event.job_id == job_id, Event.seq > page.after)
        .order_by(col(Event.seq))
        .limit(page.limit + 1)
    ).all()
    return rows[: page.limit], len(rows) > page.limit


def epochs(session: Session, job_id: str) -> Sequence[Epoch]:
    """(epoch, metrics, learning rate, seconds) of the finished epochs."""
    return session.exec(
        select(EpochRow.epoch, EpochRow.metrics, EpochRow.learning_rate, EpochRow.seconds)
        .where(EpochRow.job_id == job_id)
        .order_by(col(EpochRow.epoch))
    ).all()


def uploads(session: Session, owner: str, page: DatasetPage) -> Sequence[Dataset]:
    """Newest first, and one more than the page takes where there are more."""
    if page.kind == "catalogue" or page.after in CATALOGUE:
        return []
    statement = select(Dataset).where(Dataset.owner == owner).order_by(col(Dataset.id).desc())
    if page.after:
        statement = statement.where(Dataset.id < page.after)
    return session.exec(statement.limit(page.limit + 1)).all()
