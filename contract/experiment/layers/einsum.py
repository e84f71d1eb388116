"""A dense layer whose product of input and kernel is an equation."""

import re
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from contract.experiment.base import Count
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer, Regularizer
from contract.experiment.layers.arguments import ActivationName, penalized, suited
from contract.experiment.layers.layer import Layer, Misfit, Outcome, Shape, check_activation
from contract.experiment.unions import ByKind

_FORM = re.compile(
    r"(?P<left>\.\.\.)?(?P<given>[a-zA-Z]{1,6})(?P<right>\.\.\.)?,(?P<kernel>[a-zA-Z]{1,6})"
    r"->(?(left)\.\.\.)(?P<output>[a-zA-Z]{1,6})(?(right)\.\.\.)"
)


@dataclass(frozen=True)
class _Axes:
    """The letters of an equation, without the batch; `dots` is where `...` stands, if it does."""

    given: str
    kernel: str
    output: str
    dots: Literal["left", "right", ""]


def _axes(equation: str) -> _Axes:
    """Raises ValueError for an equation that Keras or TensorFlow takes not."""
    found = _FORM.fullmatch(equation)
    if found is None or (found["left"] and found["right"]):
        raise ValueError(
            f"equation must be of the form [X],[Y]->[Z], ...[X],[Y]->...[Z] or [X]...,[Y]->[Z]..., "
            f"where each of up to six letters is an axis, such as abc,cd->abd; received {equation}"
        )
    given, kernel, output = found["given"], found["kernel"], found["output"]
    if any(len(set(axes)) < len(axes) for axes in (given, kernel, output)):
        raise ValueError(f"equation must name each axis once in each part; received {equation}")
    if not (set(kernel) <= {*given, *output} and set(output) <= {*given, *kernel}):
        raise ValueError(
            f"equation must name each axis of the kernel and of the output in another part, too; "
            f"received {equation}"
        )
    if found["left"]:
        return _Axes(given, kernel, output, "left")
    if output[0] != given[0] or given[0] in kernel or len(output) == 1 or len(given) == 1:
        raise ValueError(
            f"equation must have the batch as the first axis of the input and of the output, not "
            f"in the kernel, and another axis in each; received {equation}"
        )
    return _Axes(given[1:], kernel, output[1:], "right" if found["right"] else "")


def _equation(equation: str) -> str:
    _axes(equation)
    return equation


class EinsumDense(Layer):
    """`equation` says how the input is multiplied with a kernel; without `...` on the left, the
    first axis of the input is the batch.

    `output_shape` leaves the batch out, and what `...` stands for. `bias_axes` are letters of the
    output; without them there is no bias.
    """

    has_units: ClassVar[bool] = True

    type: Literal["EinsumDense"] = "EinsumDense"
    equation: Annotated[str, Field(strict=True, max_length=32), AfterValidator(_equation)]
    output_shape: Annotated[
        Count | Annotated[tuple[Count, ...], Field(min_length=1, max_length=6)], ByKind()
    ] = Field(description="sizes of the output, without the batch and what ... stands for")
    activation: ActivationName = "linear"
    bias_axes: Annotated[str, Field(strict=True, pattern=r"^[a-zA-Z]{1,6}$")] | None = None
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: Constraint | None = None

    @override
    def output(self, shape: Shape) -> Outcome:
        axes = _axes(self.equation)
        elided, sizes = self._sizes(axes, shape)
        kernel = tuple(sizes[axis] for axis in axes.kernel)
        bias = self._bias(axes, sizes, len(elided))
        self._check("kernel", kernel)
        if bias:
            self._check("bias", bias)
        output = tuple(sizes[axis] for axis in axes.output)
        result = (*output, *elided) if axes.dots == "right" else (*elided, *output)
        check_activation(self, result)
        nonlinear = self.activation != "linear"
        outcome = Outcome(
            result,
            trainable=prod(kernel) + (prod(bias) if bias else 0),
            flops=2 * prod(sizes.values()) * prod(elided) + (bool(bias) + nonlinear) * prod(result),
            activations=(1 + nonlinear) * prod(result),
        )
        return penalized(outcome, self.kernel_regularizer, kernel)

    def _sizes(self, axes: _Axes, shape: Shape) -> tuple[Shape, dict[str, int]]:
        """What `...` stands for, and the size of each axis that has a letter."""
        more = len(shape) - len(axes.given)
        if more < 0 or (more > 0 and not axes.dots):
            raise Misfit(
                "equation",
                f"must name the {len(shape)} axes of its input of shape {shape}, besides the "
                f"batch; received {self.equation}",
            )
        if more > 1 and axes.dots == "left":
            raise Misfit(
                "equation",
                f"must name all axes of its input of shape {shape} but the batch and one, as Keras "
                f"mixes others up; received {self.equation}",
            )
        elided, own = shape[len(axes.given) :], shape[: len(axes.given)]
        if axes.dots == "left":
            elided, own = shape[:more], shape[more:]
        sizes = dict(zip(axes.given, own, strict=True))
        given = self.output_shape
        wanted = (given,) if isinstance(given, int) else given
        if len(wanted) != len(axes.output):
            raise Misfit(
                "output_shape",
                f"must have a size for each of the axes {', '.join(axes.output)} of the output; "
                f"received {list(wanted)}",
            )
        for axis, size in zip(axes.output, wanted, strict=True):
            if sizes.setdefault(axis, size) != size:
                raise Misfit(
                    "output_shape",
                    f"must have {sizes[axis]} at the axis {axis}, as its input of shape {shape} "
                    f"has; received {list(wanted)}",
                )
        return elided, sizes

    def _bias(self, axes: _Axes, sizes: dict[str, int], elided: int) -> Shape:
        """Its shape; () where there is none."""
        if self.bias_axes is None:
            return ()
        if not set(self.bias_axes) <= set(axes.output):
            raise Misfit(
                "bias_axes",
                f"must be of the axes {', '.join(axes.output)} of the output; received "
                f"{self.bias_axes}",
            )
        first = min(map(axes.output.index, self.bias_axes))
        own = (sizes[axis] if axis in self.bias_axes else 1 for axis in axes.output[first:])
        return (*own, *[1] * elided) if axes.dots == "right" else tuple(own)

    def _check(self, weight: str, shape: Shape) -> None:
        for role in ("initializer", "regularizer", "constraint"):
            try:
                suited(getattr(self, f"{weight}_{role}"), len(shape))
            except ValueError as error:
                raise Misfit(f"{weight}_{role}", str(error)) from None
