"""Layers that give the same numbers another shape."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from contract.experiment.base import Whole
from contract.experiment.layers.arguments import image
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.unions import LIST, LISTS, WHOLE, ByKind, kind_of


class Flatten(Layer):
    type: Literal["Flatten"] = "Flatten"

    @override
    def output(self, shape: Shape) -> Outcome:
        return Outcome((prod(shape),))


class Reshape(Layer):
    """`target_shape` leaves the batch out; one entry may be -1."""

    type: Literal["Reshape"] = "Reshape"
    target_shape: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=-1, le=1_000_000_000)], ...],
        Field(min_length=1, max_length=5),
    ]

    @override
    def output(self, shape: Shape) -> Outcome:
        target = self.target_shape
        free = target.count(-1)
        known = prod(size for size in target if size != -1)
        # With one -1, the rest must divide the input; without, it must equal it.
        if free > 1 or known == 0 or (prod(shape) % known if free else prod(shape) != known):
            raise Misfit(
                "target_shape",
                f"must keep the {prod(shape)} numbers of its input of shape {shape}; received "
                f"{list(target)}: change the sizes, of which one may be -1",
            )
        return Outcome(tuple(prod(shape) // known if size == -1 else size for size in target))


_Pair = tuple[Whole, Whole]


def _margins(value: Any) -> str | None:
    """Of [[1, 2], 0] nobody can say whether numbers or pairs were meant."""
    kind = kind_of(value)
    inside = {kind_of(each) for each in value} if kind == LIST else set()
    if LIST not in inside:
        return kind
    return None if WHOLE in inside else LISTS


class ZeroPadding2D(Layer):
    """One number, [height, width], or [[top, bottom], [left, right]]."""

    type: Literal["ZeroPadding2D"] = "ZeroPadding2D"
    padding: Annotated[Whole | _Pair | tuple[_Pair, _Pair], ByKind(_margins)] = 1

    @override
    def output(self, shape: Shape) -> Outcome:
        height, width, channels = image(shape)
        given = self.padding
        (top, bottom), (left, right) = (
            (side, side) if isinstance(side, int) else side
            for side in ((given, given) if isinstance(given, int) else given)
        )
        output = (height + top + bottom, width + left + right, channels)
        return Outcome(output, activations=prod(output))
