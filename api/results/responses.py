"""Response models for what a run leaves behind."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.json_numbers import Number
from api.jobs.responses import JobError, Metrics
from contract.experiment.measured import in_words
from contract.store.status import Status


class Curves(BaseModel):
    """One entry an epoch, or those of `points` epochs: all lists are equally long."""

    object: Literal["curves"] = "curves"
    job: str
    status: Status
    curves: dict[str, list[Number]] = Field(
        description=f"epoch; {in_words()}; the same with val_ where there is validation; "
        "learning_rate at the epoch's end; seconds"
    )
    first_losses: list[Number] = Field(description="of the first 32 training steps")


class Timing(BaseModel):
    """In seconds, but for the last."""

    queued_seconds: float | None = Field(description="until a worker first took it")
    load_seconds: float | None = Field(None, description="reading and scaling the data")
    compile_seconds: float | None = Field(None, description="building and tracing the model")
    train_seconds: float | None = Field(None, description="epochs with their validation")
    examples_per_second: float | None = Field(None, description="training examples a second")


class Artifact(BaseModel):
    """A file that the run left."""

    url: str = Field(description="path on this server")
    sha256: str
    bytes: int
    epoch: int | None = Field(None, description="of the model: the epoch whose weights it has")


class Results(BaseModel):
    """The whole outcome; of a failed or cancelled job, what there is of it."""

    object: Literal["results"] = "results"
    job: str
    status: Status
    verdict: str | None
    headline: str | None
    error: JobError | None
    metrics: Metrics | None
    curves: dict[str, list[Number]] = Field(description="as GET curves has them")
    first_losses: list[Number] = Field(description="of the first 32 training steps")
    confusion_matrix: list[list[int]] | None = Field(
        description="counts of test examples, or of the places that these have a class at: a row "
        "per true class, a column per predicted class"
    )
    timing: Timing
    environment: dict[str, Any] = Field(description="versions and device that it ran with")
    diagnosis: dict[str, Any] | None
    artifacts: dict[str, Artifact] = Field(
        description="model: the trained .keras file; scaling: how its inputs and targets follow "
        "from the data's own, as an npz"
    )
