"""Arguments that several layers share: their types, and what those of windows come to."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from contract.experiment.base import Whole
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import Initializer, Regularizer, initializer_of
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape
from contract.experiment.unions import ByKind

# All of `keras.activations` that keep the shape and need no arguments.
ActivationName = Literal[
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]
Padding = Literal["valid", "same"]
# Both ends included, as Keras does for Dropout and GaussianNoise.
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
# TensorFlow holds the sizes of windows and strides in 32 bits.
Extent = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
# Keras takes one number for all directions, or one for each: [steps], [height, width], or
# [depth, height, width].
Window1D = Annotated[Extent | tuple[Extent], ByKind()]
Window2D = Annotated[Extent | tuple[Extent, Extent], ByKind()]
Window3D = Annotated[Extent | tuple[Extent, Extent, Extent], ByKind()]
Sizes = int | tuple[int, ...]
# Defaults of windows, whatever their number of directions.
ONE: Any = 1
TWO: Any = 2
# The same, but from 0 on.
Room1D = Annotated[Whole | tuple[Whole], ByKind()]
Room2D = Annotated[Whole | tuple[Whole, Whole], ByKind()]
Room3D = Annotated[Whole | tuple[Whole, Whole, Whole], ByKind()]


def each(window: Sizes, rank: int) -> tuple[int, ...]:
    """One size for each of `rank` directions."""
    return (window,) * rank if isinstance(window, int) else window


def suited(value: Any, axes: int) -> Any:
    """What is said of a weight, if it suits one of so many axes. Raises ValueError otherwise."""
    if value is not None:
        (initializer_of(value) if isinstance(value, str) else value).check_axes(axes)
    return value


_OF_ONE_AXIS = AfterValidator(partial(suited, axes=1))
BiasInitializer = Annotated[Initializer, _OF_ONE_AXIS]
BiasConstraint = Annotated[Constraint, _OF_ONE_AXIS]


class Weighted(Layer):
    """Its kernels, whatever their names, have as many axes as `kernel_axes` says."""

    kernel_axes: ClassVar[int] = 2

    @field_validator(
        *(
            f"{kernel}_{role}"
            for kernel in ("kernel", "depthwise", "pointwise", "recurrent", "embeddings")
            for role in ("initializer", "regularizer", "constraint")
        ),
        check_fields=False,
    )
    @classmethod
    def _suits(cls, value: Any) -> Any:
        return suited(value, cls.kernel_axes)


def penalized(outcome: Outcome, regularizer: Regularizer | None, shape: Sequence[int]) -> Outcome:
    """With the work of a penalty on a weight of `shape`.

    That is done once a step: to count it with each example is on the safe side.
    """
    if regularizer is None:
        return outcome
    kept, flops = regularizer.work(shape)
    return replace(outcome, flops=outcome.flops + flops, activations=outcome.activations + kept)


_INPUTS = {
    1: ("a sequence", "(steps, channels)"),
    2: ("an image", "(height, width, channels)"),
    3: ("a volume", "(depth, height, width, channels)"),
}


def sides(shape: Shape, rank: int) -> tuple[int, ...]:
    """The sizes of the `rank` axes before the channels. Raises Misfit for another shape."""
    if len(shape) != rank + 1:
        what, axes = _INPUTS[rank]
        raise Misfit(
            "",
            f"expects {what} of shape {axes}; received shape {shape}: put a Reshape with a "
            f"target_shape of {_COUNTS[rank]} sizes before it, such as {_reshaped(shape, rank)}",
        )
    return shape[:-1]


_COUNTS = {1: "two", 2: "three", 3: "four"}


def _reshaped(shape: Shape, rank: int) -> list[int]:
    if len(shape) == rank:
        return [*shape, 1]
    if rank == 1:
        return [prod(shape[:-1]), shape[-1]]
    side = round(prod(shape) ** (1 / rank))
    return [*[side] * rank, 1] if side**rank == prod(shape) else [*[1] * rank, prod(shape)]


def places(
    given: tuple[int, ...],
    window: tuple[str, Sizes],
    strides: Sizes,
    padding: Literal["valid", "same", "causal"],
    dilation: Sizes = 1,
) -> tuple[int, ...]:
    """How many places a window, given with its argument's name, takes on the sides of its input.

    Raises Misfit where it does not fit into them.
    """
    rank = len(given)
    name, size = window
    # A padded window starts at every point, as one of a single point does.
    spans = (1,) * rank
    if padding == "valid":
        rates = zip(each(size, rank), each(dilation, rank), strict=True)
        spans = tuple(rate * (n - 1) + 1 for n, rate in rates)
    if any(span > side for span, side in zip(spans, given, strict=True)):
        fits = all(n <= side for n, side in zip(each(size, rank), given, strict=True))
        fault = "dilation_rate" if fits else name
        raise Misfit(
            fault,
            f"has a window of {by(spans)}, which must fit into its input of {by(given)}: make "
            f'{fault} smaller, or set padding to "same"',
        )
    steps = zip(given, spans, each(strides, rank), strict=True)
    return tuple((side - span) // step + 1 for side, span, step in steps)


def by(sizes: tuple[int, ...]) -> str:
    """For a message: 3x4."""
    return "x".join(map(str, sizes))
