"""The tables. A column that a poll does not need lives in a table of its own (results, epochs)."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column, Dialect, Index, MetaData
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from contract.clock import UTCDateTime
from contract.numbers import encode
from contract.status import Status

# Whose all things are while keys are off.
LOCAL = "local"


class Base(SQLModel):
    """Constraint names are fixed, so that migrations can name them on both databases."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Document(TypeDecorator[Any]):
    """JSON whose non-finite numbers are strings: SQLite turns NaN to NULL, Postgres refuses it."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return encode(value)


def _document(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(Document, nullable=nullable))


class Job(Base, table=True):
    """`fence` rises with each claim; `events` counts the job's events, so each has its number.

    `upload` is what the run needs to know of an uploaded dataset (`contract.datasets.Upload`): it
    outlives the dataset. Null for a dataset of the catalogue.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_status_device_id", "status", "device", "id"),
        Index("ix_jobs_worker_id_status", "worker_id", "status"),
        Index("ix_jobs_owner_id", "owner", "id"),
    )

    id: str = Field(primary_key=True)
    owner: str
    name: str
    dataset: str = Field(index=True)
    device: str
    priority: int = 0
    spec: dict[str, Any] = _document(nullable=False)
    upload: dict[str, Any] | None = _document()
    retry_of: str | None = None

    status: str = Status.QUEUED
    fence: int = 0
    events: int = 0
    worker_id: str | None = None
    lease_expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    attempts: int = 0
    crashes: int = 0

    epoch: int = 0
    epochs: int
    epoch_fraction: float = 0.0
    seconds_per_epoch: float | None = None
    checkpoint: dict[str, Any] | None = _document()

    verdict: str | None = Field(default=None, index=True)
    headline: str | None = None
    metrics: dict[str, Any] | None = _document()
    error: dict[str, Any] | None = _document()

    created_at: datetime = Field(sa_type=UTCDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    updated_at: datetime = Field(sa_type=UTCDateTime)


class Dataset(Base, table=True):
    """An uploaded dataset. `facts` is what a spec is checked against, `report` what was found."""

    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_owner_id", "owner", "id"),)

    id: str = Field(primary_key=True)
    owner: str
    name: str
    facts: dict[str, Any] = _document(nullable=False)
    report: dict[str, Any] = _document(nullable=False)
    key: str
    sha256: str
    bytes: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=UTCDateTime)


class Idempotency(Base, table=True):
    """The first request that an owner made with an Idempotency-Key, and the job that came of it.

    `request` is the SHA-256 of what was asked.
    """

    __tablename__ = "idempotency_keys"

    owner: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request: str
    job_id: str = Field(foreign_key="jobs.id")
    created_at: datetime = Field(sa_type=UTCDateTime)


class ApiKey(Base, table=True):
    """A bearer token, of which only the hash is known here."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    name: str
    sha256: str
    scopes: list[str] = _document(nullable=False)
    created_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class JobTag(Base, table=True):
    __tablename__ = "job_tags"

    tag: str = Field(primary_key=True)
    job_id: str = Field(primary_key=True, foreign_key="jobs.id", index=True)


class Result(Base, table=True):
    """What a finished run leaves beside its curve; written once, with the job's last status."""

    __tablename__ = "results"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    confusion_matrix: list[list[int]] | None = _document()
    timing: dict[str, Any] = _document(nullable=False)
    environment: dict[str, Any] = _document(nullable=False)
    diagnosis: dict[str, Any] = _document(nullable=False)
    artifacts: dict[str, Any] = _document(nullable=False)


class EpochRow(Base, table=True):
    """One finished epoch, counted from 1; `seconds` is its wall time."""

    __tablename__ = "epochs"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    epoch: int = Field(primary_key=True)
    fence: int
    metrics: dict[str, Any] = _document(nullable=False)
    learning_rate: float
    seconds: float
    at: datetime = Field(sa_type=UTCDateTime)


class Event(Base, table=True):
    """`seq` counts from 1 within a job, without gaps: its UPDATE of the job row hands it out."""

    __tablename__ = "events"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    seq: int = Field(primary_key=True)
    type: str
    data: dict[str, Any] = _document(nullable=False)
    at: datetime = Field(sa_type=UTCDateTime)


class Worker(Base, table=True):
    """One run of a worker process; `heartbeat_at` says whether it still lives."""

    __tablename__ = "workers"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    devices: list[str] = _document(nullable=False)
    queues: list[str] = _document(nullable=False)
    slots: int
    started_at: datetime = Field(sa_type=UTCDateTime)
    heartbeat_at: datetime = Field(sa_type=UTCDateTime, index=True)
    stopped_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
