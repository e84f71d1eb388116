"""What is measured of a run, by the names that Keras gives it.

A new metric is a line here, and its sums in `worker.training.program.metrics`.
"""

from dataclasses import dataclass
from typing import get_args

from contract.experiment.datasets import Task

_TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Metric:
    """`tasks` are those in which it is measured, `title` what stands over its chart.

    `is_score` is for what tells by itself how good a model is, one of each task; more of it is
    better. `stops` says whether early stopping may go by it.
    """

    name: str
    tasks: tuple[Task, ...]
    title: str
    maximized: bool = True
    is_score: bool = False
    stops: bool = True


METRICS = {
    metric.name: metric
    for metric in (
        Metric("loss", _TASKS, "loss", maximized=False),
        Metric("accuracy", ("classification", "multi_label"), "accuracy", is_score=True),
        Metric("exact_match", ("multi_label",), "exact match", stops=False),
        Metric("mae", ("regression",), "mean absolute error", maximized=False),
        Metric("r2", ("regression",), "R²", is_score=True, stops=False),
    )
}


def measured(task: Task) -> list[Metric]:
    """Those of `task`, the loss first."""
    return [metric for metric in METRICS.values() if task in metric.tasks]


def score_of(task: Task) -> Metric:
    """What a run of `task` is judged by."""
    return next(metric for metric in measured(task) if metric.is_score)


def metric_of(name: str) -> Metric:
    """The metric behind `accuracy`, `val_accuracy` (validation) or `test_accuracy`."""
    return METRICS[name.removeprefix("val_").removeprefix("test_")]


def in_words() -> str:
    """All of them, and of which tasks those are that not every task has."""
    rest = {m.name: f" ({', '.join(m.tasks)})" for m in METRICS.values() if m.tasks != _TASKS}
    return ", ".join(name + rest.get(name, "") for name in METRICS)
