"""Layers for sequences, and those around them: trained with signals, stopped, and stored."""

from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from contract.experiment.spec import DTypePolicy, Experiment
from contract.jobs.reports import FinishedEpoch
from tests.acceptance.test_training import (
    DIGITS,
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

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NORM = {"type": "MaxNorm", "max_value": 1.0}
# Digits are sequences of 28 rows.
STACKS: dict[str, Layers] = {
    "recurrent": [
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
        {"type": "Input", "name": "x"},
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


def made(name: str, **arguments: Any) -> Experiment:
    scaling = "none" if name == "words" else "unit"
    return spec(STACKS[name], dataset={**DIGITS, "scaling": scaling}, **arguments)


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


@pytest.mark.parametrize("policy", get_args(DTypePolicy))
@pytest.mark.parametrize("name", STACKS)
def test_precision(name: str, policy: str, tmp_path: Path) -> None:
    _, rows = finish(made(name, epochs=1, dtype_policy=policy), tmp_path)
    assert np.isfinite(rows[-1].metrics["loss"])


@pytest.mark.parametrize("name", STACKS)
def test_the_stored_model_is_plain_keras(name: str, tmp_path: Path) -> None:
    experiment = made(name, epochs=1)
    end, _ = finish(experiment, tmp_path)
    model = keras.models.load_model(end.model)
    data = prepared(experiment)
    predicted = model.predict(data.inputs(data.test.x), verbose=0).argmax(axis=1)
    assert end.confusion_matrix is not None
    assert np.bincount(predicted, minlength=10).tolist() == np.sum(end.confusion_matrix, 0).tolist()
