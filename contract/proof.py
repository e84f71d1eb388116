"""The table of proofs (`contract.tables` has all others), and what makes a job a run of one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Column
from sqlmodel import Field

from contract.clock import UTCDateTime
from contract.schema import Base, Document, document

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
    "a,b". `plan` has the trials of all rounds (`diagnosis.trials.Trial`), `report` what they came
    to; `last_round` says that none follows the round under way.
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
