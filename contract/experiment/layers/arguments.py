"""Arguments that several layers share: their types, and what those of windows come to."""

from math import isqrt, prod
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contract.experiment.initializers import Initializer
from contract.experiment.layers.layer import Misfit, Shape
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
# Keras takes one number for both directions, or [height, width].
Window = Annotated[Extent | tuple[Extent, Extent], ByKind()]


def pair(window: Window) -> tuple[int, int]:
    """(height, width) of a `Window`."""
    return (window, window) if isinstance(window, int) else window


def _for_a_row(initializer: Initializer) -> Initializer:
    if initializer == "orthogonal":
        raise ValueError(
            "a bias has one axis, and orthogonal needs two: choose another, such as zeros"
        )
    return initializer


BiasInitializer = Annotated[Initializer, AfterValidator(_for_a_row)]


def image(shape: Shape) -> tuple[int, int, int]:
    """(height, width, channels). Raises Misfit for another shape."""
    if len(shape) != 3:
        raise Misfit(
            "",
            f"expects an image of shape (height, width, channels); received shape {shape}: put a "
            f"Reshape with a target_shape of three sizes before it, such as {_as_image(shape)}",
        )
    height, width, channels = shape
    return height, width, channels


def _as_image(shape: Shape) -> list[int]:
    if len(shape) == 2:
        return [*shape, 1]
    side = isqrt(prod(shape))
    return [side, side, 1] if side**2 == prod(shape) else [1, 1, prod(shape)]


def places(
    shape: Shape,
    window: tuple[str, Window],
    strides: Window,
    padding: Padding,
    dilation: Window = 1,
) -> tuple[int, int]:
    """How many places a window, given with its argument's name, takes: (rows, columns).

    Raises Misfit where it does not fit into the image.
    """
    name, size = window
    sides = shape[:2]
    # A padded window starts at every pixel, as one of a single pixel does.
    spans = [1, 1]
    if padding == "valid":
        spans = [gap * (n - 1) + 1 for n, gap in zip(pair(size), pair(dilation), strict=True)]
    if any(span > side for span, side in zip(spans, sides, strict=True)):
        fits = all(n <= side for n, side in zip(pair(size), sides, strict=True))
        fault = "dilation_rate" if fits else name
        raise Misfit(
            fault,
            f"has a window of {spans[0]}x{spans[1]}, which must fit into its input of "
            f'{sides[0]}x{sides[1]}: make {fault} smaller, or set padding to "same"',
        )
    steps = zip(sides, spans, pair(strides), strict=True)
    rows, columns = ((side - span) // step + 1 for side, span, step in steps)
    return rows, columns
