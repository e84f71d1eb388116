"""Response models for datasets."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.datasets.reading.report import Report
from contract.experiment.datasets import Task


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
    dtype: Literal["uint8", "int32", "float32"] = Field(
        description="of the inputs as they are kept"
    )
    classes: int | None = Field(description="null unless the task is classification")
    class_names: list[str] | None = Field(
        None, description="of class 0, 1, ...", examples=[["setosa", "versicolor"]]
    )
    class_counts: ClassCounts | None = Field(None, description="null for regression")
    targets: int = Field(description="numbers that a label consists of")
    label_shape: list[int] = Field(
        [],
        description="of an example's label, where it has a class at each of several places, such "
        "as steps, or quantities on several axes",
    )
    weighted: bool = Field(False, description="whether training examples have weights of their own")
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
