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
FAR, BARE = {"strides": 2, "dilation_rate": 2}, {"use_bias": False}
EVEN = {"filters": 5, "kernel_size": 2, "strides": 3, "padding": "same"}
ONE = {"output_shape": 1}
DEEP = {"filters": 5, "kernel_size": 2, "strides": [3, 1, 1]}
IDENTITY = {"kernel_initializer": "identity"}
SAME = {"padding": "same"}
PER_STEP = {"equation": "abc,cd->abd", "output_shape": [4, 7]}
HEADS = {"equation": "abc,bcde->ade", "output_shape": [2, 3]}
FIRST = {"equation": "ab...,bc->ac...", "output_shape": [7]}
MIXED = {"strides": [2, 1], "dilation_rate": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "output", "parameters"),
    [
        ("Activation", {"activation": "relu"}, (5,), (5,), 0),
        ("AdaptiveAveragePooling1D", {"output_size": 3}, (8, 3), (3, 3), 0),
        ("AdaptiveAveragePooling2D", {"output_size": [2, 3]}, (8, 6, 3), (2, 3, 3), 0),
        ("AdaptiveAveragePooling3D", {"output_size": 2}, (8, 6, 4, 3), (2, 2, 2, 3), 0),
        ("AdaptiveMaxPooling1D", {"output_size": [16]}, (8, 3), (16, 3), 0),
        ("AdaptiveMaxPooling2D", {"output_size": 5}, (8, 6, 3), (5, 5, 3), 0),
        ("AdaptiveMaxPooling3D", {"output_size": [4, 3, 2]}, (8, 6, 4, 3), (4, 3, 2, 3), 0),
        ("AveragePooling1D", {"pool_size": 3, "strides": [1]}, (8, 3), (6, 3), 0),
        ("AveragePooling3D", {"pool_size": 3, "padding": "same"}, (8, 6, 4, 3), (3, 2, 2, 3), 0),
        ("AveragePooling2D", {}, (8, 6, 3), (4, 3, 3), 0),
        ("AveragePooling2D", {"pool_size": 3, "strides": 1}, (8, 6, 3), (6, 4, 3), 0),
        ("Clip", {"x_min": 0, "x_max": 1}, (5,), (5,), 0),
        ("Conv1D", CONV, (8, 3), (6, 5), 50),
        ("Conv1D", {**CONV, "padding": "causal", "dilation_rate": 4}, (8, 3), (8, 5), 50),
        ("Conv1D", {**CONV, "padding": "causal", "strides": [3]}, (8, 3), (3, 5), 50),
        ("Conv1DTranspose", {**CONV, "strides": 2}, (8, 3), (17, 5), 50),
        ("Conv1DTranspose", {**CONV, **SAME, "strides": 2}, (8, 3), (16, 5), 50),
        (
            "Conv1DTranspose",
            {**CONV, **SAME, "strides": 3, "output_padding": 0},
            (8, 3),
            (22, 5),
            50,
        ),
        ("Conv1DTranspose", {**CONV, "strides": 3, "output_padding": 2}, (8, 3), (26, 5), 50),
        ("Conv2D", CONV, (8, 6, 3), (6, 4, 5), 140),
        ("Conv2D", {**CONV, "use_bias": False}, (8, 6, 3), (6, 4, 5), 135),
        ("Conv2D", {**CONV, "padding": "same"}, (8, 6, 3), (8, 6, 5), 140),
        ("Conv2D", {**CONV, "strides": [2, 3]}, (8, 6, 3), (3, 2, 5), 140),
        ("Conv2D", {**CONV, "strides": 4, "padding": "same"}, (8, 6, 3), (2, 2, 5), 140),
        ("Conv2D", {**CONV, "dilation_rate": 2}, (8, 6, 3), (4, 2, 5), 140),
        ("Conv2D", {**CONV, "filters": 6, "groups": 2}, (8, 6, 4), (6, 4, 6), 108 + 6),
        ("Conv2DTranspose", {**CONV, "strides": [4, 1]}, (8, 6, 3), (32, 8, 5), 140),
        ("Conv3D", {**CONV, "strides": [1, 2, 1]}, (8, 6, 4, 3), (6, 2, 2, 5), 410),
        ("Conv3D", DEEP, (9, 9, 9, 2), (3, 8, 8, 5), 85),
        ("Conv3D", {**DEEP, "strides": [2, 3, 3]}, (9, 9, 9, 1), (4, 3, 3, 5), 45),
        ("Conv3DTranspose", CONV, (2, 3, 4, 3), (4, 5, 6, 5), 410),
        ("Cropping1D", {}, (8, 3), (6, 3), 0),
        ("Cropping1D", {"cropping": [0, 5]}, (8, 3), (3, 3), 0),
        ("Cropping2D", {}, (8, 6, 3), (8, 6, 3), 0),
        ("Cropping2D", {"cropping": [1, 2]}, (8, 6, 3), (6, 2, 3), 0),
        ("Cropping3D", {"cropping": [[1, 2], [3, 0], [0, 1]]}, (8, 6, 4, 3), (5, 3, 3, 3), 0),
        ("Dense", {"units": 7}, (5,), (7,), 42),
        ("Dense", {"units": 7, "use_bias": False}, (4, 5), (4, 7), 35),
        ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, (8, 3), (6, 6), 24),
        ("DepthwiseConv2D", {"kernel_size": 3, **SAME, **MIXED}, (8, 6, 3), (4, 6, 3), 30),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (8, 6, 3), (6, 4, 6), 60),
        ("Dropout", {"rate": 0.5}, (4, 5), (4, 5), 0),
        ("EinsumDense", {**PER_STEP, "bias_axes": "d"}, (4, 5), (4, 7), 42),
        ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 7}, (4, 5), (4, 7), 35),
        ("EinsumDense", {**HEADS, "bias_axes": "e"}, (4, 5), (2, 3), 120 + 3),
        ("EinsumDense", {**HEADS, "bias_axes": "d"}, (4, 5), (2, 3), 120 + 2),
        ("EinsumDense", {**FIRST, "bias_axes": "c"}, (5, 4), (7, 4), 42),
        ("Flatten", {}, (8, 6, 3), (144,), 0),
        ("GaussianNoise", {"stddev": 1.0}, (5,), (5,), 0),
        ("GlobalAveragePooling1D", {}, (8, 3), (3,), 0),
        ("GlobalAveragePooling2D", {}, (8, 6, 3), (3,), 0),
        ("GlobalAveragePooling3D", {"keepdims": True}, (8, 6, 4, 3), (1, 1, 1, 3), 0),
        ("GlobalMaxPooling1D", {"keepdims": True}, (8, 3), (1, 3), 0),
        ("GlobalMaxPooling2D", {}, (8, 6, 3), (3,), 0),
        ("GlobalMaxPooling3D", {}, (8, 6, 4, 3), (3,), 0),
        ("LayerNormalization", {}, (8, 6, 3), (8, 6, 3), 6),
        ("LayerNormalization", {"scale": False}, (5,), (5,), 5),
        ("MaxPooling1D", {}, (8, 3), (4, 3), 0),
        ("MaxPooling2D", {"pool_size": [3, 2]}, (8, 6, 3), (2, 3, 3), 0),
        ("MaxPooling2D", {"pool_size": 3, "padding": "same"}, (8, 6, 3), (3, 2, 3), 0),
        ("MaxPooling2D", {"pool_size": 99, "padding": "same"}, (8, 6, 3), (1, 1, 3), 0),
        ("MaxPooling3D", {}, (8, 6, 5, 3), (4, 3, 2, 3), 0),
        ("Permute", {"dims": [3, 1, 2]}, (8, 6, 3), (3, 8, 6), 0),
        ("RepeatVector", {"n": 4}, (5,), (4, 5), 0),
        ("Rescaling", {"scale": 2.0}, (5,), (5,), 0),
        ("Reshape", {"target_shape": [3, -1, 2]}, (4, 6), (3, 4, 2), 0),
        ("SeparableConv1D", {**CONV, "depth_multiplier": 2}, (8, 3), (6, 5), 18 + 30 + 5),
        ("SeparableConv2D", {**CONV, "depth_multiplier": 2}, (8, 6, 3), (6, 4, 5), 54 + 30 + 5),
        ("UpSampling1D", {"size": 3}, (8, 3), (24, 3), 0),
        ("UpSampling2D", {"size": [1, 2]}, (8, 6, 3), (8, 12, 3), 0),
        ("UpSampling3D", {}, (8, 6, 4, 3), (16, 12, 8, 3), 0),
        ("ZeroPadding1D", {"padding": [1, 2]}, (8, 3), (11, 3), 0),
        ("ZeroPadding2D", {}, (8, 6, 3), (10, 8, 3), 0),
        ("ZeroPadding2D", {"padding": [1, 2]}, (8, 6, 3), (10, 10, 3), 0),
        ("ZeroPadding2D", {"padding": [[0, 1], [2, 3]]}, (8, 6, 3), (9, 11, 3), 0),
        ("ZeroPadding3D", {"padding": [1, 0, 2]}, (8, 6, 4, 3), (10, 6, 8, 3), 0),
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
        ("Conv2D", {**CONV, "filters": 6, "groups": 2}, (8, 6, 4), 24 * (2 * 108 + 6)),
        ("Conv1DTranspose", {**CONV, "strides": 2, "use_bias": False}, (8, 3), 8 * 2 * 45),
        ("DepthwiseConv2D", {"kernel_size": 3, "use_bias": False}, (8, 6, 3), 24 * 2 * 27),
        ("SeparableConv2D", {**CONV, "use_bias": False}, (8, 6, 3), 24 * 2 * (27 + 15)),
        ("DepthwiseConv1D", {"kernel_size": 3, **FAR, **BARE}, (9, 1), 5 * 2 * 3),
        ("EinsumDense", {**HEADS, "activation": "relu"}, (4, 5), 2 * 120 + 6),
        ("AdaptiveMaxPooling1D", {"output_size": 4}, (8, 1), (7 + 6) * 2),
        ("UpSampling2D", {"interpolation": "bilinear"}, (8, 6, 3), 4 * 144 * 8),
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


def test_a_penalty_that_compares_all_rows_costs_their_square() -> None:
    penalty = {"type": "OrthogonalRegularizer"}
    facts = last((5,), "Dense", units=7, use_bias=False, kernel_regularizer=penalty)
    assert (facts.activations, facts.flops) == (7 + 5 * 5, 2 * 35 + 2 * 5 * 5 * 7)
    penalty["mode"] = "columns"
    assert last((5,), "Dense", units=7, kernel_regularizer=penalty).activations == 7 + 7 * 7


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "pointer", "said"),
    [
        ("Conv2D", {**CONV, "kernel_size": 9}, (8, 6, 3), "/kernel_size", "9x9"),
        ("Conv2D", {**CONV, "kernel_size": [1, 7]}, (8, 6, 3), "/kernel_size", "8x6"),
        ("Conv2D", {**CONV, "dilation_rate": 4}, (8, 6, 3), "/dilation_rate", "9x9"),
        ("Conv2D", {**CONV, "strides": 2, "dilation_rate": 2}, (8, 6, 3), "/dilation_rate", "1"),
        ("Conv2D", {**CONV, **MIXED}, (8, 6, 3), "/dilation_rate", "1"),
        ("Conv1D", {**CONV, "kernel_size": 9}, (8, 3), "/kernel_size", "8"),
        ("Activation", {"activation": "softmax"}, (1, 2, 3, 4, 5), "/activation", "four axes"),
        ("Conv1D", CONV, (8,), "", "[8, 1]"),
        ("Conv1D", CONV, (8, 6, 3), "", "[48, 3]"),
        ("Conv3D", CONV, (8, 6, 4), "", "[8, 6, 4, 1]"),
        ("Conv3D", CONV, (64,), "", "[4, 4, 4, 1]"),
        ("Conv2D", {**CONV, "groups": 3}, (8, 6, 3), "/groups", "5 filters"),
        ("Conv2D", {**CONV, "groups": 5}, (8, 6, 3), "/groups", "3 channels"),
        ("Conv1DTranspose", {**CONV, "output_padding": 1}, (8, 3), "/output_padding", "below"),
        ("Conv2DTranspose", {**EVEN, "output_padding": 0}, (8, 6, 3), "/output_padding", "even"),
        ("Conv3D", DEEP, (9, 9, 9, 1), "/strides", "single channel"),
        ("Conv3DTranspose", {**DEEP, "filters": 1}, (9, 9, 9, 2), "/strides", "single channel"),
        ("Conv3DTranspose", {**CONV, "dilation_rate": 2}, (2, 3, 4, 3), "/dilation_rate", "1"),
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
        ("GlobalMaxPooling1D", {}, (8,), "", "Reshape"),
        ("AdaptiveMaxPooling2D", {"output_size": [1, 2]}, (8, 6, 3), "/output_size", "global"),
        ("AdaptiveAveragePooling1D", {"output_size": 2}, (1, 3), "/output_size", "side of 1"),
        ("Permute", {"dims": [2, 1]}, (8, 6, 3), "/dims", "3 axes"),
        ("RepeatVector", {"n": 2}, (8, 3), "", "Flatten"),
        ("Cropping2D", {"cropping": [1, 3]}, (8, 6, 3), "/cropping", "8x6"),
        ("EinsumDense", PER_STEP, (5,), "/equation", "(5,)"),
        ("EinsumDense", {"equation": "...x,xy->...y", **ONE}, (2, 4, 5), "/equation", "and one"),
        ("EinsumDense", PER_STEP, (5, 5), "/output_shape", "5 at the axis b"),
        ("EinsumDense", {**PER_STEP, "output_shape": 7}, (4, 5), "/output_shape", "b, d"),
        ("EinsumDense", {**PER_STEP, "bias_axes": "c"}, (4, 5), "/bias_axes", "b, d"),
        ("EinsumDense", {**HEADS, **IDENTITY}, (4, 5), "/kernel_initializer", "4"),
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
