"""Whether a plan can be followed, and what it leaves open."""

from collections.abc import Iterator

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.layers.layer import Shape
from contract.experiment.measured import metric_of, score_of
from contract.experiment.pointers import join
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.sizing.metric_fit import metrics_of
from contract.sweeps.axes import Range, Values, key, size
from contract.sweeps.plan import Goal, Objective, Plan

# Steps of a range: beyond that there is none that a number could tell from its neighbour.
_MOST_STEPS = 1e13


def check_plan(plan: Plan, settings: Settings) -> None:
    """Raises SpecRefused, with a pointer into the plan, for one that cannot be followed."""
    for pointer, axis in plan.axes.items():
        _check_axis(plan, pointer, axis)
    _check_method(plan)
    total = plan.cells * plan.seeds
    if total > settings.max_sweep_jobs:
        raise SpecRefused(
            "/axes" if plan.samples is None else "/samples",
            f"a sweep may have {settings.max_sweep_jobs:,} jobs here (PLATEAU_MAX_SWEEP_JOBS); "
            f"{plan.cells:,} cells with {plan.seeds:,} seeds each are {total:,}: take fewer",
        )
    if plan.pruner and plan.objective and plan.objective.final:
        raise SpecRefused(
            "/objective/metric",
            f"a pruner goes by what each epoch shows; {plan.objective.metric} is known at the end: "
            "take one without test_",
        )


def _check_axis(plan: Plan, pointer: str, axis: Values | Range) -> None:
    def refuse(detail: str, *below: str) -> SpecRefused:
        return SpecRefused(join(("axes", pointer, *below)), detail)

    if pointer == "/name":
        raise refuse("each job is named after its values: give the base a name")
    for other in plan.axes:
        if pointer.startswith(f"{other}/"):
            raise refuse(f"it lies within {other}, which is an axis too: leave one of them out")
    if isinstance(axis, Range):
        for field, detail in _range_faults(plan, axis):
            raise refuse(detail, *field)
    elif len({key(value) for value in axis}) < len(axis):
        raise refuse("a value is there twice; seeds says how often each cell is run")


def _range_faults(plan: Plan, axis: Range) -> Iterator[tuple[tuple[str, ...], str]]:
    if plan.method == "grid":
        yield (), "a grid takes a list of values; ranges are for the methods random and tpe"
    if axis.low > axis.high:
        yield ("high",), f"expected at least low, {axis.low}; received {axis.high}"
    if axis.log and axis.low <= 0:
        yield ("low",), f"expected a number above 0, because of log; received {axis.low}"
    if axis.step is None:
        return
    if axis.log:
        yield ("step",), "log and step do not go together: leave one of them out"
    if axis.step <= 0 or (axis.high - axis.low) / axis.step > _MOST_STEPS:
        yield ("step",), f"expected a number above 0, and not too small; received {axis.step}"
    if axis.whole and not isinstance(axis.step, int):
        yield ("step",), f"expected a whole number, as low and high are; received {axis.step}"


def _check_method(plan: Plan) -> None:
    if plan.parallel is not None and not plan.adaptive:
        raise SpecRefused("/parallel", f"{plan.method} makes all jobs at once: leave it out")
    if plan.method == "grid":
        if plan.samples is not None:
            raise SpecRefused("/samples", "a grid takes every cell: leave it out, or take random")
        return
    if plan.samples is None:
        raise SpecRefused("/samples", f"this is required: how many cells {plan.method} may try")
    if plan.samples > (most := size(plan.axes)):
        raise SpecRefused(
            "/samples", f"the axes have {most:,.0f} cells; received {plan.samples:,}: take fewer"
        )


def resolved(plan: Plan, first: Experiment, facts: Facts) -> Plan:
    """With an objective and its goal: by default accuracy or R2, in validation where there is any.

    `first` is the first cell's experiment.
    """
    objective = plan.objective
    if objective is None:
        prefix = "" if first.training.validation.on == "none" else "val_"
        objective = Objective(metric=prefix + score_of(facts.task).name)
    if objective.goal is None:
        objective = objective.model_copy(update={"goal": _goal(objective.metric, first)})
    return plan.model_copy(update={"objective": objective})


def _goal(name: str, experiment: Experiment) -> Goal:
    metric = metric_of(name, experiment.training.metrics)
    if metric is None or metric.maximized is None:
        raise SpecRefused(
            "/objective/goal" if metric else "/objective/metric",
            f"{name} may be better or worse where it is larger: expected max or min"
            if metric
            else f"there is no metric {name}; training.metrics is where the base asks for one",
        )
    return "max" if metric.maximized else "min"


def check_objective(
    objective: Objective, experiment: Experiment, facts: Facts, output_shape: Shape
) -> None:
    """Raises SpecRefused where a run of `experiment`, whose model gives `output_shape`, does not
    measure it."""
    validated = experiment.training.validation.on != "none"
    known = [
        prefix + metric.name
        for prefix in ("", *(["val_"] if validated else []), "test_")
        for metric in metrics_of(experiment, facts, output_shape)
    ]
    if objective.metric not in known:
        raise SpecRefused(
            "/objective/metric",
            f"{objective.metric} is not measured in a run on {experiment.dataset.name} with "
            f'training.validation.on "{experiment.training.validation.on}": expected one of '
            f"{', '.join(known)}",
        )
