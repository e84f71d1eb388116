"""What a sweep's cells have come to, as trials of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean
from typing import Any, Literal

from sqlmodel import Session

from contract import reached
from contract.axes import Cell
from contract.cells import Run, by_cell, spread_of
from contract.numbers import decode
from contract.plan import Plan, objective_of
from contract.sweep import Sweep


@dataclass(frozen=True)
class Known:
    """What the pruner knows of a trial: epochs up to `epoch`, and `attrs`, its own notes."""

    epoch: int = 0
    attrs: Mapping[str, Any] = field(default_factory=dict)
    pruned: bool = False


@dataclass(frozen=True)
class Trial:
    """A cell as Optuna sees it. `curve` has the objective after each epoch that all runs have."""

    cell: Cell
    state: Literal["running", "complete", "pruned", "fail"]
    value: float | None
    curve: Mapping[int, float]
    known: Known


def trials_of(session: Session, sweep: Sweep, plan: Plan, runs: Sequence[Run]) -> list[Trial]:
    curves: Mapping[str, Mapping[int, float]] = {}
    if plan.pruner:
        metric = objective_of(plan).metric
        curves = reached.curves(session, [run.job_id for run in runs], metric)
    cells = zip(sweep.cells, by_cell(runs, len(sweep.cells)), strict=True)
    return [
        _trial(cell, own, _known(sweep.trials.get(str(number), {})), curves)
        for number, (cell, own) in enumerate(cells)
    ]


def _known(stored: Mapping[str, Any]) -> Known:
    attrs = {name: decode(value) for name, value in stored.get("attrs", {}).items()}
    return Known(**{**stored, "attrs": attrs})


def _trial(
    cell: Cell, runs: Sequence[Run], known: Known, curves: Mapping[str, Mapping[int, float]]
) -> Trial:
    value = spread_of(runs).mean
    curve = _curve(runs, curves)
    if not all(run.ended for run in runs):
        return Trial(cell, "running", None, curve, known)
    if known.pruned:
        return Trial(cell, "pruned", None, curve, known)
    complete = value is not None and isfinite(value)
    return Trial(cell, "complete" if complete else "fail", value, curve, known)


def _curve(runs: Sequence[Run], curves: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """The mean over the runs, of epochs that none of those under way has still to reach."""
    common = min((run.epoch for run in runs if not run.ended), default=None)
    own = [curves.get(run.job_id, {}) for run in runs]
    epochs = sorted({epoch for curve in own for epoch in curve})
    return {
        epoch: fmean(curve[epoch] for curve in own if epoch in curve)
        for epoch in epochs
        if common is None or epoch <= common
    }
