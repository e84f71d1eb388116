"""Initializers and regularizers: a class each, with the name and arguments that Keras gives it.

A new one is a class here. Each is known by its name alone, too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field
from typing_extensions import override

from contract.experiment.base import (
    NonNegative,
    Part,
    Positive,
    Real,
    any_of,
    in_lower_case,
    kinds,
)
from contract.experiment.names import also_by_class, name_of, object_named
from contract.experiment.unions import ByKind


class OfWeight(Part):
    """What a layer is told of one of its weights: how it begins, its penalty, its bounds."""

    # How many axes the weight must have, and may have; None is any number.
    least_axes: ClassVar[int] = 0
    most_axes: ClassVar[int | None] = None

    def check_axes(self, axes: int) -> None:
        """Raises ValueError where it does not suit a weight of so many axes."""
        if axes < self.least_axes or (self.most_axes is not None and axes > self.most_axes):
            expected = "two" if self.least_axes == self.most_axes else "two or more"
            raise ValueError(
                f"{type(self).__name__} is for weights of {expected} axes; this one has {axes}: "
                f"choose another"
            )


class _Initializer(OfWeight):
    namespace: ClassVar[str] = "initializers"


class Zeros(_Initializer):
    type: Literal["Zeros"]


class Ones(_Initializer):
    type: Literal["Ones"]


class Constant(_Initializer):
    type: Literal["Constant"]
    value: Real = 0.0


class IdentityInitializer(_Initializer):
    """Keras' other name of it: `Identity` is a layer."""

    least_axes: ClassVar[int] = 2
    most_axes: ClassVar[int | None] = 2

    type: Literal["IdentityInitializer"]
    gain: Real = 1.0


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


class GlorotNormal(_Initializer):
    type: Literal["GlorotNormal"]


class GlorotUniform(_Initializer):
    type: Literal["GlorotUniform"]


class HeNormal(_Initializer):
    type: Literal["HeNormal"]


class HeUniform(_Initializer):
    type: Literal["HeUniform"]


class LecunNormal(_Initializer):
    type: Literal["LecunNormal"]


class LecunUniform(_Initializer):
    type: Literal["LecunUniform"]


class Orthogonal(_Initializer):
    least_axes: ClassVar[int] = 2

    type: Literal["Orthogonal"]
    gain: Real = 1.0


class _Regularizer(OfWeight):
    namespace: ClassVar[str] = "regularizers"

    def work(self, shape: Sequence[int]) -> tuple[int, int]:
        """Numbers that it keeps for the penalty of a weight of `shape`, and its FLOPs, where these
        are more than the weight itself."""
        return 0, 0


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


class OrthogonalRegularizer(_Regularizer):
    """The mean of the products of each row (or column), at length 1, with each other one."""

    least_axes: ClassVar[int] = 2
    most_axes: ClassVar[int | None] = 2

    type: Literal["OrthogonalRegularizer"]
    factor: NonNegative = 0.01
    mode: Literal["rows", "columns"] = Field(
        "rows", description="whether rows or columns are to be orthogonal to each other"
    )

    @override
    def work(self, shape: Sequence[int]) -> tuple[int, int]:
        vectors, length = shape if self.mode == "rows" else reversed(shape)
        return vectors**2, 2 * vectors**2 * length


_KINDS = {
    in_lower_case(kind.__name__).removesuffix("_initializer"): kind
    for kind in sorted(kinds(_Initializer), key=lambda kind: kind.__name__)
}
# What Keras calls them besides.
_OTHER_NAMES = {
    "Identity": "identity",
    "OrthogonalInitializer": "orthogonal",
    "normal": "random_normal",
    "one": "ones",
    "uniform": "random_uniform",
    "zero": "zeros",
}
_REGULARIZERS = {
    {"l1l2": "l1_l2"}.get(name, name): kind
    for name, kind in ((in_lower_case(kind.__name__), kind) for kind in kinds(_Regularizer))
}
if TYPE_CHECKING:
    InitializerName: TypeAlias = str
    InitializerObject: TypeAlias = _Initializer
    Initializer: TypeAlias = str | _Initializer
    Regularizer: TypeAlias = _Regularizer
    RegularizerObject: TypeAlias = _Regularizer
    ElementRegularizer: TypeAlias = _Regularizer
else:
    InitializerName = Literal[tuple(_KINDS)]
    InitializerObject = any_of(list(_KINDS.values()))
    Initializer = Annotated[
        name_of(_KINDS, also_by_class(_KINDS, _OTHER_NAMES)) | InitializerObject, ByKind()
    ]
    RegularizerObject = any_of(list(_REGULARIZERS.values()))
    _NAME = object_named(_REGULARIZERS, also_by_class(_REGULARIZERS, {"l1l2": "l1_l2"}))
    Regularizer = Annotated[_NAME | RegularizerObject, ByKind()]
    # Of a bias, and of what a layer gives.
    _ELEMENTS = {name: kind for name, kind in _REGULARIZERS.items() if not kind.least_axes}
    ElementRegularizer = Annotated[
        object_named(_ELEMENTS, also_by_class(_ELEMENTS, {"l1l2": "l1_l2"}))
        | any_of(list(_ELEMENTS.values())),
        ByKind(),
    ]


def initializer_of(given: Initializer) -> InitializerObject:
    """What a name stands for, with Keras' defaults; an object is what it is."""
    if isinstance(given, str):
        kind = _KINDS[given]
        return kind.model_validate({"type": kind.__name__})
    return given
