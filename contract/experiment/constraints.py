"""Constraints of weights: a class each, with the name and arguments that Keras gives it.

A new one is a class here.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from contract.experiment.base import NonNegative, Part, any_of, kinds
from contract.experiment.unions import ByKind

_Axis = Annotated[int, Field(strict=True, ge=-8, le=8)]
_Axes = Annotated[_Axis | Annotated[tuple[_Axis, ...], Field(min_length=1, max_length=8)], ByKind()]
_Share = Annotated[
    float,
    Field(
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="how much of the way into the bounds each step goes",
    ),
]


class _Constraint(Part):
    namespace: ClassVar[str] = "constraints"

    type: str

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the weights along which norms are taken."""
        axis: int | tuple[int, ...] = getattr(self, "axis", ())
        return (axis,) if isinstance(axis, int) else axis


class MaxNorm(_Constraint):
    type: Literal["MaxNorm"]
    max_value: NonNegative = 2.0
    axis: _Axes = 0


class MinMaxNorm(_Constraint):
    type: Literal["MinMaxNorm"]
    min_value: NonNegative = 0.0
    max_value: NonNegative = 1.0
    rate: _Share = 1.0
    axis: _Axes = 0


class NonNeg(_Constraint):
    type: Literal["NonNeg"]


class UnitNorm(_Constraint):
    type: Literal["UnitNorm"]
    axis: _Axes = 0


if TYPE_CHECKING:
    Constraint: TypeAlias = _Constraint
else:
    Constraint = any_of(kinds(_Constraint))


def within(rank: int) -> AfterValidator:
    """Goes with a `Constraint` in `Annotated`: its axes are those of weights of `rank` axes."""

    def checked(constraint: _Constraint) -> _Constraint:
        places = [axis % rank for axis in constraint.axes if -rank <= axis < rank]
        if len(set(places)) < len(constraint.axes):
            raise ValueError(
                f"axis must name different axes of weights that have {rank}, 0 to {rank - 1}; "
                f"received {list(constraint.axes)}"
            )
        return constraint

    return AfterValidator(checked)


BiasConstraint = Annotated[Constraint, within(1)]
