"""Losses by their Keras names."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from contract.experiment.base import Flag, Fraction, Part, Positive
from contract.experiment.unions import ByKind

LossName = Literal[
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "kl_divergence",
    "binary_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
]
_ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}


def _unalias(name: object) -> object:
    return _ALIASES.get(name, name) if isinstance(name, str) else name


AnyLossName = Annotated[LossName, BeforeValidator(_unalias)]


class _Loss(Part):
    namespace: ClassVar[str] = "losses"


class CategoricalCrossentropy(_Loss):
    type: Literal["CategoricalCrossentropy"]
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0


class BinaryCrossentropy(_Loss):
    type: Literal["BinaryCrossentropy"]
    from_logits: Flag = False
    label_smoothing: Fraction = 0.0


class Huber(_Loss):
    type: Literal["Huber"]
    delta: Positive = 1.0


LossObject = Annotated[
    CategoricalCrossentropy | BinaryCrossentropy | Huber, Field(discriminator="type")
]
Loss = Annotated[AnyLossName | LossObject, ByKind()]
