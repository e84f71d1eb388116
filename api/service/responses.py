"""What the service has, as the API answers it: workers, datasets, recipes, and its own health."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


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


class Recipe(BaseModel):
    """An experiment that is ready to be posted."""

    name: str
    object: Literal["recipe"] = "recipe"
    description: str = Field(description="what it is, and what is claimed of it")
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
