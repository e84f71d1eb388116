"""Losses: a class each, with the name and the arguments that Keras gives it.

A new one is a class here. It is posted by its name, or as an object, which may set arguments.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field
from typing_extensions import override

from contract.experiment.base import (
    Flag,
    Fraction,
    NonNegative,
    Part,
    Positive,
    any_of,
    in_lower_case,
    kinds,
)
from contract.experiment.names import also_by_class, name_of
from contract.experiment.unions import ByKind

_Axis = Annotated[
    Annotated[int, Field(strict=True, ge=-2, le=1)] | None,
    Field(
        description="along which axis it adds up: 1 an example, 0 a class; null is the whole batch"
    ),
]


class _Loss(Part):
    namespace: ClassVar[str] = "losses"
    # What it may be called besides its name, as in Keras.
    short: ClassVar[tuple[str, ...]] = ()
    # It compares class numbers with an output for each class.
    takes_class_numbers: ClassVar[bool] = False

    type: str

    @property
    def threshold(self) -> float:
        """What parts yes from no in an output of its own."""
        return 0.5

    @property
    def is_of_batch(self) -> bool:
        """Whether no example has a loss of its own, which could count more than others'."""
        return False


class _OfScores(_Loss):
    """It wants numbers above 0 for yes, and below for no."""

    @property
    @override
    def threshold(self) -> float:
        return 0.0


class _OfYesAndNo(_Loss):
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0

    @property
    @override
    def threshold(self) -> float:
        # Keras keeps 0.5 for logits too, which calls a probability of 0.6 a no.
        return 0.0 if self.from_logits else 0.5


class CategoricalCrossentropy(_Loss):
    type: Literal["CategoricalCrossentropy"]
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0


class SparseCategoricalCrossentropy(_Loss):
    takes_class_numbers: ClassVar[bool] = True

    type: Literal["SparseCategoricalCrossentropy"]
    from_logits: Flag = False
    ignore_class: Annotated[int, Field(strict=True, ge=-1, lt=2**31)] | None = None


class CategoricalFocalCrossentropy(_Loss):
    """Examples that are right already count less, the more so with `gamma`."""

    type: Literal["CategoricalFocalCrossentropy"]
    alpha: NonNegative = Field(0.25, description="what the loss is multiplied by")
    gamma: NonNegative = 2.0
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0


class CategoricalGeneralizedCrossEntropy(_Loss):
    """Between cross-entropy (`q` near 0) and the absolute error (`q` near 1)."""

    takes_class_numbers: ClassVar[bool] = True

    type: Literal["CategoricalGeneralizedCrossEntropy"]
    q: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)] = 0.5


class KLDivergence(_Loss):
    short: ClassVar[tuple[str, ...]] = ("kld", "KLD")

    type: Literal["KLDivergence"]


class CategoricalHinge(_Loss):
    type: Literal["CategoricalHinge"]


class BinaryCrossentropy(_OfYesAndNo):
    short: ClassVar[tuple[str, ...]] = ("bce", "BCE")

    type: Literal["BinaryCrossentropy"]


class BinaryFocalCrossentropy(_OfYesAndNo):
    """Labels that are right already count less, the more so with `gamma`."""

    type: Literal["BinaryFocalCrossentropy"]
    apply_class_balancing: Flag = False
    alpha: Annotated[
        float,
        Field(
            strict=True,
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="weight of yes, with apply_class_balancing; 1 - alpha is that of no",
        ),
    ] = 0.25
    gamma: NonNegative = 2.0


class Hinge(_OfScores):
    type: Literal["Hinge"]


class SquaredHinge(_OfScores):
    type: Literal["SquaredHinge"]


class _OfOverlaps(_Loss):
    axis: _Axis = None

    @property
    @override
    def is_of_batch(self) -> bool:
        return self.axis not in (1, -1)


class Dice(_OfOverlaps):
    type: Literal["Dice"]


class Tversky(_OfOverlaps):
    type: Literal["Tversky"]
    alpha: NonNegative = Field(0.5, description="weight of what is predicted and wrong")
    beta: NonNegative = Field(0.5, description="weight of what is there and not predicted")


class MeanSquaredError(_Loss):
    short: ClassVar[tuple[str, ...]] = ("mse", "MSE")

    type: Literal["MeanSquaredError"]


class MeanAbsoluteError(_Loss):
    short: ClassVar[tuple[str, ...]] = ("mae", "MAE")

    type: Literal["MeanAbsoluteError"]


class MeanAbsolutePercentageError(_Loss):
    short: ClassVar[tuple[str, ...]] = ("mape", "MAPE")

    type: Literal["MeanAbsolutePercentageError"]


class MeanSquaredLogarithmicError(_Loss):
    short: ClassVar[tuple[str, ...]] = ("msle", "MSLE")

    type: Literal["MeanSquaredLogarithmicError"]


class CosineSimilarity(_Loss):
    type: Literal["CosineSimilarity"]


class Huber(_Loss):
    type: Literal["Huber"]
    delta: Positive = 1.0


class LogCosh(_Loss):
    type: Literal["LogCosh"]


class Poisson(_Loss):
    type: Literal["Poisson"]


# By the names that they are posted by.
LOSSES = {
    in_lower_case(kind.__name__): kind
    for kind in sorted(kinds(_Loss), key=lambda kind: kind.__name__)
}
_SHORT = {short: name for name, kind in LOSSES.items() for short in kind.short}


def _named(given: "Loss") -> "Loss":
    """One without arguments by its name, however it was posted."""
    plain = not isinstance(given, str) and len(type(given).model_fields) == 1
    return in_lower_case(type(given).__name__) if plain else given


if TYPE_CHECKING:
    LossName: TypeAlias = str
    LossObject: TypeAlias = _Loss
    Loss: TypeAlias = str | _Loss
else:
    LossName = Literal[tuple(LOSSES)]
    LossObject = any_of([*LOSSES.values()])
    Loss = Annotated[
        name_of(LOSSES, also_by_class(LOSSES, _SHORT)) | LossObject,
        ByKind(),
        AfterValidator(_named),
    ]


def loss_of(given: Loss) -> LossObject:
    """What a name stands for, with Keras' defaults; an object is what it is."""
    return LOSSES[given](type=LOSSES[given].__name__) if isinstance(given, str) else given
