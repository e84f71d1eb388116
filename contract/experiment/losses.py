"""Losses: a class each, with the name and the arguments that Keras gives it.

A new one is a class here. It is posted by its name, and as an object where it has arguments.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator
from typing_extensions import override

from contract.experiment.base import (
    Flag,
    Fraction,
    Part,
    Positive,
    any_of,
    in_lower_case,
    kinds,
)
from contract.experiment.unions import ByKind


class _Loss(Part):
    namespace: ClassVar[str] = "losses"
    # What it may be called besides its name.
    short: ClassVar[str] = ""
    # It compares class numbers with an output for each class.
    takes_class_numbers: ClassVar[bool] = False

    type: str

    @property
    def threshold(self) -> float:
        """What parts yes from no in an output of its own."""
        return 0.5


class CategoricalCrossentropy(_Loss):
    type: Literal["CategoricalCrossentropy"]
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0


class SparseCategoricalCrossentropy(_Loss):
    takes_class_numbers: ClassVar[bool] = True

    type: Literal["SparseCategoricalCrossentropy"]


class KLDivergence(_Loss):
    type: Literal["KLDivergence"]


class BinaryCrossentropy(_Loss):
    type: Literal["BinaryCrossentropy"]
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0

    @property
    @override
    def threshold(self) -> float:
        # Keras keeps 0.5 for logits too, which calls a probability of 0.6 a no.
        return 0.0 if self.from_logits else 0.5


class MeanSquaredError(_Loss):
    short: ClassVar[str] = "mse"

    type: Literal["MeanSquaredError"]


class MeanAbsoluteError(_Loss):
    short: ClassVar[str] = "mae"

    type: Literal["MeanAbsoluteError"]


class MeanSquaredLogarithmicError(_Loss):
    type: Literal["MeanSquaredLogarithmicError"]


class Huber(_Loss):
    type: Literal["Huber"]
    delta: Positive = 1.0


class LogCosh(_Loss):
    type: Literal["LogCosh"]


class Poisson(_Loss):
    type: Literal["Poisson"]


# By the names that they are posted by.
LOSSES = {in_lower_case(kind.__name__): kind for kind in kinds(_Loss)}
_LONG = {kind.short: name for name, kind in LOSSES.items() if kind.short}


def _unalias(name: object) -> object:
    return _LONG.get(name, name) if isinstance(name, str) else name


if TYPE_CHECKING:
    LossName: TypeAlias = str
    LossObject: TypeAlias = _Loss
else:
    LossName = Literal[tuple(LOSSES)]
    LossObject = any_of([kind for kind in LOSSES.values() if len(kind.model_fields) > 1])
Loss = Annotated[Annotated[LossName, BeforeValidator(_unalias)] | LossObject, ByKind()]


def loss_of(given: Loss) -> LossObject:
    """What a name stands for, with Keras' defaults; an object is what it is."""
    return LOSSES[given](type=LOSSES[given].__name__) if isinstance(given, str) else given
