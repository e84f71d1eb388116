"""What is measured of a task, and what may be asked for by a metric's name."""

from typing import get_args

import pytest

from contract.experiment.datasets import Task
from contract.experiment.metrics import METRICS, measured, metric_of, score_of
from contract.experiment.spec import EarlyStopping
from contract.sweeps.plan import Objective

TASKS: tuple[Task, ...] = get_args(Task)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_loss_and_one_score(task: Task) -> None:
    names = [metric.name for metric in measured(task)]
    assert names[0] == "loss"
    assert [m for m in measured(task) if m.is_score] == [score_of(task)]


def test_early_stopping_may_go_by_what_stops() -> None:
    stops = [name for name, metric in METRICS.items() if metric.stops]
    monitors = get_args(EarlyStopping.model_fields["monitor"].annotation)
    assert sorted(monitors) == sorted([*stops, *(f"val_{name}" for name in stops)])


@pytest.mark.parametrize("prefix", ["", "val_", "test_"])
@pytest.mark.parametrize("name", METRICS)
def test_a_sweep_may_go_by_each_and_knows_where_it_is_to_go(prefix: str, name: str) -> None:
    objective = Objective.model_validate({"metric": prefix + name})
    assert metric_of(objective.metric) is METRICS[name]
    assert objective.maximized is (name not in ("loss", "mae"))
