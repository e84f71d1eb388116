"""Layers that change pictures at random in training, and do nothing at test."""

from abc import ABC
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import Real, Seed
from contract.experiment.layers.arguments import Share, sides
from contract.experiment.layers.layer import Layer, Outcome, Shape
from contract.experiment.unions import ByKind

# A number is the range from its negative, or from the least there is, to itself.
_Swing = Annotated[float, Field(strict=True, ge=-1, le=1, allow_inf_nan=False)]
_Swings = Annotated[_Swing | tuple[_Swing, _Swing], ByKind()]
_Zoom = Annotated[float, Field(strict=True, gt=-1, le=1, allow_inf_nan=False)]
_Zooms = Annotated[_Zoom | tuple[_Zoom, _Zoom], ByKind()]
_Shares = Annotated[Share | tuple[Share, Share], ByKind()]
_FillMode = Literal["reflect", "wrap", "constant", "nearest"]
_Interpolation = Literal["nearest", "bilinear"]
_ValueRange = Annotated[
    tuple[Real, Real], Field(description="least and greatest number that an input can be")
]
_FULL: tuple[float, float] = (0.0, 255.0)


class _Augmentation(Layer, ABC):
    """Keras draws its numbers, from `seed` or else from the run's seed."""

    # Operations on each number.
    operations: ClassVar[int] = 4

    seed: Seed | None = None

    @property
    @override
    def in_float32(self) -> tuple[str, ...]:
        return ("mixed_float16", "mixed_bfloat16")

    @override
    def output(self, shape: Shape) -> Outcome:
        sides(shape, 2)
        numbers = prod(shape)
        return Outcome(shape, flops=self.operations * numbers, activations=2 * numbers)


class _Moved(_Augmentation):
    """`fill_mode` says what comes in from outside; `fill_value` is it where that is constant."""

    operations: ClassVar[int] = 20

    fill_mode: _FillMode = Field("reflect", description="what is outside of a picture")
    interpolation: _Interpolation = "bilinear"
    fill_value: Real = Field(0.0, description="with constant: the number that is outside")

    @property
    @override
    def xla_fault(self) -> str:
        return "cannot compile how pictures are turned, moved and stretched"


class _Ranged(_Augmentation):
    value_range: _ValueRange = _FULL

    @model_validator(mode="after")
    def _rises(self) -> Self:
        low, high = self.value_range
        if low >= high:
            raise ValueError(f"value_range must rise; received {low} and {high}")
        return self


class RandomFlip(_Augmentation):
    type: Literal["RandomFlip"] = "RandomFlip"
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = Field(
        "horizontal_and_vertical", description="left to right, upside down, or both"
    )


class RandomRotation(_Moved):
    """`factor` is a share of a whole turn."""

    type: Literal["RandomRotation"] = "RandomRotation"
    factor: _Swings = Field(description="how far it turns at most, as a share of a whole turn")


class RandomZoom(_Moved):
    """Above 0 the picture gets smaller; without `width_factor` it keeps its proportions."""

    type: Literal["RandomZoom"] = "RandomZoom"
    height_factor: _Zooms = Field(description="how much more, or less, of the height is seen")
    width_factor: _Zooms | None = Field(None, description="the same of the width; null is as much")


class RandomTranslation(_Moved):
    type: Literal["RandomTranslation"] = "RandomTranslation"
    height_factor: _Swings = Field(description="how far it moves down, as a share of the height")
    width_factor: _Swings = Field(description="how far it moves right, as a share of the width")


class RandomShear(_Moved):
    type: Literal["RandomShear"] = "RandomShear"
    x_factor: _Shares = Field(0.0, description="how far rows move against each other")
    y_factor: _Shares = Field(0.0, description="how far columns move against each other")


class RandomContrast(_Ranged):
    type: Literal["RandomContrast"] = "RandomContrast"
    factor: _Shares = Field(description="how much more, or less, contrast there is at most")


class RandomBrightness(_Ranged):
    type: Literal["RandomBrightness"] = "RandomBrightness"
    factor: _Swings = Field(description="what is added at most, as a share of the range")


class RandomErasing(_Ranged):
    """Fills a part of the picture with `fill_value`, or with noise."""

    type: Literal["RandomErasing"] = "RandomErasing"
    factor: _Shares = Field(1.0, description="how probable it is at most")
    scale: tuple[Share, Share] = Field((0.02, 0.33), description="shares of the picture")
    fill_value: Real | None = Field(None, description="what it is filled with; null is noise")
