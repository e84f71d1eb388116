"""Layers in which each step of a query looks at the steps of a value.

Their inputs are a query, a value, and a key, which is the value where there is none.
"""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from contract.experiment.base import Count, Flag, Seed
from contract.experiment.constraints import Constraint
from contract.experiment.initializers import ElementRegularizer, Initializer
from contract.experiment.layers.arguments import BiasConstraint, BiasInitializer, Share, Weighted
from contract.experiment.layers.axes import Axes, places_of
from contract.experiment.layers.layer import Misfit, Outcome, SeveralInputs, Shape, listed
from contract.experiment.unions import ByKind


class _Attention(SeveralInputs):
    """With `use_causal_mask` a step looks at none behind it."""

    bends: ClassVar[bool] = True
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 3
    call_arguments: ClassVar[tuple[str, ...]] = ("use_causal_mask",)

    dropout: Share = 0.0
    seed: Seed | None = None
    use_causal_mask: Flag = False


def _sequences(shapes: Sequence[Shape]) -> tuple[Shape, Shape, Shape]:
    """Query, value and key, each (steps, features); value and key have as many steps."""
    query, value, key = shapes if len(shapes) == 3 else (*shapes, shapes[-1])
    if any(len(shape) != 2 for shape in shapes):
        raise Misfit(
            "inputs",
            f"takes sequences of shape (steps, features); received {listed(shapes)}: put a Reshape "
            f"before it",
        )
    return query, value, _as_long(value, key)


def _as_long(value: Shape, key: Shape) -> Shape:
    if value[:-1] != key[:-1]:
        raise Misfit(
            "inputs", f"takes a value and a key of as many steps; received {value} and {key}"
        )
    return key


class _Weighted(_Attention):
    """It has at most a scale to learn: queries and keys are compared as they are."""

    use_scale: Flag = False

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        query, value, key = _sequences(shapes)
        if query[1] != key[1]:
            raise Misfit(
                "inputs",
                f"compares a query and a key of as many features; received {query} and {key}: put "
                f"a Dense before one of them",
            )
        pairs = query[0] * value[0]
        given = (query[0], value[1])
        compared = pairs * query[1] * (3 if self._adds else 2)
        return Outcome(
            given,
            trainable=self._weights(query[1]),
            flops=compared + 4 * pairs + 2 * pairs * value[1],
            activations=2 * pairs + self._adds * 2 * pairs * query[1] + prod(given),
        )

    @property
    def _adds(self) -> bool:
        """Whether it sums tanh(query + key), and not query * key."""
        return True

    def _weights(self, features: int) -> int:
        return self.use_scale * features


class Attention(_Weighted):
    """Compares by products, or with `score_mode` concat by sums. Inputs: query, value, and key
    where it is not the value."""

    type: Literal["Attention"] = "Attention"
    score_mode: Literal["dot", "concat"] = "dot"

    @property
    @override
    def _adds(self) -> bool:
        return self.score_mode == "concat"

    @override
    def _weights(self, features: int) -> int:
        return self.use_scale + self._adds


class AdditiveAttention(_Weighted):
    """Compares by sums. Inputs: query, value, and key where it is not the value."""

    type: Literal["AdditiveAttention"] = "AdditiveAttention"
    use_scale: Flag = True


class _WithHeads(_Attention, Weighted):
    """Queries, keys and values go through kernels of their own, several heads side by side."""

    takes_apart: ClassVar[bool] = True
    kernel_axes: ClassVar[int] = 3

    use_bias: Flag = True
    sliding_window: Count | None = None
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: BiasInitializer = "zeros"
    kernel_regularizer: ElementRegularizer | None = None
    bias_regularizer: ElementRegularizer | None = None
    activity_regularizer: ElementRegularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: BiasConstraint | None = None
    use_gate: Flag = False

    def _projected(self, rows: int, features: int, width: int) -> tuple[int, int, int]:
        """Weights, FLOPs and numbers of a kernel from `features` to `width`, on so many rows."""
        weights = (features + self.use_bias) * width
        return weights, rows * width * (2 * features + self.use_bias), rows * width


def _summed(parts: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    weights, flops, numbers = (sum(each) for each in zip(*parts, strict=True))
    return weights, flops, numbers


class MultiHeadAttention(_WithHeads):
    """Inputs: query, value, and key where it is not the value. `value_dim` null means `key_dim`,
    `output_shape` null as many features as the query has."""

    type: Literal["MultiHeadAttention"] = "MultiHeadAttention"
    num_heads: Count
    key_dim: Count
    value_dim: Count | None = None
    output_shape: (
        Annotated[Count | Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)], ByKind()]
        | None
    ) = None
    attention_axes: Axes | None = None

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        query, value, key = shapes if len(shapes) == 3 else (*shapes, shapes[-1])
        if len({len(shape) for shape in shapes}) > 1 or len(query) < 2:
            raise Misfit(
                "inputs",
                f"takes sequences of shape (steps, features), or of more axes, but of equally many;"
                f" received {listed(shapes)}: put a Reshape before it",
            )
        _as_long(value, key)
        queries, values, apart = self._looking(query, value)
        width = self.value_dim or self.key_dim
        given = (self.output_shape,) if isinstance(self.output_shape, int) else self.output_shape
        output = given or (query[-1],)
        weights, flops, numbers = _summed(
            [
                self._projected(prod(query[:-1]), query[-1], self.num_heads * self.key_dim),
                self._projected(prod(key[:-1]), key[-1], self.num_heads * self.key_dim),
                self._projected(prod(value[:-1]), value[-1], self.num_heads * width),
                self._projected(prod(query[:-1]), self.num_heads * width, prod(output)),
            ]
            + self.use_gate * [self._projected(prod(query[:-1]), query[-1], self.num_heads * width)]
        )
        pairs = self.num_heads * apart * queries * values
        return Outcome(
            (*query[:-1], *output),
            trainable=weights,
            flops=flops + pairs * (2 * self.key_dim + 2 * width + 4),
            activations=numbers + 2 * pairs + prod(query[:-1]) * self.num_heads * width,
        )

    def _looking(self, query: Shape, value: Shape) -> tuple[int, int, int]:
        """Places that look, places looked at, and how often that is done side by side."""
        axes = list(range(len(query) - 1))
        if self.attention_axes is not None:
            axes = places_of("attention_axes", self.attention_axes, query)
        if len(query) - 1 in axes:
            raise Misfit("attention_axes", "must leave out the last axis, which has the features")
        if len(query) > 2 and (self.use_causal_mask or self.sliding_window is not None):
            fault = "use_causal_mask" if self.use_causal_mask else "sliding_window"
            raise Misfit(fault, f"works on sequences of shape (steps, features); received {query}")
        others = [axis for axis in range(len(query) - 1) if axis not in axes]
        if any(query[axis] != value[axis] for axis in others):
            raise Misfit(
                "inputs",
                f"takes a query and a value that differ in attention_axes and features alone; "
                f"received {query} and {value}",
            )
        looking, seen = (prod(shape[axis] for axis in axes) for shape in (query, value))
        return looking, seen, prod(query[axis] for axis in others)


class GroupQueryAttention(_WithHeads):
    """Several heads of the query share one of key and value. Inputs: query, value, and key where
    it is not the value."""

    type: Literal["GroupQueryAttention"] = "GroupQueryAttention"
    head_dim: Count
    num_query_heads: Count
    num_key_value_heads: Count

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_query_heads must be a multiple of num_key_value_heads; received "
                f"{self.num_query_heads} and {self.num_key_value_heads}"
            )
        return self

    @override
    def merged(self, shapes: Sequence[Shape]) -> Outcome:
        query, value, key = _sequences(shapes)
        if query[1] != value[1]:
            raise Misfit(
                "inputs",
                f"takes a query and a value of as many features; received {query} and {value}: put "
                f"a Dense before one of them",
            )
        asked = self.num_query_heads * self.head_dim
        shared = self.num_key_value_heads * self.head_dim
        weights, flops, numbers = _summed(
            [
                self._projected(query[0], query[1], asked),
                self._projected(key[0], key[1], shared),
                self._projected(value[0], value[1], shared),
                self._projected(query[0], asked, query[1]),
            ]
            + self.use_gate * [self._projected(query[0], query[1], asked)]
        )
        pairs = self.num_query_heads * query[0] * value[0]
        return Outcome(
            query,
            trainable=weights,
            flops=flops + pairs * (4 * self.head_dim + 4),
            activations=numbers + 2 * pairs + (query[0] + 2 * value[0]) * asked,
        )
