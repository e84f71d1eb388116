"""A cell of a sweep: its runs, and what they came to."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from contract.experiment.pointers import split
from contract.experiment.spec import Experiment
from contract.store.status import TERMINAL
from contract.sweeps.axes import Axes, Cell

_NAME = 100
_SEEDS = 2**31


def replicas(experiment: Experiment, axes: Axes, cell: Cell, seeds: int) -> Iterator[Experiment]:
    """The cell's runs: as many seeds from its own on, each named after the values."""
    values = ", ".join(
        f"{split(pointer)[-1]}={json.dumps(value)}"
        for pointer, value in zip(axes, cell, strict=True)
    )
    training = experiment.training
    for n in range(seeds):
        told = f"{experiment.name}: {values}" + (f", run {n + 1}" if seeds > 1 else "")
        seeded = training.model_copy(update={"seed": (training.seed + n) % _SEEDS})
        yield experiment.model_copy(update={"name": told[:_NAME], "training": seeded})


@dataclass(frozen=True)
class Run:
    """A job of a sweep. `value` is the objective's, once it succeeded; it may be no finite number.

    `train_seconds` is what its `epoch` epochs took.
    """

    job_id: str
    cell: int
    seed: int
    status: str
    verdict: str | None
    epoch: int
    epochs: int
    train_seconds: float
    value: float | None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Spread:
    """Of `count` values: `spread` is their sample standard deviation, None of fewer than two.

    A value that is no finite number makes mean and spread NaN; min and max are of the others.
    """

    count: int
    mean: float | None
    spread: float | None
    min: float | None
    max: float | None

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """The spread of `values`, of which there may be none."""
        finite = [value for value in values if math.isfinite(value)]
        whole = len(finite) == len(values)
        mean = fmean(values) if values and whole else math.nan
        return Spread(
            count=len(values),
            mean=mean if values else None,
            spread=None if len(values) < 2 else stdev(values) if whole else math.nan,
            min=min(finite, default=None),
            max=max(finite, default=None),
        )


def by_cell(runs: Sequence[Run], cells: int) -> list[list[Run]]:
    """The runs of each cell, in their order."""
    found: list[list[Run]] = [[] for _ in range(cells)]
    for run in runs:
        found[run.cell].append(run)
    return found


def spread_of(runs: Sequence[Run]) -> Spread:
    """Of those that have a value."""
    return Spread.of([run.value for run in runs if run.value is not None])


def best(spreads: Sequence[Spread], *, maximized: bool) -> int | None:
    """The place of the best mean, the first of equals; None while there is no mean."""
    means = {n: s.mean for n, s in enumerate(spreads) if s.mean is not None and s.mean == s.mean}
    if not means:
        return None
    sign = -1 if maximized else 1
    return min(means, key=lambda n: (sign * means[n], n))
