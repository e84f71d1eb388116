"""Layers that do something to another layer, which is one of their arguments."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field
from typing_extensions import override

from contract.experiment.layers.layer import ALONE, InXLA, Layer, Misfit, Outcome, Shape, inside

if TYPE_CHECKING:  # unions of the layers that there are, which the package makes
    OneInput: TypeAlias = Layer
    WithKernel: TypeAlias = Layer


class _Wrapper(Layer):
    bends: ClassVar[bool] = True

    layer: Layer

    @property
    @override
    def xla_fault(self) -> str:
        return self.layer.xla_fault

    @property
    @override
    def in_xla(self) -> InXLA:
        return self.layer.in_xla

    @property
    @override
    def in_float32(self) -> tuple[str, ...]:
        return self.layer.in_float32


class TimeDistributed(_Wrapper):
    """The same `layer`, with the same weights, at each step of a sequence."""

    type: Literal["TimeDistributed"] = "TimeDistributed"
    layer: Annotated["OneInput", ALONE]

    @property
    @override
    def in_xla(self) -> InXLA:
        return "slower"  # to compile: Keras puts a copy of the layer into the loop for each step

    @override
    def output(self, shape: Shape) -> Outcome:
        if len(shape) < 2:
            raise Misfit(
                "",
                f"expects a sequence of shape (steps, ...); received shape {shape}: put a Reshape "
                f"or a RepeatVector before it",
            )
        steps, *step = shape
        found = inside("layer", self.layer, tuple(step))
        return replace(
            found,
            shape=(steps, *found.shape),
            flops=steps * found.flops,
            activations=steps * found.activations,
            graph=steps * found.graph,  # Keras puts a copy of the layer into it for each step
        )


class SpectralNormalization(_Wrapper):
    """`layer` with its kernel divided by an estimate of its largest singular value in each step."""

    type: Literal["SpectralNormalization"] = "SpectralNormalization"
    layer: Annotated["WithKernel", ALONE]
    power_iterations: Annotated[int, Field(strict=True, ge=1, le=100)] = 1

    @override
    def output(self, shape: Shape) -> Outcome:
        found = inside("layer", self.layer, shape)
        columns: int = getattr(self.layer, self.layer.columns)
        weights = found.trainable + found.frozen
        products = 4 * self.power_iterations * weights
        return replace(
            found,
            frozen=found.frozen + columns,
            flops=found.flops + products,
            graph=found.graph + self.power_iterations,
        )
