"""Shapes, parameters and work per layer, and what is refused with which pointer."""

import time
from typing import Any

import pytest

from contract.errors import SpecRefused
from contract.experiment.layers import KINDS
from contract.experiment.layers.layer import Shape
from contract.experiment.spec import Model
from contract.sizing.trace import LayerFacts, trace


def traced(input_shape: Shape, *layers: dict[str, Any]) -> list[LayerFacts]:
    return trace(Model.model_validate({"layers": layers}), input_shape)


def last(input_shape: Shape, kind: str, **arguments: Any) -> LayerFacts:
    return traced(input_shape, {"type": kind, **arguments})[-1]


def refused(input_shape: Shape, kind: str, **arguments: Any) -> SpecRefused:
    with pytest.raises(SpecRefused) as caught:
        last(input_shape, kind, **arguments)
    return caught.value


def test_a_class_is_a_layer_that_may_be_posted() -> None:
    """Which are named by no list, and by their own name."""
    [kind] = [kind for kind in KINDS if kind.__name__ == "LeakyReLU"]
    assert [each.model_fields["type"].default for each in KINDS] == [k.__name__ for k in KINDS]
    model = Model.model_validate({"layers": [{"type": "LeakyReLU"}]})
    assert type(model.layers[0]) is kind
    assert last((4, 3), "LeakyReLU").output_shape == (4, 3)


def test_an_mlp_has_the_parameters_of_the_textbook() -> None:
    facts = traced(
        (28, 28),
        {"type": "Flatten"},
        {"type": "Dense", "units": 100, "activation": "relu"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    )
    assert [f.output_shape for f in facts] == [(784,), (100,), (10,)]
    assert [f.parameters for f in facts] == [0, 78_500, 1_010]
    assert [f.type for f in facts] == ["Flatten", "Dense", "Dense"]
    assert [f.index for f in facts] == [0, 1, 2]


# By hand: a 3x3 kernel over 8x6x3 takes 6x4 places; 3*3*3 weights for each of 5 filters.
CONV = {"filters": 5, "kernel_size": 3}
MIXED = {"strides": [2, 1], "dilation_rate": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "output", "parameters"),
    [
        ("Activation", {"activation": "relu"}, (5,), (5,), 0),
        ("AveragePooling2D", {}, (8, 6, 3), (4, 3, 3), 0),
        ("AveragePooling2D", {"pool_size": 3, "strides": 1}, (8, 6, 3), (6, 4, 3), 0),
        ("Clip", {"x_min": 0, "x_max": 1}, (5,), (5,), 0),
        ("Conv2D", CONV, (8, 6, 3), (6, 4, 5), 140),
        ("Conv2D", {**CONV, "use_bias": False}, (8, 6, 3), (6, 4, 5), 135),
        ("Conv2D", {**CONV, "padding": "same"}, (8, 6, 3), (8, 6, 5), 140),
        ("Conv2D", {**CONV, "strides": [2, 3]}, (8, 6, 3), (3, 2, 5), 140),
        ("Conv2D", {**CONV, "strides": 4, "padding": "same"}, (8, 6, 3), (2, 2, 5), 140),
        ("Conv2D", {**CONV, "dilation_rate": 2}, (8, 6, 3), (4, 2, 5), 140),
        ("Dense", {"units": 7}, (5,), (7,), 42),
        ("Dense", {"units": 7, "use_bias": False}, (4, 5), (4, 7), 35),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (8, 6, 3), (6, 4, 6), 60),
        ("Dropout", {"rate": 0.5}, (4, 5), (4, 5), 0),
        ("Flatten", {}, (8, 6, 3), (144,), 0),
        ("GaussianNoise", {"stddev": 1.0}, (5,), (5,), 0),
        ("GlobalAveragePooling2D", {}, (8, 6, 3), (3,), 0),
        ("LayerNormalization", {}, (8, 6, 3), (8, 6, 3), 6),
        ("LayerNormalization", {"scale": False}, (5,), (5,), 5),
        ("MaxPooling2D", {"pool_size": [3, 2]}, (8, 6, 3), (2, 3, 3), 0),
        ("MaxPooling2D", {"pool_size": 3, "padding": "same"}, (8, 6, 3), (3, 2, 3), 0),
        ("MaxPooling2D", {"pool_size": 99, "padding": "same"}, (8, 6, 3), (1, 1, 3), 0),
        ("Rescaling", {"scale": 2.0}, (5,), (5,), 0),
        ("Reshape", {"target_shape": [3, -1, 2]}, (4, 6), (3, 4, 2), 0),
        ("SeparableConv2D", {**CONV, "depth_multiplier": 2}, (8, 6, 3), (6, 4, 5), 54 + 30 + 5),
        ("ZeroPadding2D", {}, (8, 6, 3), (10, 8, 3), 0),
        ("ZeroPadding2D", {"padding": [1, 2]}, (8, 6, 3), (10, 10, 3), 0),
        ("ZeroPadding2D", {"padding": [[0, 1], [2, 3]]}, (8, 6, 3), (9, 11, 3), 0),
    ],
)
def test_a_layer_alone(
    kind: str, arguments: dict[str, Any], shape: Shape, output: Shape, parameters: int
) -> None:
    facts = last(shape, kind, **arguments)
    assert (facts.output_shape, facts.parameters) == (output, parameters)
    assert facts.trainable_parameters == parameters


@pytest.mark.parametrize(("arguments", "trainable"), [({}, 6), ({"center": False}, 3)])
def test_batch_normalization_keeps_two_moving_numbers_a_channel(
    arguments: dict[str, Any], trainable: int
) -> None:
    facts = last((8, 6, 3), "BatchNormalization", **arguments)
    assert (facts.parameters, facts.trainable_parameters) == (trainable + 6, trainable)


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "flops"),
    [
        ("Dense", {"units": 7, "use_bias": False}, (5,), 2 * 35),
        ("Dense", {"units": 7, "activation": "relu"}, (5,), 2 * 35 + 7 + 7),
        ("Dense", {"units": 7}, (4, 5), 4 * (2 * 35 + 7)),
        ("Conv2D", CONV, (8, 6, 3), 24 * (2 * 135 + 5)),
        ("DepthwiseConv2D", {"kernel_size": 3, "use_bias": False}, (8, 6, 3), 24 * 2 * 27),
        ("SeparableConv2D", {**CONV, "use_bias": False}, (8, 6, 3), 24 * 2 * (27 + 15)),
        ("MaxPooling2D", {"pool_size": 2}, (8, 6, 3), 36 * 4),
        ("MaxPooling2D", {"pool_size": 1000, "padding": "same"}, (8, 6, 3), 8 * 6 * 3),
        ("Flatten", {}, (8, 6, 3), 0),
    ],
)
def test_the_work_of_a_layer(
    kind: str, arguments: dict[str, Any], shape: Shape, flops: int
) -> None:
    assert last(shape, kind, **arguments).flops == flops


def test_an_activation_within_a_layer_is_kept_as_one_of_its_own() -> None:
    assert last((5,), "Dense", units=7, activation="relu").activations == 14
    assert last((5,), "Dense", units=7).activations == 7


def test_a_dilated_kernel_costs_the_memory_that_tensorflow_pads_it_with() -> None:
    assert last((8, 6, 3), "Conv2D", filters=1, kernel_size=1).activations == 8 * 6
    spread = last((8, 6, 3), "Conv2D", filters=1, kernel_size=1, dilation_rate=1000)
    assert spread.activations == 8 * 6 + 1000 * 1000 * (3 + 1)


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "pointer", "said"),
    [
        ("Conv2D", {**CONV, "kernel_size": 9}, (8, 6, 3), "/kernel_size", "9x9"),
        ("Conv2D", {**CONV, "kernel_size": [1, 7]}, (8, 6, 3), "/kernel_size", "8x6"),
        ("Conv2D", {**CONV, "dilation_rate": 4}, (8, 6, 3), "/dilation_rate", "9x9"),
        ("Conv2D", {**CONV, "strides": 2, "dilation_rate": 2}, (8, 6, 3), "/dilation_rate", "1"),
        ("Conv2D", {**CONV, **MIXED}, (8, 6, 3), "/dilation_rate", "1"),
        ("Conv2D", CONV, (784,), "", "[28, 28, 1]"),
        ("Conv2D", CONV, (28, 28), "", "[28, 28, 1]"),
        ("Conv2D", CONV, (30,), "", "[1, 1, 30]"),
        ("Conv2D", CONV, (2, 2, 2, 2), "", "(2, 2, 2, 2)"),
        ("DepthwiseConv2D", {"kernel_size": 9}, (8, 6, 3), "/kernel_size", "9x9"),
        ("DepthwiseConv2D", {"kernel_size": 1, "strides": [1, 2]}, (8, 6, 3), "/strides", "Conv2D"),
        ("DepthwiseConv2D", {"kernel_size": 1}, (8, 6), "", "Reshape"),
        ("SeparableConv2D", {**CONV, "kernel_size": 9}, (8, 6, 3), "/kernel_size", "9x9"),
        ("SeparableConv2D", {**CONV, "strides": [1, 2]}, (8, 6, 3), "/strides", "(1, 2)"),
        ("MaxPooling2D", {"pool_size": [2, 7]}, (8, 6, 3), "/pool_size", "2x7"),
        ("AveragePooling2D", {"pool_size": 7}, (8, 6, 3), "/pool_size", "same"),
        ("AveragePooling2D", {}, (8,), "", "Reshape"),
        ("GlobalAveragePooling2D", {}, (8, 6), "", "Reshape"),
        ("ZeroPadding2D", {}, (8, 6, 3, 1), "", "Reshape"),
        ("Reshape", {"target_shape": [5, 5]}, (24,), "/target_shape", "24"),
        ("Reshape", {"target_shape": [5, -1]}, (24,), "/target_shape", "[5, -1]"),
        ("Reshape", {"target_shape": [-1, -1]}, (24,), "/target_shape", "one may be -1"),
        ("Reshape", {"target_shape": [0, -1]}, (24,), "/target_shape", "[0, -1]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_the_fault_is(
    kind: str, arguments: dict[str, Any], shape: Shape, pointer: str, said: str
) -> None:
    error = refused(shape, kind, **arguments)
    assert error.pointer == f"/model/layers/0{pointer}"
    assert error.detail.startswith(kind)
    assert said in error.detail


def test_the_pointer_counts_the_layers_before() -> None:
    convolution = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
    with pytest.raises(SpecRefused) as caught:
        traced((6, 6, 1), *[convolution] * 3)
    assert caught.value.pointer == "/model/layers/2/kernel_size"


def test_absurd_sizes_cost_neither_time_nor_memory() -> None:
    start = time.perf_counter()
    facts = last((28, 28), "Dense", units=10**12)
    assert facts.parameters == 29 * 10**12
    pooling = {"pool_size": 2**31 - 1, "strides": 2**31 - 1, "padding": "same"}
    assert last((8, 6, 3), "MaxPooling2D", **pooling).output_shape == (1, 1, 3)
    assert time.perf_counter() - start < 1


def test_more_numbers_than_tensorflow_can_count_are_refused() -> None:
    wide = {"type": "Dense", "units": 10**12, "use_bias": False}
    with pytest.raises(SpecRefused) as caught:
        traced((1,), *[wide] * 1000)
    assert caught.value.pointer == "/model/layers/1"
