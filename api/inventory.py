"""What the service has, as the API answers it: workers, datasets, recipes, and its own health."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.uploads import Report
from contract.datasets import Task


class Worker(BaseModel):
    """One run of a worker process."""

    id: str
    object: Literal["worker"] = "worker"
    alive: bool = Field(description="whether it beat its heart within a lease's time")
    host: str | None = Field(description="null without the scope admin")
    pid: int | None = Field(description="null without the scope admin")
    devices: list[str] = Field(description="that its trainers found")
    queues: list[str] = Field(description="of jobs that it takes: cpu, gpu, any")
    slots: int = Field(description="jobs that it trains at once")
    busy: int = Field(description="jobs that it trains now")
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None


class ClassCounts(BaseModel):
    """Examples of each class, by its number, or with each label of a multi-label set."""

    train: list[int] = Field(description="in the training part")
    test: list[int] = Field(description="in the test part")


class DatasetUrls(BaseModel):
    """Paths on this server."""

    self: str = Field(description="GET: the dataset as it is now")
    jobs: str = Field(description="the caller's jobs on it")


class KnownDataset(BaseModel):
    """What a spec may name, by its id, as dataset.name: a set of the catalogue or an upload.

    Of the catalogue, what only a reading of the data would tell is null.
    """

    id: str = Field(
        description="a name of the catalogue, or ds_ and a ULID: later uploads have greater ids",
        examples=["ds_01M86H72W09XCHFPZ72PRM638Q"],
    )
    object: Literal["dataset"] = "dataset"
    kind: Literal["catalogue", "upload"]
    name: str = Field(description="of an upload: as it was sent", examples=["flowers"])
    description: str
    task: Task
    shape: list[int] = Field(description="of one example", examples=[[28, 28]])
    dtype: Literal["uint8", "float32"] = Field(description="of the inputs as they are kept")
    classes: int | None = Field(description="null unless the task is classification")
    class_names: list[str] | None = Field(
        None, description="of class 0, 1, ...", examples=[["setosa", "versicolor"]]
    )
    class_counts: ClassCounts | None = Field(None, description="null for regression")
    targets: int = Field(description="numbers that a label consists of")
    train_examples: int
    test_examples: int
    value_range: tuple[float, float] = Field(description="that unit scaling maps to [0, 1]")
    source: Literal["scikit-learn", "generated", "file", "upload"] = Field(
        description="file: from the data folder, or downloaded if it can be"
    )
    file_present: bool | None = Field(
        None, description="for source file: whether it lies in the data folder of this server"
    )
    bytes: int | None = Field(None, description="of an upload as it is stored, an npz")
    sha256: str | None = Field(None, description="of an upload's stored bytes")
    report: Report | None = Field(None, description="what was found in an upload")
    created_at: datetime | None = None
    urls: DatasetUrls


class Recipe(BaseModel):
    """An experiment that is ready to be posted."""

    name: str
    object: Literal["recipe"] = "recipe"
    url: str = Field(description="path of the bare experiment")
    spec: dict[str, Any]


class ServiceUrls(BaseModel):
    """Paths on this server."""

    docs: str = "/docs"
    openapi: str = "/openapi.json"
    jobs: str = "/v1/jobs"
    recipes: str = "/v1/recipes"
    datasets: str = "/v1/datasets"
    readiness: str = "/readyz"


class Service(BaseModel):
    """Where things are."""

    name: Literal["Plateau"] = "Plateau"
    object: Literal["service"] = "service"
    version: str
    urls: ServiceUrls = Field(ServiceUrls(), description="paths, the routes for people first")


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Jobs can be taken in."""

    status: Literal["ready"] = "ready"
    database: str = Field(description="revision of its schema")
    broker: Literal["embedded", "reachable", "unreachable"] = Field(
        description="unreachable is no fault: workers find jobs in the database, only later"
    )
