"""Learning rates as the diagnosis reads them from a spec, and as Keras applies them."""

from typing import Any

import pytest

from contract.experiment.optimizers import SGD, Optimizer
from contract.experiment.spec import Training
from diagnosis.run.procedure import Procedure
from worker.training.program.build import construct

SCHEDULES: list[dict[str, Any]] = [
    {"type": "ExponentialDecay", "initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5},
    {
        "type": "ExponentialDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 7,
        "decay_rate": 0.5,
        "staircase": True,
    },
    {
        "type": "InverseTimeDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 7,
        "decay_rate": 0.5,
    },
    {
        "type": "PolynomialDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 20,
        "end_learning_rate": 0.01,
        "power": 2.0,
    },
    {"type": "PolynomialDecay", "initial_learning_rate": 0.1, "decay_steps": 20, "cycle": True},
    {"type": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.1},
    {
        "type": "CosineDecay",
        "initial_learning_rate": 0.01,
        "decay_steps": 20,
        "warmup_target": 0.1,
        "warmup_steps": 5,
    },
    {"type": "CosineDecayRestarts", "initial_learning_rate": 0.1, "first_decay_steps": 6},
    {
        "type": "CosineDecayRestarts",
        "initial_learning_rate": 0.1,
        "first_decay_steps": 8,
        "t_mul": 1.0,
        "m_mul": 0.5,
        "alpha": 0.1,
    },
    {"type": "PiecewiseConstantDecay", "boundaries": [5, 20], "values": [0.1, 0.01, 0.001]},
]


def training(optimizer: Optimizer) -> dict[str, Any]:
    whole = Training(optimizer=optimizer, loss="mean_squared_error", epochs=1)
    return whole.model_dump(mode="json")


@pytest.mark.parametrize("accumulated", [None, 3])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule["type"])
def test_a_schedule_is_read_as_keras_applies_it(
    schedule: dict[str, Any], accumulated: int | None
) -> None:
    told = {"learning_rate": schedule, "gradient_accumulation_steps": accumulated}
    optimizer = SGD.model_validate({"type": "SGD", **told})
    read = Procedure(training(optimizer))
    built = construct(optimizer)
    for step in (0, 1, 4, 5, 6, 7, 13, 20, 21, 33, 100):
        built.variables[0].assign(step)
        assert read.rate_at(step) == pytest.approx(float(built.learning_rate), rel=1e-4)
