"""Types of the arguments that several layers share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contract.experiment.initializers import Initializer

ActivationName = Literal[
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
Padding = Literal["valid", "same"]
# Both ends included, as Keras does for Dropout and GaussianNoise.
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
# TensorFlow holds the sizes of windows and strides in 32 bits.
Extent = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
# Keras takes one number for both directions, or [height, width].
Window = Extent | tuple[Extent, Extent]


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
