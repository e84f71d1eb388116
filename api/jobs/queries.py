"""What the routes read, each in a fixed number of statements."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field
from sqlalchemy import (
    JSON,
    Connection,
    Row,
    Select,
    bindparam,
    type_coerce,
)
from sqlalchemy import select as columns_of
from sqlmodel import Session, col, select

from api.http.pages import Limit
from api.jobs import responses
from contract.store.tables import TABLES, EpochRow, Job

Seq = Annotated[int, Field(ge=0, lt=2**31)]
Epoch = tuple[int, Mapping[Any, Any], float, float]

# Of a job: an object of a session, or what was selected of its columns.
JobRow: TypeAlias = Job | Row[Any]


class EventPage(BaseModel):
    after: Annotated[Seq, Field(description="seq of the last event seen")] = 0
    limit: Limit = 20


def job(connection: Connection, job_id: str, fields: frozenset[str]) -> JobRow:
    """What is answered with `fields` of a job, which there must be."""
    return connection.execute(_one(columns(fields)), {"id": job_id}).one()


def job_state(connection: Connection, job_id: str) -> JobRow | None:
    """What a job's owner, its entity tag and its place in the queue are found by."""
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


def events(connection: Connection, job_id: str, after: int, limit: int) -> list[responses.Event]:
    """Those whose seq is greater than `after`, oldest first."""
    rows = connection.execute(_EVENTS_AFTER, {"job": job_id, "after": after, "limit": limit})
    return [
        responses.Event(job=job_id, seq=seq, type=type_, data=data, at=at)
        for seq, type_, data, at in rows
    ]


_EVENTS_AFTER = (
    columns_of(_EVENTS.seq, _EVENTS.type, _EVENTS.data, _EVENTS.at)
    .where(_EVENTS.job_id == bindparam("job"), _EVENTS.seq > bindparam("after"))
    .order_by(_EVENTS.seq)
    .limit(bindparam("limit"))
)


def epochs(session: Session, job_id: str) -> Sequence[Epoch]:
    """(epoch, metrics, learning rate, seconds) of the finished epochs."""
    return session.exec(
        select(EpochRow.epoch, EpochRow.metrics, EpochRow.learning_rate, EpochRow.seconds)
        .where(EpochRow.job_id == job_id)
        .order_by(col(EpochRow.epoch))
    ).all()
