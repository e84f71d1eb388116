"""What is measured of a run, and by which names: always, and because it was asked for.

A new metric that every run of a task has is a line here, and its sums in
`worker.training.program.metrics`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from contract.experiment.datasets import Task
from contract.experiment.metrics import Given, KerasMetric, named

_TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Metric:
    """`tasks` are those in which it is measured anyway, `title` what stands over its chart.

    `maximized` says whether more of it is better; None where that is for nobody but the user to
    say. `is_score` is for what tells by itself how good a model is, one of each task; more of it is
    better. `stops` says whether early stopping may go by it.
    """

    name: str
    tasks: tuple[Task, ...]
    title: str
    maximized: bool | None = True
    is_score: bool = False
    stops: bool = True


ALWAYS = {
    metric.name: metric
    for metric in (
        Metric("loss", _TASKS, "loss", maximized=False),
        Metric("accuracy", ("classification", "multi_label"), "accuracy", is_score=True),
        Metric("exact_match", ("multi_label",), "exact match", stops=False),
        Metric("mae", ("regression",), "mean absolute error", maximized=False),
        Metric("r2", ("regression",), "R²", is_score=True, stops=False),
    )
}
# Columns of the curves that are no metrics.
COLUMNS = ("epoch", "learning_rate", "seconds")
# What a metric is called of a part of the data.
PARTS = ("val_", "test_", "train_")


def measured(task: Task) -> list[Metric]:
    """Those that every run of `task` has, the loss first."""
    return [metric for metric in ALWAYS.values() if task in metric.tasks]


def score_of(task: Task) -> Metric:
    """What a run of `task` is judged by."""
    return next(metric for metric in measured(task) if metric.is_score)


def asked_for(asked: Sequence[Given], task: Task) -> dict[str, KerasMetric]:
    """The metrics among `asked` that a run of `task` would not have anyway, by their names."""
    anyway = {metric.name for metric in measured(task)}
    return {
        name: kind
        for given in asked
        for name, kind in [named(given)]
        if kind is not None and not (isinstance(given, str) and name in anyway)
    }


def columns(name: str, numbers: int | None) -> list[str]:
    """What a metric's numbers are called: by its name, or one by one with their places behind."""
    return [name] if numbers is None else [f"{name}_{place}" for place in range(numbers)]


def chosen(given: Given, numbers: int | None) -> list[Metric]:
    """What a metric that was asked for adds to a run, of which it gives so many numbers."""
    name, kind = named(given)
    better = None if kind is None else kind.maximized
    return [
        Metric(column, (), column, maximized=better, stops=better is not None)
        for column in columns(name, numbers)
    ]


def metric_of(name: str, asked: Sequence[Given]) -> Metric | None:
    """The one behind `accuracy`, `val_accuracy` (validation) or `test_accuracy`, in a run that is
    `asked` for more; None where there is none."""
    bare = name.removeprefix("val_").removeprefix("test_")
    known = {called: given for given in asked for called, kind in [named(given)] if kind}
    if bare in known:
        return chosen(known[bare], None)[0]
    if bare in ALWAYS:
        return ALWAYS[bare]
    several = known.get(re.sub(r"_\d+$", "", bare))
    return None if several is None else chosen(several, None)[0]


def in_words() -> str:
    """All that are always measured, and of which tasks those are that not every task has."""
    rest = {m.name: f" ({', '.join(m.tasks)})" for m in ALWAYS.values() if m.tasks != _TASKS}
    always = ", ".join(name + rest.get(name, "") for name in ALWAYS)
    return f"{always}; those of training.metrics"
