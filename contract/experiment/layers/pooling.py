"""Layers that sum up windows of a sequence, an image or a volume."""

from math import prod
from typing import ClassVar, Generic, Literal, TypeVar

from typing_extensions import override

from contract.experiment.base import Flag
from contract.experiment.layers.arguments import (
    TWO,
    Padding,
    Sizes,
    Window1D,
    Window2D,
    Window3D,
    by,
    each,
    places,
    sides,
)
from contract.experiment.layers.layer import InXLA, Layer, Misfit, Outcome, Shape

_NO_GRADIENT = "has no deterministic gradient, which a resumed run needs, of max pooling"
# On a CPU there is no pooling of volumes in 16 bits of this form.
_LACKING = ("mixed_float16",)
W = TypeVar("W", bound=Sizes)


class _Pooling(Layer, Generic[W]):
    keeps_units: ClassVar[bool] = True
    rank: ClassVar[int]

    type: str
    pool_size: W = TWO
    strides: W | None = None
    padding: Padding = "valid"

    @property
    @override
    def in_xla(self) -> InXLA:
        return "slower"

    @property
    @override
    def in_float32(self) -> tuple[str, ...]:
        return _LACKING if self.rank == 3 else ()

    @override
    def output(self, shape: Shape) -> Outcome:
        given = sides(shape, self.rank)
        strides = self.pool_size if self.strides is None else self.strides
        found = places(given, ("pool_size", self.pool_size), strides, self.padding)
        output = (*found, shape[-1])
        # A window larger than the input is clipped to it.
        flops = prod(output) * prod(map(min, each(self.pool_size, self.rank), given))
        return Outcome(output, flops=flops, activations=prod(output))


class _MaxPooling(_Pooling[W]):
    @property
    @override
    def xla_fault(self) -> str:
        return _NO_GRADIENT


class MaxPooling1D(_MaxPooling[Window1D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 1

    type: Literal["MaxPooling1D"] = "MaxPooling1D"


class MaxPooling2D(_MaxPooling[Window2D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 2

    type: Literal["MaxPooling2D"] = "MaxPooling2D"


class MaxPooling3D(_MaxPooling[Window3D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 3

    type: Literal["MaxPooling3D"] = "MaxPooling3D"


class AveragePooling1D(_Pooling[Window1D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 1

    type: Literal["AveragePooling1D"] = "AveragePooling1D"


class AveragePooling2D(_Pooling[Window2D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 2

    type: Literal["AveragePooling2D"] = "AveragePooling2D"


class AveragePooling3D(_Pooling[Window3D]):
    """`strides` null means the pool size, as in Keras."""

    rank: ClassVar[int] = 3

    type: Literal["AveragePooling3D"] = "AveragePooling3D"


class _GlobalPooling(Layer):
    rank: ClassVar[int]

    keepdims: Flag = False

    @override
    def output(self, shape: Shape) -> Outcome:
        sides(shape, self.rank)
        kept = (1,) * self.rank if self.keepdims else ()
        return Outcome((*kept, shape[-1]), flops=prod(shape), activations=shape[-1])


class GlobalMaxPooling1D(_GlobalPooling):
    rank: ClassVar[int] = 1

    type: Literal["GlobalMaxPooling1D"] = "GlobalMaxPooling1D"


class GlobalMaxPooling2D(_GlobalPooling):
    rank: ClassVar[int] = 2

    type: Literal["GlobalMaxPooling2D"] = "GlobalMaxPooling2D"


class GlobalMaxPooling3D(_GlobalPooling):
    rank: ClassVar[int] = 3

    type: Literal["GlobalMaxPooling3D"] = "GlobalMaxPooling3D"


class GlobalAveragePooling1D(_GlobalPooling):
    rank: ClassVar[int] = 1

    type: Literal["GlobalAveragePooling1D"] = "GlobalAveragePooling1D"


class GlobalAveragePooling2D(_GlobalPooling):
    rank: ClassVar[int] = 2

    type: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"


class GlobalAveragePooling3D(_GlobalPooling):
    rank: ClassVar[int] = 3

    type: Literal["GlobalAveragePooling3D"] = "GlobalAveragePooling3D"


class _AdaptivePooling(Layer, Generic[W]):
    """Windows as long as it takes for the output to have `output_size`."""

    keeps_units: ClassVar[bool] = True
    rank: ClassVar[int]

    type: str
    output_size: W

    @property
    @override
    def in_xla(self) -> InXLA:
        return "slower"

    @property
    @override
    def in_float32(self) -> tuple[str, ...]:
        return _LACKING if self.rank == 3 else ()

    @override
    def output(self, shape: Shape) -> Outcome:
        sizes, wanted = list(sides(shape, self.rank)), each(self.output_size, self.rank)
        work = kept = 0
        # Keras pools along one side after the other: at every place with a short window and with
        # one that is longer by one, and then takes those that it needs.
        for axis, (side, size) in enumerate(zip(sizes, wanted, strict=True)):
            window = -(-side // size)
            if window == side:
                raise Misfit(
                    "output_size",
                    f"must be at least 2, of a side of at least 2: Keras computes no other; "
                    f"received {self.output_size} for an input of {by(shape[:-1])}: take a global "
                    f"pooling with keepdims for a side of 1",
                )
            pooled = prod(sizes) // side * (2 * (side - window) + 1) * shape[-1]
            sizes[axis] = size
            work += pooled * window
            kept += pooled + prod(sizes) * shape[-1]
        return Outcome((*wanted, shape[-1]), flops=work, activations=kept)


class _AdaptiveMaxPooling(_AdaptivePooling[W]):
    @property
    @override
    def xla_fault(self) -> str:
        return _NO_GRADIENT


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling[Window1D]):
    rank: ClassVar[int] = 1

    type: Literal["AdaptiveMaxPooling1D"] = "AdaptiveMaxPooling1D"


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling[Window2D]):
    rank: ClassVar[int] = 2

    type: Literal["AdaptiveMaxPooling2D"] = "AdaptiveMaxPooling2D"


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling[Window3D]):
    rank: ClassVar[int] = 3

    type: Literal["AdaptiveMaxPooling3D"] = "AdaptiveMaxPooling3D"


class AdaptiveAveragePooling1D(_AdaptivePooling[Window1D]):
    rank: ClassVar[int] = 1

    type: Literal["AdaptiveAveragePooling1D"] = "AdaptiveAveragePooling1D"


class AdaptiveAveragePooling2D(_AdaptivePooling[Window2D]):
    rank: ClassVar[int] = 2

    type: Literal["AdaptiveAveragePooling2D"] = "AdaptiveAveragePooling2D"


class AdaptiveAveragePooling3D(_AdaptivePooling[Window3D]):
    rank: ClassVar[int] = 3

    type: Literal["AdaptiveAveragePooling3D"] = "AdaptiveAveragePooling3D"
