"""Layers that slide a window of weights over a sequence, an image or a volume."""

from math import prod
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from contract.experiment.base import Count, Flag
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer
from contract.experiment.layers.arguments import (
    ONE,
    ActivationName,
    BiasConstraint,
    BiasInitializer,
    Padding,
    Room1D,
    Room2D,
    Room3D,
    Sizes,
    Weighted,
    Window1D,
    Window2D,
    Window3D,
    each,
    places,
    sides,
)
from contract.experiment.layers.layer import InXLA, Misfit, Outcome, Shape, activated

W = TypeVar("W", bound=Sizes)
R = TypeVar("R", bound=Sizes)


class _Convolution(Weighted):
    has_units: ClassVar[bool] = True
    rank: ClassVar[int]

    @property
    @override
    def in_xla(self) -> InXLA:
        return "slower"


class _Conv(_Convolution, Generic[W]):
    columns: ClassVar[str] = "filters"

    type: str
    filters: Count
    kernel_size: W
    strides: W = ONE
    padding: Literal["valid", "same", "causal"] = "valid"
    dilation_rate: W = ONE
    groups: Count = 1
    activation: ActivationName = "linear"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        given, rank = sides(shape, self.rank), self.rank
        check_dilation(self.strides, self.dilation_rate, rank)
        self._check_groups(shape[-1])
        if self.groups == 1:  # others are compiled by XLA
            check_depth(self.kernel_size, self.strides, rank, shape[-1])
        window = ("kernel_size", self.kernel_size)
        found = places(given, window, self.strides, self.padding, self.dilation_rate)
        weights = prod(each(self.kernel_size, rank)) * (shape[-1] // self.groups) * self.filters
        channels = shape[-1] + self.filters
        scratch = copied(given, self.kernel_size, self.padding, self.dilation_rate, channels)
        output, products = (*found, self.filters), weights * prod(found)
        return activated(self, self.use_bias, output, weights, products, scratch)

    def _check_groups(self, channels: int) -> None:
        if channels % self.groups or self.filters % self.groups:
            raise Misfit(
                "groups",
                f"must divide the channels of its input and its filters; received {self.groups} "
                f"with {channels} channels and {self.filters} filters: take a divisor of both, "
                f"such as 1",
            )


class Conv1D(_Conv[Window1D]):
    """With the padding `causal` an output depends on no later input."""

    rank: ClassVar[int] = 1
    kernel_axes: ClassVar[int] = 3

    type: Literal["Conv1D"] = "Conv1D"
    padding: Literal["valid", "same", "causal"] = Field(
        "valid",
        description="valid: windows lie within the input; same: the input is padded with zeros; "
        "causal: it is padded at its beginning alone",
    )


class Conv2D(_Conv[Window2D]):
    rank: ClassVar[int] = 2
    kernel_axes: ClassVar[int] = 4

    type: Literal["Conv2D"] = "Conv2D"
    padding: Padding = "valid"


class Conv3D(_Conv[Window3D]):
    rank: ClassVar[int] = 3
    kernel_axes: ClassVar[int] = 5

    type: Literal["Conv3D"] = "Conv3D"
    padding: Padding = "valid"


class _ConvTranspose(_Convolution, Generic[W, R]):
    """What a convolution would take to give its input."""

    type: str
    filters: Count
    kernel_size: W
    strides: W = ONE
    padding: Padding = "valid"
    output_padding: R | None = None
    dilation_rate: W = ONE
    activation: ActivationName = "linear"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        given, rank = sides(shape, self.rank), self.rank
        if max(each(self.dilation_rate, rank)) > 1:
            raise Misfit(
                "dilation_rate",
                f"must be 1, all that TensorFlow has on every processor; received "
                f"{self.dilation_rate}: leave it out",
            )
        check_depth(self.kernel_size, self.strides, rank, self.filters)
        kernel, steps = each(self.kernel_size, rank), each(self.strides, rank)
        # None: as far as the last window reaches, or the strides.
        more: tuple[int | None, ...] = (None,) * rank
        if self.output_padding is not None:
            more = each(self.output_padding, rank)
        found = tuple(map(self._side, given, kernel, steps, more))
        weights = prod(kernel) * shape[-1] * self.filters
        output, products = (*found, self.filters), weights * prod(given)
        return activated(self, self.use_bias, output, weights, products)

    def _side(self, side: int, window: int, step: int, more: int | None) -> int:
        """Of the output."""
        if more is None:
            return side * step if self.padding == "same" else (side - 1) * step + max(window, step)
        if more >= step:
            raise Misfit(
                "output_padding",
                f"must be below strides; received {more} with strides of {step}: make it smaller, "
                f"or leave it out",
            )
        if self.padding == "valid":
            return (side - 1) * step + window + more
        if window % 2 + more == 0:
            raise Misfit(
                "output_padding",
                f'must be at least 1 where padding is "same" and the window\'s size even; received '
                f"0 with a window of {window}: make it larger, or leave it out",
            )
        return (side - 1) * step + window % 2 + more


class Conv1DTranspose(_ConvTranspose[Window1D, Room1D]):
    rank: ClassVar[int] = 1
    kernel_axes: ClassVar[int] = 3

    type: Literal["Conv1DTranspose"] = "Conv1DTranspose"


class Conv2DTranspose(_ConvTranspose[Window2D, Room2D]):
    rank: ClassVar[int] = 2
    kernel_axes: ClassVar[int] = 4

    type: Literal["Conv2DTranspose"] = "Conv2DTranspose"


class Conv3DTranspose(_ConvTranspose[Window3D, Room3D]):
    rank: ClassVar[int] = 3
    kernel_axes: ClassVar[int] = 5

    type: Literal["Conv3DTranspose"] = "Conv3DTranspose"


class _DepthwiseConv(_Convolution, Generic[W]):
    columns: ClassVar[str] = "depth_multiplier"

    type: str
    kernel_size: W
    strides: W = ONE
    padding: Padding = "valid"
    depth_multiplier: Count = 1
    dilation_rate: W = ONE
    activation: ActivationName = "linear"
    use_bias: Flag = True
    depthwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    depthwise_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    depthwise_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        found, filtered, weights, products, scratch = _depthwise(self, shape)
        return activated(self, self.use_bias, (*found, filtered), weights, products, scratch)


class DepthwiseConv1D(_DepthwiseConv[Window1D]):
    rank: ClassVar[int] = 1
    kernel_axes: ClassVar[int] = 3

    type: Literal["DepthwiseConv1D"] = "DepthwiseConv1D"


class DepthwiseConv2D(_DepthwiseConv[Window2D]):
    rank: ClassVar[int] = 2
    kernel_axes: ClassVar[int] = 4

    type: Literal["DepthwiseConv2D"] = "DepthwiseConv2D"


class _SeparableConv(_Convolution, Generic[W]):
    type: str
    filters: Count
    kernel_size: W
    strides: W = ONE
    padding: Padding = "valid"
    dilation_rate: W = ONE
    depth_multiplier: Count = 1
    activation: ActivationName = "linear"
    use_bias: Flag = True
    depthwise_initializer: Initializer = "glorot_uniform"
    pointwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    depthwise_regularizer: ElementRegularizer | None = None
    pointwise_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    depthwise_constraint: Constraint | None = None
    pointwise_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        found, filtered, depthwise, products, scratch = _depthwise(self, shape)
        pointwise = filtered * self.filters
        return activated(
            self,
            self.use_bias,
            (*found, self.filters),
            depthwise + pointwise,
            products + pointwise * prod(found),
            filtered * prod(found) + scratch,
        )


class SeparableConv1D(_SeparableConv[Window1D]):
    rank: ClassVar[int] = 1
    kernel_axes: ClassVar[int] = 3

    type: Literal["SeparableConv1D"] = "SeparableConv1D"


class SeparableConv2D(_SeparableConv[Window2D]):
    rank: ClassVar[int] = 2
    kernel_axes: ClassVar[int] = 4

    type: Literal["SeparableConv2D"] = "SeparableConv2D"


def check_dilation(strides: Sizes, dilation: Sizes, rank: int) -> None:
    """Raises Misfit where both are above 1."""
    if max(each(strides, rank)) > 1 and max(each(dilation, rank)) > 1:
        raise Misfit(
            "dilation_rate",
            f"must be 1 where strides are above 1; received dilation_rate {dilation} with strides "
            f"{strides}: set one of them to 1",
        )


def check_depth(kernel: Sizes, strides: Sizes, rank: int, channels: int) -> None:
    """`channels` are those of the input; of a transposed layer, of what it gives.

    The gradient of the kernel writes where it may not then, and the process aborts (oneDNN).
    """
    if rank == 3 and channels == 1 and each(strides, rank)[0] > each(kernel, rank)[0]:
        raise Misfit(
            "strides",
            f"must not be above kernel_size in depth where there is a single channel, which "
            f"breaks TensorFlow; received {strides} with a kernel_size of {kernel}: make strides "
            f"smaller, or kernel_size larger",
        )


def _depthwise(
    layer: _DepthwiseConv[W] | _SeparableConv[W], shape: Shape
) -> tuple[tuple[int, ...], int, int, int, int]:
    """Of the part that filters each channel by itself: places, channels, weights, products, and
    the numbers in copies."""
    given, rank = sides(shape, layer.rank), layer.rank
    steps, rates = each(layer.strides, rank), each(layer.dilation_rate, rank)
    dilated = max(rates) > 1
    if len(set(steps)) > 1 and not dilated:
        raise Misfit(
            "strides",
            f"must be equal in both directions, all that TensorFlow has on every processor; "
            f"received {steps}: use Conv2D for others",
        )
    window = ("kernel_size", layer.kernel_size)
    found = places(given, window, steps, layer.padding, rates)
    filtered = shape[-1] * layer.depth_multiplier
    weights = prod(each(layer.kernel_size, rank)) * filtered
    # Where it is dilated, Keras computes every place, and takes those of the strides.
    computed = places(given, window, 1, layer.padding, rates) if dilated else found
    scratch = copied(given, layer.kernel_size, layer.padding, rates, shape[-1] + filtered)
    return found, filtered, weights, weights * prod(computed), scratch


def copied(given: Shape, kernel: Sizes, padding: str, dilation: Sizes, channels: int) -> int:
    """Numbers in the copies that TensorFlow makes of a dilated layer's input and output.

    On a CPU it pads each side to a multiple of the rate (SpaceToBatchND), which costs gigabytes
    for a rate of thousands, even where the picture is small. `channels` are those of both.
    """
    rates = each(dilation, len(given))
    if max(rates) == 1:
        return 0
    area = 1
    for side, n, rate in zip(given, each(kernel, len(given)), rates, strict=True):
        padded = side + (0 if padding == "valid" else rate * (n - 1))
        area *= -(-padded // rate) * rate
    return area * channels
