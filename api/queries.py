"""What the routes read, each in a fixed number of statements."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import JSON, func, type_coerce
from sqlalchemy.orm import defer
from sqlalchemy.orm.interfaces import ORMOption
from sqlmodel import Session, col, select

from api.fields import Fields, selected
from contract.clock import now
from contract.datasets import CATALOGUE, AnyDatasetName
from contract.settings import Settings
from contract.spec import Tag
from contract.status import HELD, Status
from contract.tables import Dataset, EpochRow, Event, Job, JobTag, Worker

Limit = Annotated[int, Field(ge=1, le=100, description="items a page")]
Seq = Annotated[int, Field(ge=0, lt=2**31)]
_JOB_ID = r"^job_[0-9A-Z]{26}$"
SWEEP_ID = r"^sweep_[0-9A-Z]{26}$"
Epoch = tuple[int, Mapping[Any, Any], float, float]


class JobFilter(BaseModel, extra="forbid"):
    """Several statuses mean any of them, several tags all; runs of proofs come by `parent` only."""

    status: list[Status] = []
    verdict: Annotated[str | None, Field(pattern=r"^[a-z_]{1,50}$")] = None
    dataset: AnyDatasetName | None = None
    tag: Annotated[list[Tag], Field(max_length=20)] = []
    parent: Annotated[
        str | None, Field(pattern=_JOB_ID, description="the job that runs help to explain")
    ] = None
    sweep: Annotated[str | None, Field(pattern=SWEEP_ID)] = None
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


class WorkerPage(BaseModel, extra="forbid"):
    after: Annotated[
        str | None,
        Field(pattern=r"^worker_[0-9A-Z]{26}$", description="id of the previous page's last one"),
    ] = None
    limit: Limit = 20


class DatasetPage(BaseModel, extra="forbid"):
    kind: Annotated[
        Literal["upload", "catalogue"] | None, Field(description="only uploads, or none")
    ] = None
    after: Annotated[
        AnyDatasetName | None, Field(description="id of the previous page's last dataset")
    ] = None
    limit: Limit = 20


def jobs(session: Session, owner: str, wanted: JobFilter) -> tuple[Sequence[Job], bool]:
    """In the wanted order, and whether there are more."""
    id_ = col(Job.id)
    newest_first = wanted.order == "desc"
    statement = (
        select(Job)
        .options(*columns(selected(wanted.fields)))
        .where(Job.owner == owner, col(Job.parent_id) == wanted.parent)
        .order_by(id_.desc() if newest_first else id_.asc())
        .limit(wanted.limit + 1)
    )
    if wanted.status:
        statement = statement.where(col(Job.status).in_(wanted.status))
    exactly = {"verdict": wanted.verdict, "dataset": wanted.dataset, "sweep_id": wanted.sweep}
    statement = statement.filter_by(**{name: value for name, value in exactly.items() if value})
    if wanted.after:
        statement = statement.where(id_ < wanted.after if newest_first else id_ > wanted.after)
    for tag in wanted.tag:
        tagged = select(JobTag.job_id).where(JobTag.tag == tag)
        statement = statement.where(id_.in_(tagged))
    rows = session.exec(statement).all()
    return rows[: wanted.limit], len(rows) > wanted.limit


def columns(fields: frozenset[str]) -> Sequence[ORMOption]:
    """What to load of a job that is answered with `fields`."""
    return _WITH_SPEC if "spec" in fields else _WITHOUT_SPEC


def _all_but(*names: str) -> Sequence[ORMOption]:
    return [defer(getattr(Job, name), raiseload=True) for name in names]


# Built once: to build them takes an eighth of a poll.
_WITH_SPEC = _all_but("upload", "checkpoint")
_WITHOUT_SPEC = _all_but("upload", "checkpoint", "spec")


def tags(session: Session, job_ids: Iterable[str]) -> dict[str, list[str]]:
    """Each job's tags as they were posted, out of specs that are not loaded."""
    posted = type_coerce(col(Job.spec), JSON)["tags"]
    rows = session.exec(select(Job.id, posted).where(col(Job.id).in_(list(job_ids))))
    return {job_id: found or [] for job_id, found in rows}


def transitions(session: Session, job_ids: Iterable[str]) -> dict[str, list[Event]]:
    """The events of each job that tell of a status, in order."""
    rows = session.exec(
        select(Event)
        .where(col(Event.job_id).in_(list(job_ids)), Event.type == "status")
        .order_by(col(Event.job_id), col(Event.seq))
    )
    found: dict[str, list[Event]] = defaultdict(list)
    for event in rows:
        found[event.job_id].append(event)
    return found


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


def workers(session: Session, page: WorkerPage) -> tuple[Sequence[Worker], bool]:
    """Newest first, and whether there are more."""
    statement = select(Worker).order_by(col(Worker.id).desc()).limit(page.limit + 1)
    if page.after:
        statement = statement.where(Worker.id < page.after)
    rows = session.exec(statement).all()
    return rows[: page.limit], len(rows) > page.limit


def uploads(session: Session, owner: str, page: DatasetPage) -> Sequence[Dataset]:
    """Newest first, and one more than the page takes where there are more."""
    if page.kind == "catalogue" or page.after in CATALOGUE:
        return []
    statement = select(Dataset).where(Dataset.owner == owner).order_by(col(Dataset.id).desc())
    if page.after:
        statement = statement.where(Dataset.id < page.after)
    return session.exec(statement.limit(page.limit + 1)).all()


def alive_workers(session: Session, settings: Settings) -> Sequence[Worker]:
    """Those that beat their heart within a lease's time, by the database's clock."""
    return session.exec(
        select(Worker).where(
            col(Worker.stopped_at).is_(None),
            col(Worker.heartbeat_at) > now(-settings.lease_seconds),
        )
    ).all()


def busy_slots(session: Session, worker_ids: Iterable[str]) -> dict[str, int]:
    """How many jobs each worker holds; those that hold none are left out."""
    rows = session.exec(
        select(Job.worker_id, func.count())
        .where(col(Job.worker_id).in_(list(worker_ids)), col(Job.status).in_(HELD))
        .group_by(Job.worker_id)
    )
    return {worker_id: count for worker_id, count in rows if worker_id is not None}
