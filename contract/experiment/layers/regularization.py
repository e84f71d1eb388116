"""Layers that disturb training on purpose, and do nothing at test."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from contract.experiment.base import Fraction, NonNegative, Seed
from contract.experiment.layers.arguments import Extent, Share
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape


class _Random(Layer):
    """Keras draws its numbers, from `seed` or else from the run's seed."""

    keeps_units: ClassVar[bool] = True

    seed: Seed | None = None


class _Masked(_Random):
    """`noise_shape` counts the batch; null takes the input's size, 1 the same for all."""

    noise_shape: Annotated[tuple[Extent | None, ...], Field(min_length=1, max_length=8)] | None = (
        None
    )

    @override
    def output(self, shape: Shape) -> Outcome:
        expected = (1, *shape)
        given = expected if self.noise_shape is None else self.noise_shape
        fits = len(given) == len(expected) and all(
            size in (None, 1, own) for size, own in zip(given, expected, strict=True)
        )
        if not fits:
            raise Misfit(
                "noise_shape",
                f"must have a 1, or null, for the batch and for each axis of its input of shape "
                f"{shape}, or the size of it; received {list(given)}",
            )
        return super().output(shape)


class Dropout(_Masked):
    """`noise_shape` counts the batch; null takes the input's size, 1 the same for all."""

    type: Literal["Dropout"] = "Dropout"
    rate: Share


class AlphaDropout(_Masked):
    """Keeps mean and variance, for selu. `noise_shape` as of Dropout."""

    type: Literal["AlphaDropout"] = "AlphaDropout"
    rate: Fraction


class GaussianDropout(_Random):
    """Multiplies by noise of mean 1 and variance rate / (1 - rate)."""

    type: Literal["GaussianDropout"] = "GaussianDropout"
    rate: Fraction


class GaussianNoise(_Random):
    type: Literal["GaussianNoise"] = "GaussianNoise"
    stddev: Share


class _Spatial(_Random):
    """Drops whole channels."""

    rank: ClassVar[int]

    rate: Share

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(shape) != self.rank + 1:
            raise Misfit(
                "",
                f"expects {self.rank} axes and channels; received shape {shape}: put a Reshape "
                f"with a target_shape of {self.rank + 1} sizes before it",
            )
        return super().output(shape)


class SpatialDropout1D(_Spatial):
    """Drops whole channels."""

    rank: ClassVar[int] = 1

    type: Literal["SpatialDropout1D"] = "SpatialDropout1D"


class SpatialDropout2D(_Spatial):
    """Drops whole channels."""

    rank: ClassVar[int] = 2

    type: Literal["SpatialDropout2D"] = "SpatialDropout2D"


class SpatialDropout3D(_Spatial):
    """Drops whole channels."""

    rank: ClassVar[int] = 3

    type: Literal["SpatialDropout3D"] = "SpatialDropout3D"


class ActivityRegularization(Layer):
    """Adds a penalty on what passes it to the loss, at test, too."""

    keeps_units: ClassVar[bool] = True

    type: Literal["ActivityRegularization"] = "ActivityRegularization"
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
