"""Response models for sweeps. Times, numbers and durations are as in `api.jobs.responses`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.json_numbers import Number
from contract.store.status import Status
from contract.store.tables import SweepStatus
from contract.sweeps.plan import Objective


class SweepUrls(BaseModel):
    """Paths on this server."""

    self: str = Field(description="GET: the sweep as it is now")
    jobs: str = Field(description="GET: its jobs")
    cancel: str


class Spent(BaseModel):
    """What a sweep may take, and what it has taken; null is no limit."""

    epochs: int | None = Field(description="epochs that all runs together may train")
    seconds: float | None = Field(description="seconds that these may take")
    spent_epochs: int = Field(description="epochs trained so far")
    spent_seconds: float = Field(description="seconds that these took")


class Sweep(BaseModel):
    """An experiment over and over, with other values each time. `plan` is what was asked."""

    id: str = Field(description="sweep_ and a ULID; later sweeps have greater ids")
    object: Literal["sweep"] = "sweep"
    name: str
    status: SweepStatus = Field(
        description="done: all jobs have ended, and proofs that began by themselves, and none "
        "follows; failed: its search broke off"
    )
    terminal: bool = Field(description="whether the status is final")
    reason: str | None = Field(description="why no more jobs begin, where not all have")
    jobs: dict[str, int] = Field(description="how many runs of cells there are in each status")
    budget: Spent = Field(
        description="what all runs together may take, and have taken, those of proofs that began "
        "by themselves too"
    )
    created_at: datetime
    finished_at: datetime | None
    plan: dict[str, Any] = Field(
        description="axes, seeds, method and what else was asked, with what was left open"
    )
    urls: SweepUrls


class SweepRun(BaseModel):
    """One job of a cell."""

    job: str = Field(description="its id")
    url: str = Field(description="GET: the job")
    seed: int
    status: Status
    verdict: str | None
    value: Number = Field(description="of the objective; null unless it succeeded")


class SweepCell(BaseModel):
    """One combination of the axes' values, and what its runs came to."""

    cell: int = Field(ge=0, description="its number in the sweep")
    values: dict[str, Any] = Field(description="by the axes' JSON pointers")
    count: int = Field(description="runs with a value; mean, spread, min and max are of these")
    mean: Number = Field(description="NaN where a run's value is no finite number")
    spread: Number = Field(description="sample standard deviation; null of fewer than two")
    min: Number = Field(description="least finite value")
    max: Number = Field(description="greatest finite value")
    verdicts: dict[str, int] = Field(description="how many runs have each verdict")
    pruned: bool = Field(description="whether the pruner ended it")
    refused: str | None = Field(description="why it could not be run, if so")
    runs: list[SweepRun] = Field(description="one for each seed")


class SweepTable(Sweep):
    """A sweep with its table: a row for each cell."""

    objective: Objective = Field(description="what cells are compared by")
    best: SweepCell | None = Field(description="the cell of the best mean so far")
    cells: list[SweepCell] = Field(description="in the order in which they were made")
    base: dict[str, Any] = Field(description="the experiment that is varied")


class SweepDryRun(BaseModel):
    """What a sweep would be. Nothing was stored."""

    object: Literal["sweep_dry_run"] = "sweep_dry_run"
    jobs: int = Field(description="in all")
    objective: Objective = Field(description="what cells would be compared by")
    cells: list[dict[str, Any]] = Field(
        description="values by the axes' JSON pointers; of a search those that it begins with"
    )
    epochs_total: int = Field(description="epochs of these cells' runs")
    flops_total: int = Field(description="the training of these cells' runs, without validation")
    memory_bytes: int = Field(description="what the largest of them takes, estimated")
