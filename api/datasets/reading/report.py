"""What was found in an uploaded dataset."""

from typing import Literal

from pydantic import BaseModel, Field

from api.datasets.reading.formats import Media
from contract.experiment.datasets import Task

Level = Literal["ok", "warning", "error"]
Code = Literal[
    "constant_columns",
    "duplicate_rows",
    "non_finite_inputs",
    "non_finite_targets",
    "constant_targets",
    "class_like_targets",
    "labels_out_of_range",
    "class_imbalance",
    "rounded_values",
]


class Check(BaseModel):
    """One thing that was looked at."""

    code: Code
    level: Level = Field(
        description="ok; warning: worth knowing; error: a run on this dataset means little"
    )
    detail: str


class Target(BaseModel):
    """A regression target's finite values; null where there are none."""

    name: str | None = Field(description="of its column, in a csv")
    min: float | None
    max: float | None
    mean: float | None


class Part(BaseModel):
    """The training or the test part. Members that do not belong to the task are null."""

    examples: int
    class_counts: list[int] | None = Field(None, description="examples, or places, of each class")
    label_counts: list[int] | None = Field(None, description="examples that have each label")
    targets: list[Target] | None = Field(None, description="of regression")


class Split(BaseModel):
    """How examples came to be for training or for testing."""

    by: Literal["sender", "service"]
    fraction: float | None = Field(description="held out for testing, if the service decided")
    seed: int | None
    stratified: bool = Field(description="whether each class was split alike")
    detail: str


class Report(BaseModel):
    """Of one uploaded dataset."""

    media: Media
    task: Task
    guessed: bool = Field(description="whether the labels told the task, not the sender")
    one_hot: bool = Field(description="whether classes came as rows with exactly one 1")
    dtype: str = Field(description="of the inputs as they were sent; text for a csv")
    stored_dtype: Literal["uint8", "int32", "float32"] = Field(
        description="of the inputs as they are kept"
    )
    shape: list[int] = Field(description="of one example")
    value_range: tuple[float, float] = Field(
        description="least and greatest finite input of the training part"
    )
    class_names: list[str] | None = Field(description="of class 0, 1, ...; null without classes")
    target_names: list[str] | None = Field(description="of a csv's label columns, without classes")
    split: Split
    train: Part
    test: Part
    checks: list[Check]
