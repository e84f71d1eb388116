"""Settings of several values, which an environment variable has separated by commas."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Value = TypeVar("Value")
_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _split(given: object) -> object:
    if not isinstance(given, str):
        return given
    return [part.strip() for part in given.split(",") if part.strip()]


def _host(given: str) -> str:
    if not _PATTERN.fullmatch(given.lower()):
        raise ValueError(
            f"expected names such as plateau.example.org or *.example.org, or *, without scheme "
            f"and port; received {given}"
        )
    return given.lower()


Separated = Annotated[tuple[Value, ...], NoDecode, BeforeValidator(_split)]
# The name of a host, or a pattern of names.
Host = Annotated[str, AfterValidator(_host)]

Queue = Literal["cpu", "gpu", "any"]


_PREFIX = "PLATEAU_"
# Variables of earlier versions, and what has come in their place: they are read until 0.2.
RENAMED = {
    "PLATEAU_SWEEP_SECONDS": "PLATEAU_QUEUE_WATCH_SECONDS",
    "PLATEAU_SEARCH_SECONDS": "PLATEAU_SWEEP_WATCH_SECONDS",
}


def _renamed(name: str, old: str) -> AliasChoices:
    return AliasChoices(_PREFIX + name.upper(), _PREFIX + old.upper())


class Settings(BaseSettings):
    """Durations are in seconds, sizes in bytes; docs/settings.md is checked against this."""

    # An empty variable is one that is not set: compose files pass those on.
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        populate_by_name=True,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # passwords in URLs
    )

    host: str = Field("127.0.0.1", description="address that the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="port that the API listens on")
    allowed_hosts: Separated[Host] = Field(
        (),
        description="names that the API answers to besides localhost and addresses: "
        "plateau.example.org, *.example.org; * is any",
    )
    auth: Literal["auto", "keys", "open"] = Field(
        "auto",
        description="keys: each request needs one; open: whoever reaches the address may do "
        "everything; auto: open on loopback, and no listening elsewhere",
    )
    var_dir: Path = Field(Path("var"), description="folder that everything is written under")
    data_dir: Path = Field(Path(), description="folder with dataset files")
    artifacts_url: str = Field(
        "", description="folder or fsspec URL of models, checkpoints and uploaded datasets"
    )
    database_url: str = Field("", repr=False, description="SQLAlchemy URL, of SQLite or Postgres")
    broker_url: str = Field(
        "memory://", repr=False, description="Celery broker; memory:// is the one inside the worker"
    )

    slots: int = Field(
        0, ge=0, le=256, description="jobs a worker trains at once; 0 is one per core, or per GPU"
    )
    threads_per_slot: int = Field(1, ge=1, le=256, description="CPU threads of one trainer")
    queues: Separated[Queue] = Field(
        (), description="queues that a worker serves, of cpu, gpu, any; empty is by devices found"
    )

    heartbeat_seconds: float = Field(10, gt=0, description="how often a worker renews its leases")
    lease_seconds: float = Field(45, gt=0, description="how long a job stays a silent worker's")
    abandon_seconds: float = Field(
        35, gt=0, description="a worker that could not renew for this long stops its trainers"
    )
    reap_seconds: float = Field(5, gt=0, description="how often expired leases are looked for")
    queue_watch_seconds: float = Field(
        0,
        validation_alias=_renamed("queue_watch_seconds", "sweep_seconds"),
        ge=0,
        description="how often workers look for queued jobs; 0 is 0.2 with memory://, else 2",
    )
    cancel_poll_seconds: float = Field(
        0.5, gt=0, description="how often a worker looks for cancelled jobs"
    )
    sweep_watch_seconds: float = Field(
        0.5,
        validation_alias=_renamed("sweep_watch_seconds", "search_seconds"),
        gt=0,
        description="how often sweeps are looked after",
    )
    cancel_grace_seconds: float = Field(
        20, gt=0, description="a trainer that did not stop by then is killed"
    )
    idle_exit_seconds: float = Field(
        60,
        gt=0,
        description="an idle worker that misses queued jobs for this long exits, to be restarted",
    )
    checkpoint_seconds: float = Field(
        1, ge=0, description="epochs shorter than this share a checkpoint and a transaction"
    )
    max_crashes: int = Field(
        3, ge=1, description="crashes without an epoch in between that end a job as failed"
    )
    max_refusals: int = Field(
        6,
        ge=1,
        description="times in a row that a worker could not train a job, for its disk or its "
        "store, while it trained others: they end the job as failed",
    )
    max_idle_bytes: int = Field(
        1_000_000_000,
        ge=1,
        description="memory that a trainer may keep from its jobs; beyond it, it forgets what it "
        "kept for the next ones, and is replaced if that is not enough",
    )
    jobs_per_trainer: int = Field(
        50, ge=1, description="jobs after which a trainer process is replaced"
    )

    retain_days: float = Field(
        0,
        ge=0,
        description="how long an ended job keeps model, signals and events of epochs; 0: for ever",
    )

    max_body_bytes: int = Field(1_000_000, ge=1_000, description="largest request body")
    max_header_bytes: int = Field(32_768, ge=1_024, description="largest request head")
    max_upload_bytes: int = Field(200_000_000, ge=1, description="largest upload of a dataset")
    max_dataset_bytes: int = Field(
        1_000_000_000, ge=1, description="largest uploaded dataset once it is unpacked"
    )
    max_columns: int = Field(10_000, ge=1, description="columns of an uploaded table")
    max_stored_bytes: int = Field(
        5_000_000_000, ge=1, description="per owner of keys: bytes of datasets, models, checkpoints"
    )
    max_queued_jobs: int = Field(1_000, ge=1, description="per owner of keys: jobs that wait")
    max_sweep_jobs: int = Field(
        1_000, ge=1, description="jobs of one sweep, those of its proofs too"
    )
    max_streams: int = Field(
        100, ge=1, description="per owner of keys: open event streams and waits"
    )
    request_seconds: float = Field(
        10,
        gt=0,
        description="how long a request may wait for others (a lock, a thread) until it is "
        "refused; what it waits for by its own wish, and the time that its body takes, come on top",
    )
    requests_per_second: float = Field(
        50, gt=0, description="per key: requests in the long run, twice as many at once"
    )
    max_layers: int = Field(1_000, ge=1, description="budget: layers of a model")
    max_parameters: int = Field(100_000_000, ge=1, description="budget: parameters of a model")
    max_epochs: int = Field(10_000, ge=1, description="budget: epochs of a run")
    max_examples: int = Field(
        1_000_000_000, ge=1, description="budget: training examples x epochs of a run"
    )
    max_flops: float = Field(
        1e18, ge=1, description="budget: FLOPs of a run's training, as a dry run tells them"
    )
    max_train_seconds: float = Field(
        86_400, gt=0, description="longest time that a run may train, and training.max_seconds be"
    )
    max_memory_bytes: int = Field(
        4_000_000_000, ge=1, description="budget: estimated memory of a run"
    )

    trainer: str = Field("worker.trainer", description="Python module that a trainer process runs")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="text for people, json for machines: an object a line"
    )

    @model_validator(mode="after")
    def _one_writer(self) -> Self:
        """A worker must know that it is cut off before another one takes its jobs."""
        if self.heartbeat_seconds < self.abandon_seconds < self.lease_seconds:
            return self
        raise ValueError(
            "expected PLATEAU_HEARTBEAT_SECONDS < PLATEAU_ABANDON_SECONDS < PLATEAU_LEASE_SECONDS, "
            f"received {self.heartbeat_seconds:g}, {self.abandon_seconds:g} and "
            f"{self.lease_seconds:g}: change them together"
        )

    @model_validator(mode="after")
    def _fill(self) -> Self:
        """Defaults that depend on other settings; paths become absolute."""
        var_dir = self.var_dir.resolve()
        data_dir = self.data_dir if "data_dir" in self.model_fields_set else var_dir / "data"
        fill = {
            "var_dir": var_dir,
            "data_dir": data_dir.resolve(),
            "artifacts_url": self.artifacts_url or str(var_dir / "artifacts"),
            "database_url": self.database_url or f"sqlite:///{var_dir / 'plateau.sqlite3'}",
            "queue_watch_seconds": self.queue_watch_seconds
            or (0.2 if self.embedded_broker else 2.0),
        }
        for name, value in fill.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def embedded_broker(self) -> bool:
        """Whether the broker lives inside the worker, out of the API's reach."""
        return self.broker_url.startswith("memory://")


def read_settings() -> Settings:
    """The settings of the environment. What cannot be one ends the process, with its name."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(map(_told, error.errors()))) from None


def _told(fault: Mapping[str, Any]) -> str:
    name = "".join(
        f"{_PREFIX}{str(part).upper().removeprefix(_PREFIX)}: " for part in fault["loc"][:1]
    )
    return name + str(fault["msg"]).removeprefix("Value error, ")
