"""Constraints, which change a weight after each step: a class each, as Keras has it.

A constraint is known by its name alone, too.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import NonNegative, any_of, in_lower_case, kinds
from contract.experiment.initializers import OfWeight
from contract.experiment.names import also_by_class, object_named
from contract.experiment.unions import ByKind

_Axis = Annotated[int, Field(strict=True, ge=-8, le=7)]
Axes = Annotated[
    _Axis | Annotated[tuple[_Axis, ...], Field(min_length=1, max_length=8)], ByKind()
]  # of a weight, one or several


class _Constraint(OfWeight):
    namespace: ClassVar[str] = "constraints"


class NonNeg(_Constraint):
    """What is below 0 becomes 0."""

    type: Literal["NonNeg"]


class _Norm(_Constraint):
    """The norm is that of the weights along `axis`."""

    axis: Axes = 0

    @override
    def check_axes(self, axes: int) -> None:
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        named = {axis % axes for axis in given if -axes <= axis < axes}
        if len(named) < len(given):
            raise ValueError(
                f"axis must name axes of a weight that has {axes}, each once; received "
                f"{self.axis}: take 0 to {axes - 1}, or -{axes} to -1"
            )


class UnitNorm(_Norm):
    type: Literal["UnitNorm"]


class MaxNorm(_Norm):
    type: Literal["MaxNorm"]
    max_value: NonNegative = 2.0


class MinMaxNorm(_Norm):
    type: Literal["MinMaxNorm"]
    min_value: NonNegative = 0.0
    max_value: NonNegative = 1.0
    rate: Annotated[
        float,
        Field(
            strict=True,
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="how much of the way into the bounds each step goes",
        ),
    ] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_value > self.max_value:
            raise ValueError(
                f"min_value must not be above max_value; received {self.min_value} and "
                f"{self.max_value}"
            )
        return self


_KINDS = {in_lower_case(kind.__name__): kind for kind in kinds(_Constraint)}
if TYPE_CHECKING:
    Constraint: TypeAlias = _Constraint
    ConstraintObject: TypeAlias = _Constraint
else:
    ConstraintObject = any_of(list(_KINDS.values()))
    Constraint = Annotated[object_named(_KINDS, also_by_class(_KINDS)) | ConstraintObject, ByKind()]
