"""Which runs XLA compiles where nobody said so, and that they go on as they would have."""

from pathlib import Path
from typing import Any

import keras  # noqa: F401  (trains: shares a process with the others)
import pytest

from contract.experiment.datasets import CATALOGUE
from contract.jobs.reports import FinishedEpoch
from tests.acceptance.test_training import SOFTMAX, Recorder, bits, finish, run, spec
from worker.training.hooks import Stopped
from worker.training.program.compilation import LEAST_STEPS, compiles

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROWS = {"type": "Reshape", "target_shape": [28, 28]}
LSTM = {"type": "LSTM", "units": 8, "dropout": 0.1}
# Batches of so many sequences of 28 steps are an epoch that is long enough.
LONG = LEAST_STEPS // 28 + 1


def chosen(layers: list[dict[str, Any]], batches: int = LONG, **training: Any) -> bool:
    experiment = spec([*layers, *SOFTMAX], batch_size=10, **training)
    return compiles(experiment, CATALOGUE["digits"], 10 * batches)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([ROWS, LSTM], True),
        ([ROWS, {"type": "Bidirectional", "layer": LSTM}], True),
        ([ROWS, {"type": "GRU", "units": 128}], True),
        ([ROWS, {"type": "GRU", "units": 129}], False),
        ([ROWS, {"type": "Conv1D", "filters": 3, "kernel_size": 3}, LSTM], False),
        ([ROWS, {"type": "MaxPooling1D"}, LSTM], False),
        ([ROWS, {**LSTM, "return_sequences": True}, {"type": "GlobalMaxPooling1D"}], True),
        ([{"type": "Flatten"}], False),
    ],
    ids=str,
)
def test_what_is_quicker_is_compiled(layers: list[dict[str, Any]], expected: bool) -> None:
    assert chosen(layers) is expected
    assert chosen(layers, jit_compile=False) is False


def test_short_epochs_are_not() -> None:
    assert not chosen([ROWS, LSTM], LONG - 1)


def test_a_stop_in_a_compiled_run_changes_no_bit(tmp_path: Path) -> None:
    """Within an epoch and after one; nor does a second run."""
    experiment = spec([ROWS, LSTM, *SOFTMAX], batch_size=4, epochs=3)
    assert compiles(experiment, CATALOGUE["digits"], CATALOGUE["digits"].train_examples)
    whole = finish(experiment, tmp_path)[1]
    rows: list[FinishedEpoch] = []
    resume: Path | None = None
    for attempt, stop_at in enumerate((2, 2, None)):
        (scratch := tmp_path / str(attempt)).mkdir()
        hooks = Recorder(stop_at)
        end = run(experiment, scratch, hooks, resume)
        rows += hooks.rows
        if isinstance(end, Stopped):
            resume = end.checkpoint or hooks.reports[-1][1]
    assert bits(rows) == bits(whole)
