"""Optimizers: a class each, with names, arguments and defaults of Keras' own.

A new one is a class here. An optimizer is known by its name alone, too.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import (
    Flag,
    Fraction,
    NonNegative,
    Part,
    Positive,
    Real,
    Whole,
    any_of,
    kinds,
)
from contract.experiment.names import object_named
from contract.experiment.schedules import LearningRate
from contract.experiment.unions import ByKind

# Of what is divided by it, or would be without effect.
_Share = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
_Power = Annotated[float, Field(strict=True, ge=-100, le=0, allow_inf_nan=False)]
_Often = Annotated[int, Field(strict=True, ge=2, le=1_000_000)]
_Frequency = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000)]
_EMA_MOMENTUM = 0.99


class _Optimizer(Part, ABC):
    """At most one of the three clippings, as Keras demands.

    With `use_ema` the weights that count are a moving average of those of the steps, taken at the
    end of training, and every `ema_overwrite_frequency` steps. With `gradient_accumulation_steps`
    the weights change once in so many steps, by the mean of their gradients; a schedule counts
    all steps.
    """

    namespace: ClassVar[str] = "optimizers"

    if TYPE_CHECKING:  # each has its own
        type: str
        learning_rate: LearningRate
    clipnorm: Positive | None = None
    clipvalue: Positive | None = None
    global_clipnorm: Positive | None = None
    weight_decay: NonNegative | None = None
    use_ema: Flag = False
    ema_momentum: Fraction = _EMA_MOMENTUM
    ema_overwrite_frequency: _Frequency | None = None
    loss_scale_factor: Positive | None = None
    gradient_accumulation_steps: _Often | None = None

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        named = {"clipnorm", "clipvalue", "global_clipnorm"}
        given = sorted(name for name in named if getattr(self, name) is not None)
        if len(given) > 1:
            raise ValueError(f"give one of clipnorm, clipvalue, global_clipnorm; received {given}")
        return self

    @model_validator(mode="after")
    def _averages(self) -> Self:
        if not self.use_ema and (
            self.ema_overwrite_frequency is not None or self.ema_momentum != _EMA_MOMENTUM
        ):
            raise ValueError(
                "ema_momentum and ema_overwrite_frequency are of the average that use_ema asks "
                "for: set use_ema to true, or leave them out"
            )
        return self

    @property
    def slots(self) -> int:
        """Numbers that it keeps for each trainable parameter."""
        return self._own_slots + self.use_ema + (self.gradient_accumulation_steps is not None)

    @property
    @abstractmethod
    def _own_slots(self) -> int:
        """Those of its rule alone."""


class SGD(_Optimizer):
    type: Literal["SGD"]
    learning_rate: LearningRate = 0.01
    momentum: Fraction = 0.0
    nesterov: Flag = False

    @property
    @override
    def _own_slots(self) -> int:
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
    def _own_slots(self) -> int:
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
    def _own_slots(self) -> int:
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
    def _own_slots(self) -> int:
        return 2 + self.amsgrad


class Adagrad(_Optimizer):
    type: Literal["Adagrad"]
    learning_rate: LearningRate = 0.001
    initial_accumulator_value: NonNegative = 0.1
    epsilon: Positive = 1e-7

    @property
    @override
    def _own_slots(self) -> int:
        return 1


class Nadam(_Optimizer):
    type: Literal["Nadam"]
    learning_rate: LearningRate = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7

    @property
    @override
    def _own_slots(self) -> int:
        return 2


class Adamax(_Optimizer):
    type: Literal["Adamax"]
    learning_rate: LearningRate = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7

    @property
    @override
    def _own_slots(self) -> int:
        return 2


class Adadelta(_Optimizer):
    type: Literal["Adadelta"]
    learning_rate: LearningRate = 0.001
    rho: Fraction = 0.95
    epsilon: Positive = 1e-7

    @property
    @override
    def _own_slots(self) -> int:
        return 2


class Adafactor(_Optimizer):
    """With `relative_step` the rate is a share of a weight's size, and falls as 1 / sqrt(step)."""

    type: Literal["Adafactor"]
    learning_rate: LearningRate = 0.001
    beta_2_decay: _Power = -0.8
    epsilon_1: Positive = 1e-30
    epsilon_2: NonNegative = 0.001
    clip_threshold: Positive = 1.0
    relative_step: Flag = True

    @property
    @override
    def _own_slots(self) -> int:
        # Keras keeps all squares besides those of rows and columns, of which a kernel has at most
        # as many as weights, and one.
        return 2


class Ftrl(_Optimizer):
    type: Literal["Ftrl"]
    learning_rate: LearningRate = 0.001
    learning_rate_power: _Power = -0.5
    initial_accumulator_value: NonNegative = 0.1
    l1_regularization_strength: NonNegative = 0.0
    l2_regularization_strength: NonNegative = 0.0
    l2_shrinkage_regularization_strength: NonNegative = 0.0
    beta: NonNegative = Field(0.0, description="what is added to the rate's denominator")

    @property
    @override
    def _own_slots(self) -> int:
        return 2


class Lamb(_Optimizer):
    type: Literal["Lamb"]
    learning_rate: LearningRate = 0.001
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-7

    @property
    @override
    def _own_slots(self) -> int:
        return 2


class Lion(_Optimizer):
    type: Literal["Lion"]
    learning_rate: LearningRate = 0.001
    beta_1: _Share = 0.9
    beta_2: Fraction = 0.99

    @property
    @override
    def _own_slots(self) -> int:
        return 1


class Muon(_Optimizer):
    """Kernels of two axes only; what else there is, embeddings too, is left to AdamW."""

    type: Literal["Muon"]
    learning_rate: LearningRate = 0.001
    adam_beta_1: Fraction = 0.9
    adam_beta_2: Fraction = 0.999
    adam_weight_decay: NonNegative | None = 0.004
    epsilon: Positive = 1e-7
    weight_decay: NonNegative | None = 0.004
    exclude_embeddings: Flag = True
    muon_a: Real = 3.4445
    muon_b: Real = -4.775
    muon_c: Real = 2.0315
    adam_lr_ratio: Positive = 1.0
    momentum: Fraction = 0.95
    ns_steps: Annotated[int, Field(strict=True, ge=1, le=100)] = 5
    nesterov: Flag = True
    rms_rate: NonNegative | None = 0.2

    @property
    @override
    def _own_slots(self) -> int:
        return 2  # one for a weight of its own, two for AdamW's


class ScheduleFreeAdamW(_Optimizer):
    type: Literal["ScheduleFreeAdamW"]
    learning_rate: LearningRate = 0.0025
    beta_1: _Share = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8
    warmup_steps: Whole = Field(0, description="steps in which the rate rises from 0")

    @property
    @override
    def _own_slots(self) -> int:
        return 2


_KINDS: tuple[type[Part], ...] = tuple(kinds(_Optimizer))
# By the names that stand for them with Keras' defaults, in capitals or not.
OPTIMIZERS = {kind.__name__.lower(): kind for kind in _KINDS}
if TYPE_CHECKING:
    Optimizer: TypeAlias = _Optimizer
    OptimizerObject: TypeAlias = _Optimizer
else:
    OptimizerObject = any_of(_KINDS)
    Optimizer = Annotated[object_named(OPTIMIZERS, str.lower) | OptimizerObject, ByKind()]
