"""The table of sweeps (`contract.tables` has all others), and what makes a job a run of one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field

from contract.clock import UTCDateTime
from contract.schema import Base, Document, document


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

    `base` is the experiment, `plan` what is asked (`contract.plan.Plan`), `uploads` the uploaded
    datasets that cells name, as `contract.tables.Job.upload` has them. `cells` has the values of
    each; it grows while a search goes on, and `round` counts its steps. `trials` is what the pruner
    knows of a cell, by its number: the last `epoch` that it was told, whether it `pruned` the
    cell, and `attrs`, its own notes. `refused` has the cells that could not be run, and why.
    `reason` says why no further jobs begin, where that was not because all had.
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
