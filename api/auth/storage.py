"""What an owner stores: uploaded datasets, and the files of jobs, which are checkpoints while a job
waits or trains, and then its model with its scaling."""

from heapq import nlargest
from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, text
from sqlmodel import Session, col, select

from api.auth.caller import Caller
from contract.errors import TooManyBytes
from contract.settings import Settings
from contract.store.status import TERMINAL
from contract.store.tables import Dataset, Job

_SECONDS = 60
# As the index has it that leads to them.
_HAS_FILES = text("stored_bytes > 0")


class Large(BaseModel):
    """Something that can be deleted."""

    url: str = Field(description="path on this server, to GET or to DELETE")
    name: str
    bytes: int


class Usage(BaseModel):
    """What the caller stores."""

    object: Literal["usage"] = "usage"
    stored_bytes: int = Field(description="in all; while jobs train, with their checkpoints")
    dataset_bytes: int = Field(description="of uploaded datasets")
    job_bytes: int = Field(description="of models, scalings and checkpoints")
    max_stored_bytes: int | None = Field(
        description="beyond which neither uploads nor jobs are taken; null while keys are off"
    )
    largest: list[Large] = Field(
        description="uploads, and jobs that have ended, whose deletion frees most; at most 10"
    )


def usage(session: Session, caller: Caller, settings: Settings) -> Usage:
    """What the caller stores, in bytes, by the rows that name files."""
    datasets, jobs = _totals(session, caller.owner)
    return Usage(
        stored_bytes=datasets + jobs,
        dataset_bytes=datasets,
        job_bytes=jobs,
        max_stored_bytes=None if caller.key_id is None else settings.max_stored_bytes,
        largest=_largest(session, caller.owner, 10),
    )


def check_bytes(session: Session, owner: str, settings: Settings, adding: int) -> None:
    """Raises TooManyBytes if `adding` bytes more would be too many."""
    stored = sum(_totals(session, owner))
    if stored + adding > settings.max_stored_bytes:
        found = [f"{each.url} ({each.bytes:,} bytes)" for each in _largest(session, owner, 3)]
        advice = f"DELETE what is not needed, such as {', '.join(found)}"
        raise TooManyBytes(
            f"{owner} may store {settings.max_stored_bytes:,} bytes of datasets, models and "
            f"checkpoints (PLATEAU_MAX_STORED_BYTES), and has {stored:,}; {adding:,} more do not "
            f"fit: {advice if found else 'cancel jobs that wait or train'}",
            _SECONDS,
        )


def _totals(session: Session, owner: str) -> tuple[int, int]:
    """Of datasets, and of jobs."""
    datasets = session.exec(select(func.sum(Dataset.bytes)).where(Dataset.owner == owner)).one()
    own = select(func.sum(Job.stored_bytes)).where(Job.owner == owner, _HAS_FILES)
    return int(datasets or 0), int(session.exec(own).one() or 0)


def _largest(session: Session, owner: str, count: int) -> list[Large]:
    uploads = session.exec(
        select(Dataset.id, Dataset.name, Dataset.bytes)
        .where(Dataset.owner == owner)
        .order_by(col(Dataset.bytes).desc())
        .limit(count)
    )
    ended: list[ColumnElement[bool]] = [col(Job.owner) == owner, col(Job.status).in_(TERMINAL)]
    jobs = session.exec(
        select(Job.id, Job.name, Job.stored_bytes)
        .where(*ended, _HAS_FILES)
        .order_by(col(Job.stored_bytes).desc())
        .limit(count)
    )
    found = [
        Large(url=f"/v1/{kind}/{id_}", name=name, bytes=size)
        for kind, rows in (("datasets", uploads), ("jobs", jobs))
        for id_, name, size in rows
    ]
    return nlargest(count, found, key=lambda each: each.bytes)
