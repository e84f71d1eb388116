"""Layers that make one of several inputs."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from typing_extensions import override

from contract.experiment.base import Flag
from contract.experiment.layers.axes import Axis, place
from contract.experiment.layers.layer import Misfit, Outcome, SeveralInputs, Shape, listed


class _Merge(SeveralInputs):
    """Number by number. Inputs of fewer axes, and axes of size 1, are repeated along the others."""

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        found = _broadcast(shapes)
        return Outcome(found, flops=(len(shapes) - 1) * prod(found), activations=prod(found))


class Add(_Merge):
    type: Literal["Add"] = "Add"


class Average(_Merge):
    type: Literal["Average"] = "Average"


class Maximum(_Merge):
    type: Literal["Maximum"] = "Maximum"


class Minimum(_Merge):
    type: Literal["Minimum"] = "Minimum"


class Multiply(_Merge):
    type: Literal["Multiply"] = "Multiply"


class Subtract(_Merge):
    """The first input less the second."""

    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    type: Literal["Subtract"] = "Subtract"


class Concatenate(SeveralInputs):
    """`axis` counts the batch as 0."""

    type: Literal["Concatenate"] = "Concatenate"
    axis: Axis = -1

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        first = shapes[0]
        axis = place("axis", self.axis, first)
        if any(_without(shape, axis) != _without(first, axis) for shape in shapes):
            raise Misfit(
                "inputs",
                f"takes inputs that differ in axis {axis + 1} alone; received {listed(shapes)}",
            )
        found = (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])
        return Outcome(found, activations=prod(found))


class Dot(SeveralInputs):
    """The sum of products along an axis of each input; `axes` count the batch as 0."""

    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    type: Literal["Dot"] = "Dot"
    axes: Axis | tuple[Axis, Axis]
    normalize: Flag = False

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        first, second = shapes
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        one, other = (place("axes", axis, shape) for axis, shape in zip(given, shapes, strict=True))
        if first[one] != second[other]:
            raise Misfit(
                "axes",
                f"must name axes of one size; received {first[one]} and {second[other]} of inputs "
                f"of {listed(shapes)}",
            )
        left = _without(first, one) + _without(second, other)
        return Outcome(
            left or (1,), flops=2 * prod(left) * first[one], activations=max(1, prod(left))
        )


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    longest = max(map(len, shapes))
    sizes = [(1,) * (longest - len(shape)) + shape for shape in shapes]
    found = []
    for axis in zip(*sizes, strict=True):
        different = {size for size in axis if size != 1}
        if len(different) > 1:
            raise Misfit(
                "inputs",
                f"takes inputs of one shape, or of size 1 where they differ; received "
                f"{listed(shapes)}",
            )
        found.append(max(axis))
    return tuple(found)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]
