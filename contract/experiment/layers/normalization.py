"""Layers that bring their input to a common scale."""

from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from contract.experiment.base import Flag, Fraction, NonNegative, Positive, Real
from contract.experiment.initializers import ElementRegularizer
from contract.experiment.layers.arguments import BiasConstraint, BiasInitializer
from contract.experiment.layers.axes import Axes, Axis, place, places_of
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.unions import ByKind


class _Normalization(Layer):
    """`gamma` scales what was normalized, and `beta` is added to it."""

    keeps_units: ClassVar[bool] = True

    epsilon: Positive = 1e-3
    center: Flag = True
    scale: Flag = True
    beta_initializer: BiasInitializer = "zeros"
    gamma_initializer: BiasInitializer = "ones"
    beta_regularizer: ElementRegularizer | None = None
    gamma_regularizer: ElementRegularizer | None = None
    beta_constraint: BiasConstraint | None = None
    gamma_constraint: BiasConstraint | None = None

    def _of(self, shape: Shape, entries: int, frozen: int = 0) -> Outcome:
        """With a gamma, a beta and `frozen` moving numbers for each of so many entries."""
        return _normalized(shape, (self.center + self.scale) * entries, frozen * entries)


class BatchNormalization(_Normalization):
    """`axis` counts the batch as 0. With `renorm` it trains with moving means, too, whose
    corrections `renorm_clipping` bounds."""

    type: Literal["BatchNormalization"] = "BatchNormalization"
    axis: Axis = -1
    momentum: Fraction = 0.99
    moving_mean_initializer: BiasInitializer = "zeros"
    moving_variance_initializer: BiasInitializer = "ones"
    renorm: Flag = False
    renorm_clipping: dict[Literal["rmax", "rmin", "dmax"], NonNegative] | None = None
    renorm_momentum: Fraction = 0.99

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        bounds = self.renorm_clipping or {}
        if bounds.get("rmin", 0.0) > bounds.get("rmax", 3e38):
            raise ValueError(f"rmin must not be above rmax; received {bounds}")
        return self

    @override
    def output(self, shape: Shape) -> Outcome:
        entries = shape[place("axis", self.axis, shape)]
        return self._of(shape, entries, frozen=5 if self.renorm else 2)


class LayerNormalization(_Normalization):
    """`axis` counts the batch as 0."""

    type: Literal["LayerNormalization"] = "LayerNormalization"
    axis: Axes = -1

    @override
    def output(self, shape: Shape) -> Outcome:
        return self._of(shape, prod(shape[at] for at in places_of("axis", self.axis, shape)))


def _some(groups: int) -> int:
    if groups == 0:
        raise ValueError("there must be one group at least; -1 is one for each entry of the axis")
    return groups


class GroupNormalization(_Normalization):
    """The entries of `axis`, of which 0 is the batch, in so many `groups`; -1 is one an entry."""

    type: Literal["GroupNormalization"] = "GroupNormalization"
    groups: Annotated[
        int,
        Field(
            strict=True,
            ge=-1,
            le=1_000_000_000_000,
            description="parts of the axis that are normalized each by itself; -1 is one an entry",
        ),
        AfterValidator(_some),
    ] = 32
    axis: Axis = -1

    @override
    def output(self, shape: Shape) -> Outcome:
        entries = shape[place("axis", self.axis, shape)]
        if self.groups != -1 and entries % self.groups:
            raise Misfit(
                "groups",
                f"must divide the {entries} entries of axis {self.axis} of its input of shape "
                f"{shape}; received {self.groups}: take a divisor, or -1 for {entries} groups",
            )
        return self._of(shape, entries)


class RMSNormalization(Layer):
    """Divides by the root of the mean square. `axis` counts the batch as 0."""

    keeps_units: ClassVar[bool] = True

    type: Literal["RMSNormalization"] = "RMSNormalization"
    axis: Axes = -1
    epsilon: Positive = 1e-6

    @override
    def output(self, shape: Shape) -> Outcome:
        found = places_of("axis", self.axis, shape)
        if sorted(found) != list(range(len(shape) - len(found), len(shape))):
            raise Misfit(
                "axis",
                f"must name the last axis, or the last ones, which its scale is laid along; "
                f"received {self.axis} for an input of shape {shape}",
            )
        return _normalized(shape, prod(shape[at] for at in found))


class UnitNormalization(Layer):
    """Divides by the root of the sum of squares. `axis` counts the batch as 0."""

    keeps_units: ClassVar[bool] = True

    type: Literal["UnitNormalization"] = "UnitNormalization"
    axis: Axes = -1

    @override
    def output(self, shape: Shape) -> Outcome:
        places_of("axis", self.axis, shape)
        return _normalized(shape, 0)


_MOST_ENTRIES = 10_000
_Means = Annotated[
    Real | Annotated[tuple[Real, ...], Field(min_length=1, max_length=_MOST_ENTRIES)], ByKind()
]
_Variances = Annotated[
    NonNegative | Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=_MOST_ENTRIES)],
    ByKind(),
]


class Normalization(Layer):
    """(x - mean) / sqrt(variance), or with `invert` its inverse. Nothing adapts it to the data:
    without `mean` and `variance` it changes nothing. `axis` counts the batch as 0."""

    keeps_units: ClassVar[bool] = True

    type: Literal["Normalization"] = "Normalization"
    axis: Axes | None = -1
    mean: _Means | None = Field(
        None, description="one number, or one for each entry of axis; null is 0"
    )
    variance: _Variances | None = Field(
        None, description="one number, or one for each entry of axis; null is 1"
    )
    invert: Flag = False

    @model_validator(mode="after")
    def _alike(self) -> Self:
        mean, variance = (
            len(given) if isinstance(given, tuple) else given is not None and -1
            for given in (self.mean, self.variance)
        )
        if mean != variance:
            raise ValueError(
                "mean and variance must both be null, both be a number, or be lists of one length"
            )
        return self

    @override
    def output(self, shape: Shape) -> Outcome:
        found = [] if self.axis is None else places_of("axis", self.axis, shape)
        entries = prod(shape[at] for at in found)
        if isinstance(self.mean, tuple) and (len(found) != 1 or len(self.mean) not in (1, entries)):
            raise Misfit(
                "mean",
                f"must be a number, or have one for each entry of a single axis, of which its "
                f"input of shape {shape} has {entries} along axis {self.axis}; received "
                f"{len(self.mean)}",
            )
        # Keras also counts the batches that it was adapted to.
        return _normalized(shape, 0, 2 * entries + 1 if self.mean is None else 0)


def _normalized(shape: Shape, trainable: int, frozen: int = 0) -> Outcome:
    return Outcome(
        shape,
        trainable=trainable,
        frozen=frozen,
        flops=4 * prod(shape),
        activations=prod(shape),
    )
