"""The catalogue: what is known of each dataset without loading it, and how a spec names one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticKnownError

from contract import ids
from contract.errors import SpecRefused
from contract.experiment.base import Count, Fraction, Part, Seed
from contract.store.documents import read

Task = Literal["classification", "multi_label", "regression"]
Scaling = Literal["none", "unit", "symmetric", "standard"]
DatasetName = Literal[
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "circles",
    "moons",
    "blobs",
]
UploadId = Annotated[str, Field(strict=True, pattern=ids.DATASET.pattern)]


def _named(name: object, known: Callable[[object], object]) -> object:
    """One error for both kinds of names: pydantic has one for each."""
    try:
        return known(name)
    except ValidationError:
        names = ", ".join(f"'{name}'" for name in get_args(DatasetName))
        expected = f"{names}, or the id of an uploaded dataset, ds_..."
        raise PydanticKnownError("literal_error", {"expected": expected}) from None


AnyDatasetName = Annotated[DatasetName | UploadId, WrapValidator(_named)]


@dataclass(frozen=True)
class Facts:
    """`shape` is one example's; `value_range` the documented range that unit scaling maps to [0,1].

    `classes` is None without classes, `bytes_per_value` that of stored inputs; `targets` counts a
    label's numbers: 0 and 1 each for multi-label sets, or quantities. `finite`: none of all is NaN.
    `class_names` are those of class 0, 1, ...; None where they are not known. `weighted`: training
    examples have weights of their own.
    """

    task: Task
    shape: tuple[int, ...]
    classes: int | None
    train_examples: int
    test_examples: int
    value_range: tuple[float, float]
    bytes_per_value: int
    source: str
    description: str
    targets: int = 1
    finite: bool = True
    class_names: tuple[str, ...] | None = None
    weighted: bool = False

    @property
    def outputs(self) -> int:
        """Numbers that a model of this set gives for an example: one a class, or one a target."""
        return self.targets if self.classes is None else self.classes


@dataclass(frozen=True)
class Upload:
    """What a run needs to know of an uploaded dataset; a copy is kept with each of its jobs.

    The file `key` in the artifact store is an npz of x_train, y_train, x_test, y_test. Inputs are
    uint8 or float32, (n, *shape); labels int32, (n,) for classes, (n, targets) of 0 and 1 for
    multi-label; regression targets float32, (n,) or (n, targets). Where the set is weighted there
    is w_train, too: float32, (n,), not negative.
    """

    facts: Facts
    key: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: see `contract.store.tables.Job.upload`."""
        return asdict(self)


CATALOGUE: dict[str, Facts] = {
    "digits": Facts(
        "classification", (28, 28), 10, 1437, 360, (0, 255), 1, "scikit-learn",
        "1,797 real handwritten digits, 8x8 enlarged bilinearly to 28x28, uint8 0-255",
    ),
    "mnist": Facts(
        "classification", (28, 28), 10, 60_000, 10_000, (0, 255), 1, "file",
        "70,000 handwritten digits, uint8 0-255 (LeCun, Cortes, Burges)",
    ),
    "fashion_mnist": Facts(
        "classification", (28, 28), 10, 60_000, 10_000, (0, 255), 1, "file",
        "70,000 pictures of clothes, uint8 0-255 (Zalando)",
    ),
    "cifar10": Facts(
        "classification", (32, 32, 3), 10, 50_000, 10_000, (0, 255), 1, "file",
        "60,000 colour pictures of ten things, uint8 0-255 (Krizhevsky)",
    ),
    "iris": Facts(
        "classification", (4,), 3, 120, 30, (0.1, 7.9), 4, "scikit-learn",
        "150 flowers, four lengths in cm (Fisher)",
    ),
    "wine": Facts(
        "classification", (13,), 3, 142, 36, (0.13, 1680.0), 4, "scikit-learn",
        "178 wines, 13 chemical measures of very different ranges",
    ),
    "breast_cancer": Facts(
        "classification", (30,), 2, 455, 114, (0.0, 4254.0), 4, "scikit-learn",
        "569 tumours, 30 measures of very different ranges",
    ),
    "diabetes": Facts(
        "regression", (10,), None, 353, 89, (-0.14, 0.2), 4, "scikit-learn",
        "442 patients, 10 normalised measures; the target runs from 25 to 346",
    ),
    "circles": Facts(
        "classification", (2,), 2, 1600, 400, (-1.5, 1.5), 4, "generated",
        "two noisy rings, one inside the other",
    ),
    "moons": Facts(
        "classification", (2,), 2, 1600, 400, (-2.0, 3.0), 4, "generated",
        "two noisy interleaved half circles",
    ),
    "blobs": Facts(
        "classification", (2,), 3, 1600, 400, (-15.0, 15.0), 4, "generated",
        "three Gaussian clouds",
    ),
}  # fmt: skip


def facts_of(name: str, upload: Mapping[str, Any] | None = None) -> Facts:
    """The facts of the dataset that a spec or a job names; `upload` as in a job's row.

    Raises SpecRefused for an id without its upload, Unreadable for another version's.
    """
    if upload is not None:
        return read(Upload, upload).facts
    if name in CATALOGUE:
        return CATALOGUE[name]
    raise SpecRefused(
        "/dataset/name", f"there is no uploaded dataset {name}; GET /v1/datasets lists them"
    )


# The share of a generated set that is held out for testing.
TEST_SHARE = 0.2


def split_at(examples: int, fraction: float) -> int:
    """How many of `examples` stay for training when the last `fraction` validates.

    Rounded as `validation_split` of `keras.Model.fit` rounds it. The budget refuses 0 and
    `examples`: one of the two parts would be empty.
    """
    return math.floor(examples * (1 - fraction))


class Dataset(Part):
    """`samples`, `noise` and `seed` belong to the generated sets alone (circles, moons, blobs).

    `limit` keeps the first n training examples after a seeded shuffle. `target_scaling`
    belongs to regression; metrics stay in the data's own units. What belongs to another set is
    refused.
    """

    name: AnyDatasetName
    scaling: Scaling = "none"
    target_scaling: Literal["none", "standard"] = "none"
    limit: Count | None = None
    samples: Annotated[int, Field(strict=True, ge=20, le=1_000_000)] | None = None
    noise: Fraction | None = None
    seed: Seed | None = None

    def train_examples(self, facts: Facts) -> int:
        """Size of the training part before a validation split, after `limit`."""
        total = facts.train_examples
        if self.samples is not None:
            total = self.samples - round(self.samples * TEST_SHARE)
        return total if self.limit is None else min(total, self.limit)

    def test_examples(self, facts: Facts) -> int:
        """Size of the test part."""
        if self.samples is not None:
            return round(self.samples * TEST_SHARE)
        return facts.test_examples
