"""Layers that give the same numbers another shape, leave some out, or repeat them."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from contract.experiment.base import Count, Whole
from contract.experiment.layers.arguments import (
    Extent,
    Sizes,
    Window2D,
    Window3D,
    by,
    each,
    sides,
)
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.unions import LIST, LISTS, WHOLE, ByKind, kind_of


class Flatten(Layer):
    moves: ClassVar[bool] = True

    type: Literal["Flatten"] = "Flatten"

    @override
    def output(self, shape: Shape) -> Outcome:
        return Outcome((prod(shape),))


class Reshape(Layer):
    """`target_shape` leaves the batch out; one entry may be -1."""

    moves: ClassVar[bool] = True

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


def _permutation(dims: tuple[int, ...]) -> tuple[int, ...]:
    if sorted(dims) != list(range(1, len(dims) + 1)):
        raise ValueError(
            f"dims must name each axis from 1 on once; received {list(dims)}: take a permutation "
            f"of {list(range(1, len(dims) + 1))}"
        )
    return dims


class Permute(Layer):
    """`dims` are the axes of the input in their new order; the first after the batch is 1."""

    moves: ClassVar[bool] = True

    type: Literal["Permute"] = "Permute"
    dims: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=8)], ...],
        Field(min_length=1, max_length=8),
        AfterValidator(_permutation),
    ]

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(self.dims) != len(shape):
            raise Misfit(
                "dims",
                f"must name the {len(shape)} axes of its input of shape {shape}; received "
                f"{list(self.dims)}",
            )
        return Outcome(tuple(shape[axis - 1] for axis in self.dims), activations=prod(shape))


class RepeatVector(Layer):
    """The input `n` times, one after the other."""

    moves: ClassVar[bool] = True

    type: Literal["RepeatVector"] = "RepeatVector"
    n: Count

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(shape) != 1:
            raise Misfit(
                "", f"expects one row of numbers; received shape {shape}: put a Flatten before it"
            )
        return Outcome((self.n, *shape), activations=self.n * prod(shape))


_Pair = tuple[Whole, Whole]


def _margins(value: Any) -> str | None:
    """Of [[1, 2], 0] nobody can say whether numbers or pairs were meant."""
    kind = kind_of(value)
    inside = {kind_of(each) for each in value} if kind == LIST else set()
    if LIST not in inside:
        return kind
    return None if WHOLE in inside else LISTS


Margins1D = Annotated[Whole | _Pair, ByKind()]
Margins2D = Annotated[Whole | _Pair | tuple[_Pair, _Pair], ByKind(_margins)]
Margins3D = Annotated[
    Whole | tuple[Whole, Whole, Whole] | tuple[_Pair, _Pair, _Pair], ByKind(_margins)
]
_Margins = int | Sequence[int] | Sequence[tuple[int, int]]


def _both_ends(margins: _Margins, rank: int) -> list[tuple[int, int]]:
    """(before, after) of each of `rank` sides."""
    given: Any = (margins,) * rank if isinstance(margins, int) else margins
    if rank == 1 and not isinstance(margins, int):
        given = (margins,)  # not one number a side, but one an end
    return [(side, side) if isinstance(side, int) else side for side in given]


class _Cropping(Layer):
    """Leaves the margins out."""

    moves: ClassVar[bool] = True
    rank: ClassVar[int]

    type: str
    cropping: _Margins

    @override
    def output(self, shape: Shape) -> Outcome:
        given, cut = sides(shape, self.rank), _both_ends(self.cropping, self.rank)
        left = tuple(side - sum(ends) for side, ends in zip(given, cut, strict=True))
        if min(left) < 1:
            raise Misfit(
                "cropping",
                f"must leave something of its input of {by(given)}; received {self.cropping}: make "
                f"it smaller",
            )
        output = (*left, shape[-1])
        return Outcome(output, activations=prod(output))


class Cropping1D(_Cropping):
    """One number, or [first, last]."""

    rank: ClassVar[int] = 1

    type: Literal["Cropping1D"] = "Cropping1D"
    cropping: Margins1D = (1, 1)


class Cropping2D(_Cropping):
    """One number, [height, width], or [[top, bottom], [left, right]]."""

    rank: ClassVar[int] = 2

    type: Literal["Cropping2D"] = "Cropping2D"
    cropping: Margins2D = ((0, 0), (0, 0))


class Cropping3D(_Cropping):
    """One number, one of each side, or a pair of each."""

    rank: ClassVar[int] = 3

    type: Literal["Cropping3D"] = "Cropping3D"
    cropping: Margins3D = ((1, 1), (1, 1), (1, 1))


class _ZeroPadding(Layer):
    rank: ClassVar[int]

    type: str
    padding: _Margins

    @override
    def output(self, shape: Shape) -> Outcome:
        given, more = sides(shape, self.rank), _both_ends(self.padding, self.rank)
        output = (*(side + sum(ends) for side, ends in zip(given, more, strict=True)), shape[-1])
        return Outcome(output, activations=prod(output))


class ZeroPadding1D(_ZeroPadding):
    """One number, or [first, last]."""

    rank: ClassVar[int] = 1

    type: Literal["ZeroPadding1D"] = "ZeroPadding1D"
    padding: Margins1D = 1


class ZeroPadding2D(_ZeroPadding):
    """One number, [height, width], or [[top, bottom], [left, right]]."""

    rank: ClassVar[int] = 2

    type: Literal["ZeroPadding2D"] = "ZeroPadding2D"
    padding: Margins2D = 1


class ZeroPadding3D(_ZeroPadding):
    """One number, one of each side, or a pair of each."""

    rank: ClassVar[int] = 3

    type: Literal["ZeroPadding3D"] = "ZeroPadding3D"
    padding: Margins3D = ((1, 1), (1, 1), (1, 1))


class _UpSampling(Layer):
    """Each point `size` times."""

    rank: ClassVar[int]

    type: str
    size: Sizes

    @override
    def output(self, shape: Shape) -> Outcome:
        given, times = sides(shape, self.rank), each(self.size, self.rank)
        output = (*(side * n for side, n in zip(given, times, strict=True)), shape[-1])
        return Outcome(output, activations=prod(output))


class UpSampling1D(_UpSampling):
    rank: ClassVar[int] = 1

    type: Literal["UpSampling1D"] = "UpSampling1D"
    size: Extent = 2


# How many points of a side go into a new one.
_POINTS = {"nearest": 0, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}


class UpSampling2D(_UpSampling):
    rank: ClassVar[int] = 2

    type: Literal["UpSampling2D"] = "UpSampling2D"
    size: Window2D = 2
    interpolation: Literal["bicubic", "bilinear", "lanczos3", "lanczos5", "nearest"] = "nearest"

    @property
    @override
    def xla_fault(self) -> str:
        if self.interpolation in ("nearest", "bilinear"):
            return ""
        return f"cannot compile the {self.interpolation} interpolation of UpSampling2D"

    @property
    @override
    def in_float32(self) -> tuple[str, ...]:
        # There is no gradient in 16 bits.
        lacking = self.interpolation in ("lanczos3", "lanczos5")
        return ("mixed_float16", "mixed_bfloat16") if lacking else ()

    @override
    def output(self, shape: Shape) -> Outcome:
        found = super().output(shape)
        return replace(found, flops=2 * _POINTS[self.interpolation] ** 2 * prod(found.shape))


class UpSampling3D(_UpSampling):
    rank: ClassVar[int] = 3

    type: Literal["UpSampling3D"] = "UpSampling3D"
    size: Window3D = 2
