"""Layers for sequences, and those around them: trained with signals, stopped, and stored."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from contract.errors import RunFailed
from contract.experiment import layers
from contract.experiment.spec import DTypePolicy, Experiment
from contract.jobs.reports import FinishedEpoch
from tests.acceptance.test_spatial_layers import STACKS as SPATIAL
from tests.acceptance.test_training import (
    AUGMENTATIONS,
    DIGITS,
    EVERY_LAYER,
    SOFTMAX,
    Layers,
    Recorder,
    bits,
    finish,
    prepared,
    run,
    spec,
)
from worker.training.hooks import Finished, Stopped

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Of the largest inverse norm in SpectralNormalization, which in float16 is infinite.
    pytest.mark.filterwarnings("ignore:.*overflow encountered in cast"),
]

# With each, every stack is traced anew.
POLICIES = [
    pytest.param(policy, marks=pytest.mark.slow) if policy == "mixed_float16" else policy
    for policy in get_args(DTypePolicy)
]
NORM = {"type": "MaxNorm", "max_value": 1.0}
STACKS: dict[str, Layers] = {
    "recurrent": [
        {"type": "Reshape", "target_shape": [4, 196]},
        {"type": "Masking"},
        {"type": "SimpleRNN", "units": 5, "return_sequences": True, "dropout": 0.2},
        {
            "type": "Bidirectional",
            "layer": {
                "type": "LSTM",
                "units": 4,
                "return_sequences": True,
                "recurrent_dropout": 0.2,
                "kernel_constraint": NORM,
            },
        },
        {
            "type": "TimeDistributed",
            "layer": {"type": "Dense", "units": 6, "activation": "relu"},
        },
        {
            "type": "Bidirectional",
            "layer": {"type": "GRU", "units": 4},
            "merge_mode": "sum",
            "backward_layer": {"type": "LSTM", "units": 4, "go_backwards": True},
        },
        *SOFTMAX,
    ],
    "pictures": [
        {"type": "Reshape", "target_shape": [2, 14, 28, 1]},
        {"type": "ConvLSTM2D", "filters": 3, "kernel_size": 3, "return_sequences": True},
        {
            "type": "TimeDistributed",
            "layer": {
                "type": "SpectralNormalization",
                "layer": {"type": "Conv2D", "filters": 4, "kernel_size": 2},
            },
        },
        {"type": "TimeDistributed", "layer": {"type": "BatchNormalization"}},
        {"type": "SpatialDropout3D", "rate": 0.1, "seed": 3},
        {"type": "Flatten"},
        *SOFTMAX,
    ],
    "attention": [
        {"type": "Reshape", "target_shape": [7, 112], "name": "x"},
        {"type": "Dense", "units": 8, "activation": "gelu", "name": "a", "inputs": ["x"]},
        {
            "type": "MultiHeadAttention",
            "num_heads": 2,
            "key_dim": 4,
            "dropout": 0.1,
            "use_causal_mask": True,
            "name": "b",
            "inputs": ["a", "a"],
        },
        {
            "type": "GroupQueryAttention",
            "head_dim": 4,
            "num_query_heads": 4,
            "num_key_value_heads": 2,
            "name": "c",
            "inputs": ["b", "a", "x"],
        },
        {"type": "AdditiveAttention", "name": "d", "inputs": ["c", "b"]},
        {"type": "Attention", "score_mode": "concat", "name": "e", "inputs": ["d", "x", "a"]},
        {"type": "RMSNormalization"},
        {"type": "Flatten"},
        *SOFTMAX,
    ],
    "vectors": [
        {"type": "Flatten"},
        {"type": "Normalization", "mean": 0.3, "variance": 0.1},
        {"type": "Normalization"},
        {"type": "SpectralNormalization", "layer": {"type": "Dense", "units": 12}},
        {"type": "GroupNormalization", "groups": 3},
        {"type": "PReLU"},
        {"type": "AlphaDropout", "rate": 0.1, "noise_shape": [1, 12]},
        {"type": "Dense", "units": 12},
        {"type": "UnitNormalization"},
        {"type": "ReLU", "max_value": 6.0},
        {"type": "GaussianDropout", "rate": 0.1, "seed": 1},
        {"type": "ActivityRegularization", "l1": 0.001, "l2": 0.001},
        {"type": "BatchNormalization", "renorm": True, "renorm_clipping": {"rmax": 2.0}},
        {"type": "ELU"},
        {"type": "Identity"},
        {"type": "Dense", "units": 10},
        {"type": "Softmax"},
    ],
    "merges": [
        {"type": "Input", "name": "x"},
        {"type": "Flatten"},
        {"type": "Dense", "units": 6, "activation": "tanh", "name": "a"},
        {"type": "Dense", "units": 6, "trainable": False, "name": "b"},
        {"layer": "b", "inputs": ["b"], "name": "c"},
        {"type": "Add", "inputs": ["a", "b"], "name": "add"},
        {"type": "Average", "inputs": ["a", "c"], "name": "average"},
        {"type": "Maximum", "inputs": ["a", "add"], "name": "maximum"},
        {"type": "Minimum", "inputs": ["b", "average"], "name": "minimum"},
        {"type": "Multiply", "inputs": ["maximum", "minimum"], "name": "multiply"},
        {"type": "Subtract", "inputs": ["multiply", "a"], "name": "subtract"},
        {"type": "Dot", "inputs": ["subtract", "a"], "axes": 1, "name": "dot"},
        {"type": "Concatenate", "inputs": ["subtract", "dot"]},
        *SOFTMAX,
    ],
    # Their words are grey levels of 16 places.
    "words": [
        {"type": "Reshape", "target_shape": [28, 28, 1]},
        {"type": "AveragePooling2D", "pool_size": 7},
        {"type": "Flatten"},
        {"type": "Embedding", "input_dim": 256, "output_dim": 4, "mask_zero": True},
        {"type": "Dense", "units": 4, "activation": "tanh"},
        {"type": "LSTM", "units": 5},
        *SOFTMAX,
    ],
}


RAW = {**DIGITS, "scaling": "none"}


def made(name: str, **arguments: Any) -> Experiment:
    return spec(STACKS[name], dataset=RAW if name == "words" else DIGITS, **arguments)


def test_every_layer_is_tried() -> None:
    """One of a family, that of sequences, images or volumes."""
    stacks = [*STACKS.values(), *SPATIAL.values(), EVERY_LAYER, AUGMENTATIONS]
    tried = {family(name) for stack in stacks for layer in stack for name in types(layer)}
    assert tried == {family(kind.__name__) for kind in layers.KINDS}


def types(layer: Any) -> Iterator[str]:
    """Of a layer, and of those within it."""
    if "type" in layer:
        yield layer["type"]
    for argument in ("layer", "backward_layer"):
        if isinstance(layer.get(argument), dict):
            yield from types(layer[argument])


def family(name: str) -> str:
    return re.sub("[123]D", "", name)


@pytest.mark.parametrize("name", STACKS)
def test_a_stop_changes_no_bit(name: str, tmp_path: Path) -> None:
    """Within an epoch and after one; nor does a second run."""
    experiment = made(name, epochs=2)
    whole = Recorder()
    end = run(experiment, tmp_path, whole)
    assert isinstance(end, Finished)
    rows: list[FinishedEpoch] = []
    resume: Path | None = None
    for attempt, stop_at in enumerate((2, None)):
        (scratch := tmp_path / str(attempt)).mkdir()
        hooks = Recorder(stop_at)
        stopped = run(experiment, scratch, hooks, resume)
        rows += hooks.rows
        if isinstance(stopped, Stopped):
            resume = stopped.checkpoint or hooks.reports[-1][1]
    assert bits(rows) == bits(whole.rows)
    moments = [signal.document for signal in whole.signals if signal.kind == "moment"]
    assert moments
    assert all(np.isfinite(moment["loss"]) for moment in moments)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", STACKS)
def test_every_precision_trains_and_is_stored_as_plain_keras(
    name: str, policy: str, tmp_path: Path
) -> None:
    signals = "on" if policy == "mixed_bfloat16" else "off"
    experiment = made(name, epochs=1, dtype_policy=policy).model_copy(update={"signals": signals})
    end, rows = finish(experiment, tmp_path)
    assert np.isfinite(rows[-1].metrics["loss"])
    model = keras.models.load_model(end.model)
    data = prepared(experiment)
    inputs = data.inputs(data.test.x)
    predicted = model.predict(inputs, batch_size=len(inputs), verbose=0).argmax(axis=1)
    assert end.confusion_matrix is not None
    moved = np.bincount(predicted, minlength=10) - np.sum(end.confusion_matrix, 0)
    # In 16 bits TensorFlow rounds otherwise in another graph.
    assert np.abs(moved).sum() <= (0 if policy == "float32" else 0.02 * len(inputs))


def test_a_number_that_has_no_row(tmp_path: Path) -> None:
    few = {"type": "Embedding", "input_dim": 100, "output_dim": 2}
    experiment = spec([{"type": "Flatten"}, few, {"type": "Flatten"}, *SOFTMAX], dataset=RAW)
    with pytest.raises(RunFailed) as failure:
        run(experiment, tmp_path, Recorder())
    assert failure.value.code == "number_out_of_range"
    assert "0 to 99" in failure.value.message
