"""Optimizers and schedules: a class each, with names, arguments and defaults of Keras' own.

A new one is a class here.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import (
    Count,
    Flag,
    Fraction,
    NonNegative,
    Part,
    Positive,
    Whole,
    any_of,
    kinds,
)
from contract.experiment.unions import ByKind


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


class _Optimizer(Part, ABC):
    """At most one of the three clippings, as Keras demands."""

    namespace: ClassVar[str] = "optimizers"

    if TYPE_CHECKING:  # each has its own
        type: str
        learning_rate: LearningRate
    clipnorm: Positive | None = None
    clipvalue: Positive | None = None
    global_clipnorm: Positive | None = None

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        named = {"clipnorm", "clipvalue", "global_clipnorm"}
        given = sorted(name for name in named if getattr(self, name) is not None)
        if len(given) > 1:
            raise ValueError(f"give one of clipnorm, clipvalue, global_clipnorm; received {given}")
        return self

    @property
    @abstractmethod
    def slots(self) -> int:
        """Numbers that it keeps for each trainable parameter."""


class SGD(_Optimizer):
    type: Literal["SGD"]
    learning_rate: LearningRate = 0.01
    momentum: Fraction = 0.0
    nesterov: Flag = False

    @property
    @override
    def slots(self) -> int:
        return int(self.momentum > 0)


class RMSprop(_Optimizer):
    type: Literal["RMSprop"]
    learning_rate: LearningRate = 0.001
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7
    centered: Flag = False

    @property
    @override
    def slots(self) -> int:
        # Not centered, it keeps the last change without momentum, too: its kernel wants it.
        return 1 + (self.momentum > 0 or not self.centered) + self.centered


class Adam(_Optimizer):
    type: Literal["Adam"]
    learning_rate: LearningRate = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    amsgrad: Flag = False

    @property
    @override
    def slots(self) -> int:
        return 2 + self.amsgrad


class AdamW(_Optimizer):
    type: Literal["AdamW"]
    learning_rate: LearningRate = 0.001
    weight_decay: NonNegative = 0.004
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7
    amsgrad: Flag = False

    @property
    @override
    def slots(self) -> int:
        return 2 + self.amsgrad


class Adagrad(_Optimizer):
    type: Literal["Adagrad"]
    learning_rate: LearningRate = 0.001
    initial_accumulator_value: NonNegative = 0.1
    epsilon: Positive = 1e-7

    @property
    @override
    def slots(self) -> int:
        return 1


class Nadam(_Optimizer):
    type: Literal["Nadam"]
    learning_rate: LearningRate = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7

    @property
    @override
    def slots(self) -> int:
        return 2


OPTIMIZERS: tuple[type[Part], ...] = tuple(kinds(_Optimizer))
if TYPE_CHECKING:
    Optimizer: TypeAlias = _Optimizer
else:
    Optimizer = any_of([*OPTIMIZERS])
