"""The objects that the API answers with. Times are UTC, durations seconds, sizes bytes.

Numbers that JSON does not have are the strings "NaN", "Infinity" and "-Infinity".
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.http.json_numbers import Number
from api.jobs.urls import JobUrls
from contract.experiment.measured import in_words
from contract.store.status import Status

Metrics = Annotated[
    dict[str, Number],
    Field(
        description=f"of the final weights, each with train_ and with test_: {in_words()}; mae is "
        "in the target's own units"
    ),
]


class Progress(BaseModel):
    """How far a run has come."""

    epoch: int = Field(description="epochs finished")
    epochs: int = Field(description="epochs asked for")
    fraction: float = Field(ge=0, le=1, description="share of the run that is done")
    eta_seconds: float | None = Field(description="estimated time to the end, while it trains")


class Queue(BaseModel):
    """Where a job stands that waits."""

    position: int = Field(
        ge=1,
        description="1 is next among those that the same workers take; counted up to 1,001",
    )
    reason: str = Field(description="what the job waits for")


class JobError(BaseModel):
    """Why a run failed."""

    code: str = Field(description="for programs")
    message: str = Field(description="what happened")
    hint: str = Field(description="what to do about it")


class Transition(BaseModel):
    """A job came to a status."""

    status: Status
    at: datetime
    reason: str | None = Field(None, description="why, where the status alone does not say")


class Job(BaseModel):
    """One experiment and its run. `status` says how the run ended, `verdict` whether it learned."""

    id: str = Field(description="job_ and a ULID; later jobs have greater ids")
    object: Literal["job"] = "job"
    name: str
    tags: list[str]
    status: Status
    terminal: bool = Field(description="whether the status is final")
    verdict: str | None = Field(description="whether the model learned, once the run succeeded")
    headline: str | None = Field(description="the verdict in a sentence")
    progress: Progress
    queue: Queue | None = Field(description="null unless queued")
    metrics: Metrics | None = Field(description="null until succeeded")
    error: JobError | None = Field(description="null unless failed")
    attempts: int = Field(description="how often a worker took it")
    device: Literal["cpu", "gpu", "any"] = Field(description="where it may run")
    worker: str | None = Field(description="id of the worker that holds it")
    retry_of: str | None = Field(description="id of the job that this one runs again")
    parent_id: str | None = Field(description="id of the job that this run helps to explain")
    trial: str | None = Field(description="what this run tries, where it has a parent")
    sweep_id: str | None = Field(description="id of the sweep that it belongs to")
    cell: int | None = Field(description="number of its cell in the sweep; a trial has none")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    transitions: list[Transition]
    spec: dict[str, Any] = Field(description="the experiment as it was posted")
    urls: JobUrls


def _require_the_least(schema: dict[str, Any]) -> None:
    schema["required"] = ["id", "object"]


class JobPart(Job, json_schema_extra=_require_the_least):
    """A job as far as `fields` asks for it."""


class Event(BaseModel):
    """One thing that happened to a job."""

    object: Literal["event"] = "event"
    job: str
    seq: int = Field(ge=1, description="counts within the job, without gaps")
    type: str = Field(description="status, epoch or diagnosis")
    data: dict[str, Any]
    at: datetime


class StreamEnd(BaseModel):
    """The data of a stream's last event, `end`."""

    object: Literal["end"] = "end"
    job: str
    status: Status = Field(description="how the job ended")
