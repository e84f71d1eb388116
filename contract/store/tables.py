"""The tables. A column that a poll does not need lives in a table of its own (results, epochs)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Index
from sqlmodel import Field

from contract.store.clock import UTCDateTime
from contract.store.columns import TABLES as TABLES
from contract.store.columns import Base as Base
from contract.store.columns import Document, document, listed, partial
from contract.store.status import Status


class ApiKey(Base, table=True):
    """A bearer token, of which only the hash is known here."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    name: str
    sha256: str
    scopes: list[str] = document(nullable=False)
    created_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Worker(Base, table=True):
    """One run of a worker process; `heartbeat_at` says whether it still lives."""

    __tablename__ = "workers"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    devices: list[str] = document(nullable=False)
    queues: list[str] = document(nullable=False)
    slots: int
    started_at: datetime = Field(sa_type=UTCDateTime)
    heartbeat_at: datetime = Field(sa_type=UTCDateTime, index=True)
    stopped_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


Kind = Literal["repairs", "hybrids"]


class ProofStatus(StrEnum):
    """`failed` is one that could not be judged."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class RunOf:
    """The columns of a job that is one of a proof's runs.

    `sweep_id` is that of the job it is about, where the proof began by itself: what the service
    makes of a sweep's own accord counts as the sweep's, but is no cell of it.
    """

    parent_id: str
    proof_id: str
    trial: str
    sweep_id: str | None = None


class Proof(Base, table=True):
    """Runs that settle a question about jobs, in rounds: each begins when the last one has ended.

    `id` is that of the job whose repairs are tried, or those of both jobs that are compared, as
    "a,b". `plan` has the trials of all rounds (`diagnosis.proof.trial.Trial`), `report` what they
    came to; `last_round` says that none follows the round under way.
    """

    __tablename__ = "proofs"

    id: str = Field(primary_key=True)
    kind: str
    job_id: str = Field(foreign_key="jobs.id", index=True)
    other_id: str | None = Field(default=None, foreign_key="jobs.id")
    status: str = Field(default=ProofStatus.RUNNING, index=True)
    round: int = 1
    last_round: bool = False
    seeds: list[int] = document(nullable=False)
    plan: list[dict[str, Any]] = Field(default=[], sa_column=Column(Document, nullable=False))
    report: dict[str, Any] | None = document()
    created_at: datetime = Field(sa_type=UTCDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class SweepStatus(StrEnum):
    """`failed` is one whose search broke off by a fault of ours; its jobs ran on."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class CellOf:
    """The columns of a job that is one of a sweep's runs: `cell` is its place in `Sweep.cells`."""

    sweep_id: str
    cell: int


class Sweep(Base, table=True):
    """An experiment over and over, with other values each time.

    `base` is the experiment, `plan` what is asked (`contract.sweeps.plan.Plan`), `uploads` the
    uploaded datasets that cells name, as `Job.upload` has them. `cells` has the values of each; it
    grows while a search goes on, and `round` counts its steps. `trials` is what the pruner knows of
    a cell, by its number: the last `epoch` that it was told, whether it `pruned` the cell, and
    `attrs`, its own notes. `refused` has the cells that could not be run, and why. `reason` says
    why no further jobs begin, where that was not because all had.
    """

    __tablename__ = "sweeps"
    __table_args__ = (Index("ix_sweeps_owner_id", "owner", "id"),)

    id: str = Field(primary_key=True)
    owner: str
    name: str
    status: str = Field(default=SweepStatus.RUNNING, index=True)
    reason: str | None = None
    round: int = 1
    base: dict[str, Any] = document(nullable=False)
    uploads: dict[str, Any] = document(nullable=False)
    plan: dict[str, Any] = document(nullable=False)
    cells: list[list[Any]] = document(nullable=False)
    trials: dict[str, Any] = Field(default={}, sa_column=Column(Document, nullable=False))
    refused: dict[str, str] = Field(default={}, sa_column=Column(Document, nullable=False))
    created_at: datetime = Field(sa_type=UTCDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


LOCAL = "local"  # whose all things are while keys are off
_TURN = ("status", "device", "priority", "id")


class Job(Base, table=True):
    """`fence` rises with each claim; `events` counts the job's events, so each has its number.

    `upload` is what a run needs to know of an uploaded dataset (`contract.experiment.datasets`),
    which it outlives; null for one of the catalogue. A run of a proof names that, the job it is
    about (`parent_id`) and the trial, one of a sweep that and its cell. `refused_at` is the first
    of the `refusals` in a row, `not_before` when the next try is. `train_seconds`: of epochs.
    `stored_bytes` are those of the files that the job's rows name; `uncleared` says that it ended
    while nobody held it, and has left files that no row names.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_status_device_priority_id_not_before", *_TURN, "not_before"),
        Index("ix_jobs_worker_id_status", "worker_id", "status"),
        Index("ix_jobs_owner_dataset_id", "owner", "dataset", "id"),
        *(listed(*columns) for columns in (("owner",), ("owner", "status"), ("owner", "verdict"))),
        Index("ix_jobs_proof_id_status", "proof_id", "status"),
        *(Index(None, column, "id") for column in ("sweep_id", "finished_at")),
        partial("stored_bytes > 0", "owner", "stored_bytes"),
        partial("uncleared", "id"),
    )

    id: str = Field(primary_key=True)
    owner: str
    name: str
    dataset: str
    device: str
    priority: int = 0
    spec: dict[str, Any] = document(nullable=False)
    upload: dict[str, Any] | None = document()
    retry_of: str | None = None
    parent_id: str | None = Field(default=None, index=True)
    proof_id: str | None = None
    trial: str | None = None
    sweep_id: str | None = None
    cell: int | None = None

    status: str = Status.QUEUED
    fence: int = 0
    events: int = 0
    worker_id: str | None = None
    lease_expires_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    attempts: int = 0
    crashes: int = 0
    refusals: int = 0
    refused_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UTCDateTime)

    epoch: int = 0
    epochs: int
    epoch_fraction: float = 0.0
    seconds_per_epoch: float | None = None
    train_seconds: float = 0.0
    checkpoint: dict[str, Any] | None = document()
    stored_bytes: int = Field(default=0, sa_type=BigInteger)
    uncleared: bool = False

    verdict: str | None = None
    headline: str | None = None
    metrics: dict[str, Any] | None = document()
    error: dict[str, Any] | None = document()

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
    facts: dict[str, Any] = document(nullable=False)
    report: dict[str, Any] = document(nullable=False)
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


class JobTag(Base, table=True):
    __tablename__ = "job_tags"

    tag: str = Field(primary_key=True)
    job_id: str = Field(primary_key=True, foreign_key="jobs.id", index=True)


class Result(Base, table=True):
    """What a finished run leaves beside its curve; written with the job's last status.

    A proof that has ended writes `diagnosis` once more. `artifacts` is empty once pruned;
    that of the model says of which `epoch` it is.
    """

    __tablename__ = "results"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    confusion_matrix: list[list[int]] | None = document()
    timing: dict[str, Any] = document(nullable=False)
    environment: dict[str, Any] = document(nullable=False)
    diagnosis: dict[str, Any] = document(nullable=False)
    artifacts: dict[str, Any] = document(nullable=False)


class EpochRow(Base, table=True):
    """One finished epoch, counted from 1; `seconds` is its wall time."""

    __tablename__ = "epochs"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    epoch: int = Field(primary_key=True)
    fence: int
    metrics: dict[str, Any] = document(nullable=False)
    learning_rate: float
    seconds: float
    at: datetime = Field(sa_type=UTCDateTime)


class SignalRow(Base, table=True):
    """One of a run's signals (`contract.jobs.reports.Signal`), measured after `step` steps."""

    __tablename__ = "signals"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    kind: str = Field(primary_key=True)
    step: int = Field(primary_key=True, sa_type=BigInteger)
    fence: int
    document: dict[str, Any] = document(nullable=False)


class Event(Base, table=True):
    """`seq` counts from 1 within a job, without gaps: its UPDATE of the job row hands it out."""

    __tablename__ = "events"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    seq: int = Field(primary_key=True)
    type: str
    data: dict[str, Any] = document(nullable=False)
    at: datetime = Field(sa_type=UTCDateTime)
