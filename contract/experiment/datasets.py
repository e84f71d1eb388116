"""The catalogue: what is known of each dataset without loading it, and how a spec names one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
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
    "cifar100",
    "imdb",
    "reuters",
    "california_housing",
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "circles",
    "moons",
    "blobs",
    "addition",
    "moving_squares",
]
Encoding = Literal["ids", "one_hot", "multi_hot"]
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
    `whole_range` are the least and the greatest input of both parts where these are stored as whole
    numbers, and that is known.

    `label_shape` is that of an example's label where it has a class at each of several places, such
    as the steps of a sequence, or quantities on several axes; `()` otherwise. `targets` counts all
    its numbers. `target_range` are the least and the greatest quantity for training, where known.
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
    whole_range: tuple[int, int] | None = None
    label_shape: tuple[int, ...] = ()
    target_range: tuple[float, float] | None = None

    @property
    def dtype(self) -> Literal["uint8", "int32", "float32"]:
        """Of the inputs as they are stored."""
        if self.bytes_per_value == 1:
            return "uint8"
        return "float32" if self.whole_range is None else "int32"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """What a model of this set gives for an example: a number a class at each place, or one a
        target."""
        if self.classes is not None:
            return (*self.label_shape, self.classes)
        return self.label_shape or (self.targets,)

    @property
    def per_place(self) -> bool:
        """Whether an example has several classes, one at each place."""
        return self.classes is not None and self.label_shape != ()


@dataclass(frozen=True)
class Upload:
    """What a run needs to know of an uploaded dataset; a copy is kept with each of its jobs.

    The file `key` in the artifact store is an npz of x_train, y_train, x_test, y_test. Inputs are
    uint8, int32 or float32, (n, *shape); labels int32, (n, *label_shape) for classes, (n, targets)
    of 0 and 1 for multi-label; regression targets float32, (n,), (n, targets) or
    (n, *label_shape). Where the set is weighted there is w_train, too: float32, (n,), not negative.
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
        whole_range=(0, 255),
    ),
    "mnist": Facts(
        "classification", (28, 28), 10, 60_000, 10_000, (0, 255), 1, "file",
        "70,000 handwritten digits, uint8 0-255 (LeCun, Cortes, Burges)",
        whole_range=(0, 255),
    ),
    "fashion_mnist": Facts(
        "classification", (28, 28), 10, 60_000, 10_000, (0, 255), 1, "file",
        "70,000 pictures of clothes, uint8 0-255 (Zalando)",
        whole_range=(0, 255),
    ),
    "cifar10": Facts(
        "classification", (32, 32, 3), 10, 50_000, 10_000, (0, 255), 1, "file",
        "60,000 colour pictures of ten things, uint8 0-255 (Krizhevsky)",
        whole_range=(0, 255),
    ),
    "cifar100": Facts(
        "classification", (32, 32, 3), 100, 50_000, 10_000, (0, 255), 1, "file",
        "60,000 colour pictures of a hundred things, uint8 0-255 (Krizhevsky)",
        whole_range=(0, 255),
    ),
    "imdb": Facts(
        "classification", (200,), 2, 25_000, 25_000, (0, 19_999), 4, "file",
        "50,000 reviews of films, for or against, as numbers of words: the commonest has 4; 1 "
        "begins a review, 2 is a rare word, 0 fills up at the front (Maas et al.)",
        whole_range=(0, 19_999),
    ),
    "reuters": Facts(
        "classification", (200,), 46, 8_982, 2_246, (0, 9_999), 4, "file",
        "11,228 news on 46 topics, as numbers of words, as in imdb",
        whole_range=(0, 9_999),
    ),
    "california_housing": Facts(
        "regression", (8,), None, 16_512, 4_128, (-124.35, 39_320.0), 4, "file",
        "20,640 districts of California in 1990, 8 measures of very different ranges; the target "
        "is the median value of a house, 14,999 to 500,001 dollars (Pace and Barry)",
        target_range=(14_999.0, 500_001.0),
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
    "addition": Facts(
        "classification", (7, 12), 12, 40_000, 10_000, (0, 1), 1, "generated",
        "questions such as 12+345, character by character, and the digits of the answer; the "
        "characters are blank, + and 0 to 9, in this order",
        targets=4, whole_range=(0, 1), label_shape=(4,),
    ),
    "moving_squares": Facts(
        "regression", (8, 20, 20, 1), None, 800, 200, (0, 1), 4, "generated",
        "films of bright squares that move evenly, with noise, and each film one picture later",
        targets=3200, label_shape=(8, 20, 20, 1), target_range=(0, 1),
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


# The options of a dataset, by its name: no other has them.
_CLOUDS = ("samples", "noise", "seed")
_TEXT = ("num_words", "maxlen", "encoding")
OPTIONS: dict[str, tuple[str, ...]] = {
    "circles": _CLOUDS,
    "moons": _CLOUDS,
    "blobs": _CLOUDS,
    "addition": ("samples", "seed", "digits", "encoding"),
    "moving_squares": (*_CLOUDS, "frames", "side"),
    "imdb": _TEXT,
    "reuters": _TEXT,
}
# Of those that take an encoding, what they can be given; the first is the default.
ENCODINGS: dict[str, tuple[Encoding, ...]] = {
    "addition": ("one_hot", "ids"),
    "imdb": ("ids", "multi_hot"),
    "reuters": ("ids", "multi_hot"),
}


# The share of a generated set that is held out for testing.
TEST_SHARE = 0.2


def split_at(examples: int, fraction: float) -> int:
    """How many of `examples` stay for training when the last `fraction` validates.

    Rounded as `validation_split` of `keras.Model.fit` rounds it. The budget refuses 0 and
    `examples`: one of the two parts would be empty.
    """
    return math.floor(examples * (1 - fraction))


class Dataset(Part):
    """`OPTIONS` says which sets have which of the options, from `samples` on.

    `limit` keeps the first n training examples after a seeded shuffle. `target_scaling`
    belongs to regression; metrics stay in the data's own units. With `target` `inputs` the model is
    to give back what it is given, the scaled inputs, as an autoencoder does: a regression, whose
    metrics are those of scaled numbers. What belongs to another set is refused.
    """

    name: AnyDatasetName
    scaling: Scaling = "none"
    target: Literal["labels", "inputs"] = "labels"
    target_scaling: Literal["none", "standard"] = "none"
    limit: Count | None = None
    samples: Annotated[int, Field(strict=True, ge=20, le=1_000_000)] | None = None
    noise: Fraction | None = None
    seed: Seed | None = None
    digits: Annotated[int, Field(strict=True, ge=1, le=9)] | None = None
    encoding: Encoding | None = None
    frames: Annotated[int, Field(strict=True, ge=2, le=100)] | None = None
    side: Annotated[int, Field(strict=True, ge=8, le=128)] | None = None
    num_words: Annotated[int, Field(strict=True, ge=4, le=100_000)] | None = None
    maxlen: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None

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


def facts_for(dataset: Dataset, upload: Mapping[str, Any] | None = None) -> Facts:
    """As `facts_of`, of what a run is given: the set that the options of `dataset` make, with its
    target."""
    return aimed(dataset, stored_facts(dataset, upload))


def aimed(dataset: Dataset, facts: Facts) -> Facts:
    """Those of a set with these `facts` where the target is the one that `dataset` asks for."""
    if dataset.target == "labels":
        return facts
    ranges = {"none": facts.value_range, "unit": (0.0, 1.0), "symmetric": (-1.0, 1.0)}
    return replace(
        facts,
        task="regression",
        classes=None,
        class_names=None,
        targets=math.prod(facts.shape),
        label_shape=facts.shape,
        target_range=ranges.get(dataset.scaling),
    )


def stored_facts(dataset: Dataset, upload: Mapping[str, Any] | None = None) -> Facts:
    """As `facts_for`, of the set with its own labels."""
    facts = facts_of(dataset.name, upload)
    if dataset.samples is not None:
        test = dataset.test_examples(facts)
        facts = replace(facts, train_examples=dataset.samples - test, test_examples=test)
    if dataset.name == "addition":
        return _addition(dataset, facts)
    if dataset.name == "moving_squares":
        *_, channels = facts.shape
        side = dataset.side or facts.shape[1]
        shape = (dataset.frames or facts.shape[0], side, side, channels)
        return replace(facts, shape=shape, label_shape=shape, targets=math.prod(shape))
    if dataset.name in ("imdb", "reuters") and facts.whole_range is not None:
        words = dataset.num_words or facts.whole_range[1] + 1
        if dataset.encoding == "multi_hot":
            told = replace(facts, shape=(words,), bytes_per_value=1)
            return replace(told, value_range=(0, 1), whole_range=(0, 1))
        whole = (0, words - 1)
        length = dataset.maxlen or facts.shape[0]
        return replace(facts, shape=(length,), value_range=whole, whole_range=whole)
    return facts


def _addition(dataset: Dataset, facts: Facts) -> Facts:
    """A question has two numbers and the sign, an answer may have a digit more."""
    answer = facts.targets if dataset.digits is None else dataset.digits + 1
    steps, characters = 2 * answer - 1, facts.shape[1]
    facts = replace(facts, shape=(steps, characters), targets=answer, label_shape=(answer,))
    if dataset.encoding != "ids":
        return facts
    last = characters - 1
    return replace(facts, shape=(steps,), value_range=(0, last), whole_range=(0, last))
