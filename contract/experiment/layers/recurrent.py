"""Layers that go through a sequence step by step: (steps, features), or (steps, ..., channels)."""

from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import model_validator
from typing_extensions import override

from contract.experiment.base import Count, Flag, Seed, any_of, kinds
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer, Regularizer
from contract.experiment.layers.arguments import (
    ONE,
    ActivationName,
    BiasConstraint,
    BiasInitializer,
    Padding,
    Share,
    Sizes,
    Weighted,
    Window1D,
    Window2D,
    Window3D,
    each,
    penalized,
    places,
)
from contract.experiment.layers.convolution import check_depth, check_dilation, copied
from contract.experiment.layers.layer import ALONE, InXLA, Layer, Misfit, Outcome, Shape, inside

# One waits for the other, whatever the hardware: a batch of so many takes about a second.
_MOST_STEPS = 10_000
# A loop and its gradient, which is another one, take so long to trace as so many plain layers.
_LOOP = 32
_FEW_UNITS = 128


class _Recurrent(Weighted):
    """What all have in common. A step makes `gates` sums for each number of its output."""

    bends: ClassVar[bool] = True
    gates: ClassVar[int]

    activation: ActivationName = "tanh"
    use_bias: Flag = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: ElementRegularizer | None = None
    recurrent_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    recurrent_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None
    dropout: Share = 0.0
    recurrent_dropout: Share = 0.0
    seed: Seed | None = None
    return_sequences: Flag = False
    go_backwards: Flag = False

    def _outcome(
        self, steps: int, given: Shape, weights: int, products: int, scratch: int = 0
    ) -> Outcome:
        """Of `steps` that each give `given` from sums of `products`.

        Each gate is a sum and, but for a linear one, its activation; of several gates a state is
        made, and the output of it. Raises Misfit where the steps would take too long.
        """
        if steps > _MOST_STEPS:
            raise Misfit(
                "",
                f"goes through {_MOST_STEPS:,} steps at most, one after another; received "
                f"{steps:,}: put a convolution with strides, or a pooling, before it",
            )
        kept = 2 * self.gates + (2 if self.gates > 1 else 0)
        own = 2 * products + (self.use_bias * self.gates + kept) * prod(given)
        return Outcome(
            (steps, *given) if self.return_sequences else given,
            trainable=weights,
            flops=steps * own,
            activations=steps * (kept * prod(given) + scratch),
            graph=_LOOP,
        )


class _OfVectors(_Recurrent):
    units: Count
    kernel_regularizer: Regularizer | None = None
    recurrent_regularizer: Regularizer | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(shape) != 2:
            raise Misfit(
                "",
                f"expects a sequence of shape (steps, features); received shape {shape}: put a "
                f"Reshape with a target_shape of two sizes before it, such as {_steps(shape)}",
            )
        steps, features = shape
        products = self.gates * self.units * (features + self.units)
        bias = self.use_bias * self._biases * self.gates * self.units
        found = self._outcome(steps, (self.units,), products + bias, products)
        columns = self.gates * self.units
        found = penalized(found, self.kernel_regularizer, (features, columns))
        return penalized(found, self.recurrent_regularizer, (self.units, columns))

    @property
    @override
    def in_xla(self) -> InXLA:
        # A step of few units is over before TensorFlow has begun its next kernel; the products of
        # many are where XLA is slower. Both trained LSTMs of 96 and 128 units alike, of 256 not.
        return "quicker" if self.units <= _FEW_UNITS else "slower"

    @property
    def _biases(self) -> int:
        """How many a gate has."""
        return 1


def _steps(shape: Shape) -> list[int]:
    return [prod(shape[:-1]), shape[-1]] if len(shape) > 1 else [prod(shape), 1]


class SimpleRNN(_OfVectors):
    """The output of each step goes into the next one. `seed` is that of its dropout."""

    gates: ClassVar[int] = 1

    type: Literal["SimpleRNN"] = "SimpleRNN"


class LSTM(_OfVectors):
    """`unit_forget_bias` begins the forget gate's bias with 1. `seed` is that of its dropout."""

    gates: ClassVar[int] = 4

    type: Literal["LSTM"] = "LSTM"
    recurrent_activation: ActivationName = "sigmoid"
    unit_forget_bias: Flag = True


class GRU(_OfVectors):
    """`reset_after` is cuDNN's kind, with two biases. `seed` is that of its dropout."""

    gates: ClassVar[int] = 3

    type: Literal["GRU"] = "GRU"
    recurrent_activation: ActivationName = "sigmoid"
    reset_after: Flag = True

    @property
    @override
    def _biases(self) -> int:
        return 2 if self.reset_after else 1


W = TypeVar("W", bound=Sizes)


class _OfPictures(_Recurrent, Generic[W]):
    """An LSTM whose sums are convolutions over `rank` directions."""

    gates: ClassVar[int] = 4
    rank: ClassVar[int]

    type: str
    filters: Count
    kernel_size: W
    strides: W = ONE
    padding: Padding = "valid"
    dilation_rate: W = ONE
    recurrent_activation: ActivationName = "sigmoid"
    unit_forget_bias: Flag = True

    @property
    @override
    def in_xla(self) -> InXLA:
        return "slower"

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(shape) != self.rank + 2:
            sizes = ("height", "width", "depth")[: self.rank]
            raise Misfit(
                "",
                f"expects a sequence of shape (steps, {', '.join(sizes)}, channels); received "
                f"shape {shape}: put a Reshape with a target_shape of {self.rank + 2} sizes before "
                f"it",
            )
        steps, *sides, channels = shape
        given, both = tuple(sides), channels + self.filters
        check_dilation(self.strides, self.dilation_rate, self.rank)
        check_depth(self.kernel_size, self.strides, self.rank, channels)
        window = ("kernel_size", self.kernel_size)
        found = places(given, window, self.strides, self.padding, self.dilation_rate)
        weights = prod(each(self.kernel_size, self.rank)) * both * self.gates * self.filters
        bias = self.use_bias * self.gates * self.filters
        scratch = copied(given, self.kernel_size, self.padding, self.dilation_rate, both)
        return self._outcome(
            steps,
            (*found, self.filters),
            weights + bias,
            weights * prod(found),
            self.gates * scratch,
        )


class ConvLSTM1D(_OfPictures[Window1D]):
    """`seed` is that of its dropout."""

    rank: ClassVar[int] = 1
    kernel_axes: ClassVar[int] = 3

    type: Literal["ConvLSTM1D"] = "ConvLSTM1D"


class ConvLSTM2D(_OfPictures[Window2D]):
    """`seed` is that of its dropout."""

    rank: ClassVar[int] = 2
    kernel_axes: ClassVar[int] = 4

    type: Literal["ConvLSTM2D"] = "ConvLSTM2D"


class ConvLSTM3D(_OfPictures[Window3D]):
    """`seed` is that of its dropout."""

    rank: ClassVar[int] = 3
    kernel_axes: ClassVar[int] = 5

    type: Literal["ConvLSTM3D"] = "ConvLSTM3D"


if TYPE_CHECKING:
    AnyRecurrent: TypeAlias = _Recurrent
else:
    AnyRecurrent = any_of(kinds(_Recurrent))


class Bidirectional(Layer):
    """`layer`, and the same backwards, or `backward_layer`; `merge_mode` says how both are put
    together."""

    bends: ClassVar[bool] = True

    type: Literal["Bidirectional"] = "Bidirectional"
    layer: Annotated[AnyRecurrent, ALONE]
    merge_mode: Literal["concat", "sum", "mul", "ave"] = "concat"
    backward_layer: Annotated[AnyRecurrent, ALONE] | None = None

    @property
    @override
    def in_xla(self) -> InXLA:
        return self.layer.in_xla if self.backward_layer is None else "alike"

    @model_validator(mode="after")
    def _opposite(self) -> Self:
        ahead, back = self.layer, self.backward_layer
        if ahead.go_backwards == (back is None or back.go_backwards):
            raise ValueError(
                "one of layer and backward_layer must have go_backwards, and the other not; "
                "backward_layer null goes backwards"
            )
        if back is not None and ahead.return_sequences != back.return_sequences:
            raise ValueError("return_sequences of layer and backward_layer must be equal")
        return self

    @override
    def output(self, shape: Shape) -> Outcome:
        ahead = inside("layer", self.layer, shape)
        back = ahead
        if self.backward_layer is not None:
            back = inside("backward_layer", self.backward_layer, shape)
        if ahead.shape != back.shape:
            raise Misfit(
                "backward_layer",
                f"must give what layer gives, {ahead.shape}; received {back.shape}",
            )
        joined = self.merge_mode == "concat"
        *sides, last = ahead.shape
        return Outcome(
            (*sides, last * (1 + joined)),
            trainable=ahead.trainable + back.trainable,
            frozen=ahead.frozen + back.frozen,
            flops=ahead.flops + back.flops + (not joined) * prod(ahead.shape),
            activations=ahead.activations + back.activations + (1 + joined) * prod(ahead.shape),
            graph=ahead.graph + back.graph,
        )
