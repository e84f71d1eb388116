"""Layers for sequences, and those around them, counted by hand; and what is refused where."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from contract.errors import SpecRefused
from contract.experiment.layers.layer import Shape
from contract.experiment.spec import Experiment, Model, described
from contract.sizing.trace import LayerFacts
from tests.unit.contract.sizing.test_shapes import last, refused, traced

LSTM = {"type": "LSTM", "units": 3}
DENSE = {"type": "Dense", "units": 5}
BACKWARDS = {"type": "SimpleRNN", "units": 3, "go_backwards": True}
MAX = {"type": "MaxNorm", "axis": 1}


def attended(kind: str, *shapes: Shape, **arguments: Any) -> LayerFacts:
    """Attention of inputs of `shapes`, each made from the model's 24 numbers."""
    made = [
        {"type": "Reshape", "target_shape": shape, "name": f"x{at}", "inputs": ["x"]}
        for at, shape in enumerate(shapes)
    ]
    names = [f"x{at}" for at in range(len(shapes))]
    attention = {"type": kind, "inputs": names, **arguments}
    return traced((24,), {"type": "Input", "name": "x"}, *made, attention)[-1]


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "output", "trainable", "frozen"),
    [
        ("SimpleRNN", {"units": 3}, (7, 2), (3,), 6 + 9 + 3, 0),
        ("SimpleRNN", {"units": 3, "return_sequences": True}, (7, 2), (7, 3), 18, 0),
        ("LSTM", {"units": 3}, (7, 2), (3,), 4 * 18, 0),
        ("LSTM", {"units": 3, "use_bias": False}, (7, 2), (3,), 4 * 15, 0),
        ("GRU", {"units": 3}, (7, 2), (3,), 3 * (15 + 6), 0),
        ("GRU", {"units": 3, "reset_after": False}, (7, 2), (3,), 3 * 18, 0),
        ("ConvLSTM1D", {"filters": 3, "kernel_size": 2}, (7, 5, 2), (4, 3), 4 * (12 + 18 + 3), 0),
        (
            "ConvLSTM2D",
            {"filters": 3, "kernel_size": [2, 1], "strides": 2, "return_sequences": True},
            (7, 5, 4, 2),
            (7, 2, 2, 3),
            4 * (12 + 18 + 3),
            0,
        ),
        (
            "ConvLSTM3D",
            {"filters": 1, "kernel_size": 3, "padding": "same"},
            (2, 5, 4, 3, 2),
            (5, 4, 3, 1),
            4 * (27 * 3 + 1),
            0,
        ),
        ("Bidirectional", {"layer": LSTM}, (7, 2), (6,), 2 * 72, 0),
        ("Bidirectional", {"layer": LSTM, "merge_mode": "sum"}, (7, 2), (3,), 2 * 72, 0),
        (
            "Bidirectional",
            {"layer": LSTM, "backward_layer": BACKWARDS},
            (7, 2),
            (6,),
            72 + 18,
            0,
        ),
        ("TimeDistributed", {"layer": DENSE}, (7, 2), (7, 5), 15, 0),
        ("TimeDistributed", {"layer": {**DENSE, "trainable": False}}, (7, 2), (7, 5), 0, 15),
        ("TimeDistributed", {"layer": {"type": "Flatten"}}, (7, 2, 3), (7, 6), 0, 0),
        ("SpectralNormalization", {"layer": DENSE}, (2,), (5,), 15, 5),
        ("Embedding", {"input_dim": 9, "output_dim": 4}, (7,), (7, 4), 36, 0),
        ("Masking", {}, (7, 2), (7, 2), 0, 0),
        ("Identity", {}, (7, 2), (7, 2), 0, 0),
        ("GroupNormalization", {"groups": 2}, (7, 4), (7, 4), 8, 0),
        ("GroupNormalization", {"groups": -1, "axis": 1, "scale": False}, (7, 4), (7, 4), 7, 0),
        ("LayerNormalization", {"axis": [1, -1]}, (7, 4), (7, 4), 56, 0),
        ("RMSNormalization", {}, (7, 4), (7, 4), 4, 0),
        ("RMSNormalization", {"axis": [1, 2]}, (7, 4), (7, 4), 28, 0),
        ("Normalization", {"axis": [1, -1]}, (7, 4), (7, 4), 0, 57),
        ("Normalization", {"mean": [1.0] * 4, "variance": [2.0] * 4}, (7, 4), (7, 4), 0, 0),
        ("UnitNormalization", {"axis": 1}, (7, 4), (7, 4), 0, 0),
        ("BatchNormalization", {"axis": 1}, (7, 4), (7, 4), 14, 14),
        ("BatchNormalization", {"renorm": True}, (7, 4), (7, 4), 8, 20),
        ("Dropout", {"rate": 0.5, "noise_shape": [None, 1, 4]}, (7, 4), (7, 4), 0, 0),
        ("AlphaDropout", {"rate": 0.5}, (4,), (4,), 0, 0),
        ("GaussianDropout", {"rate": 0.5, "seed": 1}, (4,), (4,), 0, 0),
        ("SpatialDropout1D", {"rate": 0.5}, (7, 4), (7, 4), 0, 0),
        ("SpatialDropout2D", {"rate": 0.5}, (7, 4, 2), (7, 4, 2), 0, 0),
        ("SpatialDropout3D", {"rate": 0.5}, (7, 4, 2, 1), (7, 4, 2, 1), 0, 0),
        ("ActivityRegularization", {"l1": 0.1}, (4,), (4,), 0, 0),
        ("ReLU", {}, (4,), (4,), 0, 0),
        ("ELU", {}, (4,), (4,), 0, 0),
        ("PReLU", {}, (7, 4), (7, 4), 28, 0),
        ("PReLU", {"shared_axes": 1}, (7, 4), (7, 4), 4, 0),
        ("Softmax", {"axis": [1, 2]}, (7, 4), (7, 4), 0, 0),
    ],
)  # fmt: skip
def test_a_layer_alone(
    kind: str, arguments: dict[str, Any], shape: Shape, output: Shape, trainable: int, frozen: int
) -> None:
    facts = last(shape, kind, **arguments)
    assert facts.output_shape == output
    assert (facts.trainable_parameters, facts.parameters) == (trainable, trainable + frozen)


HEADS = {"num_heads": 2, "key_dim": 3}
GROUPS = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}


@pytest.mark.parametrize(
    ("kind", "arguments", "shapes", "output", "parameters"),
    [
        ("Attention", {}, [(6, 4), (6, 4)], (6, 4), 0),
        ("Attention", {"use_scale": True, "score_mode": "concat"}, [(6, 4)] * 2, (6, 4), 2),
        ("AdditiveAttention", {}, [(6, 4), (3, 8), (3, 8)], None, None),
        ("AdditiveAttention", {}, [(6, 4), (6, 4), (6, 4)], (6, 4), 4),
        ("MultiHeadAttention", HEADS, [(6, 4), (8, 3)], (6, 4), 6 * (5 + 4 + 4) + 4 * 7),
        (
            "MultiHeadAttention",
            {**HEADS, "value_dim": 5, "output_shape": [2, 2], "use_gate": True, "use_bias": False},
            [(6, 4), (8, 3), (8, 3)],
            (6, 2, 2),
            6 * (4 + 3) + 10 * (3 + 4) + 4 * 10,
        ),
        ("GroupQueryAttention", GROUPS, [(6, 4)] * 2, (6, 4), 12 * 5 + 2 * 6 * 5 + 4 * 13),
    ],
)
def test_attention(
    kind: str,
    arguments: dict[str, Any],
    shapes: list[Shape],
    output: Shape | None,
    parameters: int | None,
) -> None:
    if output is None:
        with pytest.raises(SpecRefused, match="as many features"):
            attended(kind, *shapes, **arguments)
    else:
        facts = attended(kind, *shapes, **arguments)
        assert (facts.output_shape, facts.parameters) == (output, parameters)


def test_the_work_of_a_sequence_grows_with_its_steps() -> None:
    """By hand: four gates of 15 products, a bias and an activation; then state and output."""
    assert last((7, 2), "LSTM", units=3).flops == 7 * (2 * 4 * 15 + (4 + 4 * 2 + 2) * 3)
    assert last((7, 2), "TimeDistributed", layer=DENSE).flops == 7 * (2 * 10 + 5)
    # Scores and sums of 36 pairs, 8 FLOPs each, and 4 for a softmax.
    assert attended("Attention", (6, 4), (6, 4)).flops == 36 * (8 + 8 + 4)


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "pointer", "said"),
    [
        ("LSTM", {"units": 3}, (7,), "", "[7, 1]"),
        ("GRU", {"units": 3}, (7, 2, 3), "", "[14, 3]"),
        ("SimpleRNN", {"units": 3}, (10_001, 2), "", "10,000"),
        ("ConvLSTM2D", {"filters": 1, "kernel_size": 1}, (7, 2), "", "Reshape"),
        ("ConvLSTM1D", {"filters": 1, "kernel_size": 6}, (7, 5, 2), "/kernel_size", "window of 6"),
        (
            "ConvLSTM1D",
            {"filters": 1, "kernel_size": 1, "strides": 2, "dilation_rate": 2},
            (7, 5, 2),
            "/dilation_rate",
            "strides",
        ),
        ("Bidirectional", {"layer": LSTM}, (7,), "/layer", "LSTM"),
        ("TimeDistributed", {"layer": DENSE}, (7,), "", "steps"),
        ("TimeDistributed", {"layer": DENSE}, (2049, 2), "", "2,048"),
        ("TimeDistributed", {"layer": LSTM}, (65, 7, 2), "", "2,080"),
        (
            "TimeDistributed",
            {"layer": {"type": "TimeDistributed", "layer": DENSE}},
            (64, 64, 2),
            "",
            "4,096",
        ),
        (
            "TimeDistributed",
            {"layer": {"type": "Reshape", "target_shape": [5]}},
            (7, 2),
            "/layer/target_shape",
            "Reshape",
        ),
        ("Normalization", {"mean": [1, 2], "variance": [1, 2]}, (7, 4), "/mean", "4 along"),
        ("GroupNormalization", {"groups": 3}, (7, 4), "/groups", "divisor"),
        ("BatchNormalization", {"axis": 3}, (7, 4), "/axis", "1 to 2"),
        ("LayerNormalization", {"axis": [1, -2]}, (7, 4), "/axis", "once"),
        ("RMSNormalization", {"axis": 1}, (7, 4), "/axis", "last"),
        ("Softmax", {"axis": 0}, (4,), "/axis", "batch"),
        ("PReLU", {"shared_axes": [1, 2]}, (4,), "/shared_axes", "1 to 1"),
        ("Dropout", {"rate": 0.5, "noise_shape": [2, 4]}, (4,), "/noise_shape", "batch"),
        ("SpatialDropout1D", {"rate": 0.5}, (7,), "", "Reshape"),
        ("Attention", {}, (7, 4), "/inputs", "2 to 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_the_fault_is(
    kind: str, arguments: dict[str, Any], shape: Shape, pointer: str, said: str
) -> None:
    error = refused(shape, kind, **arguments)
    assert error.pointer == f"/model/layers/0{pointer}"
    assert error.detail.startswith(kind)
    assert said in error.detail


@pytest.mark.parametrize(
    ("kind", "arguments", "shapes", "said"),
    [
        ("Attention", {}, [(6, 4), (2, 3, 4)], "(steps, features)"),
        ("Attention", {}, [(6, 4), (8, 3)], "as many features"),
        ("MultiHeadAttention", HEADS, [(6, 4), (6, 4), (8, 3)], "as many steps"),
        ("MultiHeadAttention", HEADS, [(6, 4), (2, 3, 4)], "equally many"),
        ("MultiHeadAttention", {**HEADS, "attention_axes": 1}, [(2, 3, 4), (2, 4, 3)], "differ"),
        ("MultiHeadAttention", {**HEADS, "attention_axes": -1}, [(6, 4)] * 2, "features"),
        ("MultiHeadAttention", {**HEADS, "use_causal_mask": True}, [(2, 3, 4)] * 2, "sequences"),
        ("GroupQueryAttention", GROUPS, [(6, 4), (8, 3)], "as many features"),
    ],
)
def test_what_attention_cannot_compare(
    kind: str, arguments: dict[str, Any], shapes: list[Shape], said: str
) -> None:
    with pytest.raises(SpecRefused) as caught:
        attended(kind, *shapes, **arguments)
    assert said in caught.value.detail


PICTURES = {"filters": 1, "kernel_size": 1}


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "Bidirectional", "layer": {**LSTM, "go_backwards": True}},
        {"type": "Bidirectional", "layer": LSTM, "backward_layer": LSTM},
        {
            "type": "Bidirectional",
            "layer": LSTM,
            "backward_layer": {**LSTM, "go_backwards": True, "return_sequences": True},
        },
        {"type": "Bidirectional", "layer": LSTM, "merge_mode": None},
        {"type": "Bidirectional", "layer": DENSE},
        {"type": "TimeDistributed", "layer": "name"},
        {"type": "TimeDistributed", "layer": {"type": "Add"}},
        {"type": "TimeDistributed", "layer": {**DENSE, "inputs": ["x"]}},
        {"type": "SpectralNormalization", "layer": LSTM},
        {**LSTM, "kernel_constraint": {"type": "MaxNorm", "axis": 2}},
        {**LSTM, "bias_constraint": MAX},
        {**LSTM, "bias_initializer": "orthogonal"},
        {**LSTM, "recurrent_constraint": {"type": "UnitNorm", "axis": -3}},
        {**LSTM, "bias_regularizer": {"type": "OrthogonalRegularizer"}},
        {"type": "ConvLSTM1D", **PICTURES, "recurrent_initializer": "identity"},
        {"type": "ConvLSTM2D", **PICTURES, "kernel_constraint": {"type": "MaxNorm", "axis": 4}},
        {"type": "GroupQueryAttention", **GROUPS, "kernel_initializer": "identity"},
        {"type": "Normalization", "mean": 1.0},
        {"type": "Normalization", "mean": [1.0], "variance": [1.0, 2.0]},
        {"type": "Normalization", "mean": 0, "variance": -1},
        {**LSTM, "stateful": True},
        {**LSTM, "return_state": True},
        {"type": "GroupNormalization", "groups": 0},
        {"type": "BatchNormalization", "renorm_clipping": {"rmin": 2, "rmax": 1}},
        {"type": "GaussianDropout", "rate": 1},
        {"type": "Activation", "activation": "glu"},
        {"type": "GroupQueryAttention", **GROUPS, "num_key_value_heads": 3},
    ],
)  # fmt: skip
def test_what_is_no_such_layer(layer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"layers": [layer]})


def test_an_orthogonal_penalty_costs_as_many_numbers_as_there_are_pairs() -> None:
    penalty = {"type": "OrthogonalRegularizer"}
    words = {"input_dim": 1000, "output_dim": 2}
    plain = last((7,), "Embedding", **words)
    found = last((7,), "Embedding", **words, embeddings_regularizer=penalty)
    assert found.activations - plain.activations == 1000**2
    plain, found = (
        last((7, 2), "LSTM", units=3, **more) for more in ({}, {"recurrent_regularizer": penalty})
    )
    assert found.activations - plain.activations == 3**2


def test_a_layer_used_again_is_told_from_a_wrapper() -> None:
    model = Model.model_validate(
        {
            "layers": [
                {"type": "TimeDistributed", "layer": DENSE, "name": "a"},
                {"layer": "a"},
            ]
        }
    )
    assert [node.again for node in model.graph.nodes] == [None, 0]


def test_the_diagnosis_is_told_what_bends() -> None:
    layers = [LSTM, {"type": "Flatten"}, {"type": "ReLU", "negative_slope": 0.1}]
    experiment = Experiment.model_validate(
        {
            "name": "bent",
            "dataset": {"name": "digits"},
            "model": {"layers": layers},
            "training": {"optimizer": {"type": "SGD"}, "loss": "mean_squared_error", "epochs": 1},
        }
    )
    recurrent, flat, relu = described(experiment)["model"]["layers"]
    assert recurrent["bends"]
    assert "bends" not in flat
    assert relu["applies"] == "leaky_relu"


def test_long_graphs_are_refused_where_they_become_too_long() -> None:
    distributed = {"type": "TimeDistributed", "layer": DENSE}
    with pytest.raises(SpecRefused) as caught:
        traced((700, 2), *[distributed] * 3)
    assert caught.value.pointer == "/model/layers/2"


def test_absurd_sizes_cost_neither_time_nor_memory() -> None:
    start = time.perf_counter()
    assert last((7, 2), "LSTM", units=10**6).parameters > 10**12
    deep: dict[str, Any] = {"type": "Dense", "units": 1}
    for _ in range(60):
        deep = {"type": "TimeDistributed", "layer": deep}
    assert refused((1, 1), deep["type"], layer=deep["layer"]).pointer.startswith("/model/layers/0/")
    assert time.perf_counter() - start < 1
