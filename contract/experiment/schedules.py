"""Schedules of the learning rate: a class each, with names, arguments and defaults of Keras' own.

A new one is a class here.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from contract.experiment.base import (
    Count,
    Flag,
    NonNegative,
    Part,
    Positive,
    Whole,
    any_of,
    kinds,
)
from contract.experiment.unions import ByKind

# Of shorter and shorter periods there would be no end.
AtLeastOne = Annotated[float, Field(strict=True, ge=1, le=1_000_000, allow_inf_nan=False)]


class _Schedule(Part):
    namespace: ClassVar[str] = "optimizers.schedules"


class ExponentialDecay(_Schedule):
    type: Literal["ExponentialDecay"]
    initial_learning_rate: Positive
    decay_steps: Count
    decay_rate: Positive
    staircase: Flag = False


class InverseTimeDecay(_Schedule):
    type: Literal["InverseTimeDecay"]
    initial_learning_rate: Positive
    decay_steps: Count
    decay_rate: NonNegative
    staircase: Flag = False


class PolynomialDecay(_Schedule):
    type: Literal["PolynomialDecay"]
    initial_learning_rate: Positive
    decay_steps: Count
    end_learning_rate: NonNegative = 0.0001
    power: Positive = 1.0
    cycle: Flag = False


class CosineDecay(_Schedule):
    type: Literal["CosineDecay"]
    initial_learning_rate: NonNegative
    decay_steps: Count
    alpha: NonNegative = 0.0
    warmup_target: Positive | None = None
    warmup_steps: Whole = 0


class CosineDecayRestarts(_Schedule):
    """Each period is `t_mul` times as long as the one before, and begins at `m_mul` times its
    rate."""

    type: Literal["CosineDecayRestarts"]
    initial_learning_rate: Positive
    first_decay_steps: Count
    t_mul: AtLeastOne = 2.0
    m_mul: NonNegative = 1.0
    alpha: NonNegative = 0.0


class PiecewiseConstantDecay(_Schedule):
    """`values[i]` holds up to step `boundaries[i]`, the last value after that."""

    type: Literal["PiecewiseConstantDecay"]
    boundaries: Annotated[tuple[Count, ...], Field(min_length=1, max_length=100)]
    values: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=101)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"values must have one entry more than boundaries ({len(self.boundaries) + 1}); "
                f"received {len(self.values)}"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"boundaries must increase; received {list(self.boundaries)}")
        return self


if TYPE_CHECKING:
    Schedule: TypeAlias = _Schedule
else:
    Schedule = any_of(kinds(_Schedule))
LearningRate = Annotated[Positive | Schedule, ByKind()]
