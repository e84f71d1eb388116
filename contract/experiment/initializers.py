"""Initializers and regularizers: a class each, with the name and arguments that Keras gives it.

A new one is a class here; an initializer that is posted by its name alone is a line of the names.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from contract.experiment.base import NonNegative, Part, Positive, Real, any_of, kinds
from contract.experiment.unions import ByKind

InitializerName = Literal[
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "zeros",
]


class _Initializer(Part):
    namespace: ClassVar[str] = "initializers"


class Constant(_Initializer):
    type: Literal["Constant"]
    value: Real = 0.0


class RandomNormal(_Initializer):
    type: Literal["RandomNormal"]
    mean: Real = 0.0
    stddev: NonNegative = 0.05


class TruncatedNormal(_Initializer):
    type: Literal["TruncatedNormal"]
    mean: Real = 0.0
    stddev: NonNegative = 0.05


class RandomUniform(_Initializer):
    type: Literal["RandomUniform"]
    minval: Real = -0.05
    maxval: Real = 0.05


class VarianceScaling(_Initializer):
    type: Literal["VarianceScaling"]
    scale: Positive = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["normal", "truncated_normal", "untruncated_normal", "uniform"] = (
        "truncated_normal"
    )


class _Regularizer(Part):
    namespace: ClassVar[str] = "regularizers"


class L1(_Regularizer):
    type: Literal["L1"]
    l1: NonNegative = 0.01


class L2(_Regularizer):
    type: Literal["L2"]
    l2: NonNegative = 0.01


class L1L2(_Regularizer):
    type: Literal["L1L2"]
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0


if TYPE_CHECKING:
    InitializerObject: TypeAlias = _Initializer
    Regularizer: TypeAlias = _Regularizer
else:
    InitializerObject = any_of(kinds(_Initializer))
    Regularizer = any_of(kinds(_Regularizer))
Initializer = Annotated[InitializerName | InitializerObject, ByKind()]
