"""What is measured of a task, and what may be asked for by a metric's name."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from contract.experiment.datasets import Task
from contract.experiment.measured import ALWAYS, asked_for, measured, metric_of, score_of
from contract.experiment.metrics import Given

TASKS: tuple[Task, ...] = get_args(Task)
PRECISIONS = {"type": "Precision", "thresholds": [0.1, 0.9], "name": "sure"}


def given(*metrics: Any) -> list[Given]:
    return TypeAdapter(list[Given]).validate_python(metrics)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_loss_and_one_score(task: Task) -> None:
    names = [metric.name for metric in measured(task)]
    assert names[0] == "loss"
    assert [m for m in measured(task) if m.is_score] == [score_of(task)]


@pytest.mark.parametrize("prefix", ["", "val_", "test_"])
@pytest.mark.parametrize("name", ALWAYS)
def test_what_is_always_measured_is_known_of_each_part(prefix: str, name: str) -> None:
    assert metric_of(prefix + name, ()) is ALWAYS[name]


@pytest.mark.parametrize(
    ("name", "maximized"),
    [
        ("val_auc", True),
        ("AUC", True),
        ("mse", False),
        ("val_sure_1", True),
        ("true_positives", None),
        ("val_mae", False),
    ],
)
def test_what_was_asked_for_is_known_by_its_name(name: str, maximized: bool | None) -> None:
    asked = given("auc", "AUC", "mse", PRECISIONS, "true_positives")
    found = metric_of(name, asked)
    assert found is not None
    assert found.maximized is maximized
    assert found.stops is (maximized is not None)


@pytest.mark.parametrize("name", ["auc", "val_sure_x", "accuracy_1", "loss_0"])
def test_what_nobody_asked_for_is_not_known(name: str) -> None:
    assert metric_of(name, given(PRECISIONS, "accuracy")) is None


def test_a_name_of_what_is_measured_anyway_adds_nothing() -> None:
    asked = given("accuracy", "mae", {"type": "MeanAbsoluteError"})
    assert list(asked_for(asked, "classification")) == ["mae", "mean_absolute_error"]
    assert list(asked_for(asked, "regression")) == ["mean_absolute_error"]
