"""What a sweep is asked to do: which cells, how often, by what measure, and when to stop."""

from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from contract.experiment.base import Count, Part, Positive, Seed, Whole
from contract.experiment.spec import Monitor
from contract.sweeps.axes import MAX_AXES, Axis, Cell, Pointer, drawn, grid, size

Goal = Literal["max", "min"]
_AT_ONCE = 4


class Objective(Part):
    """What cells are compared by: a metric of the last epoch, or of the final weights (`test_`)."""

    metric: Monitor = Field(description="as curves have it, or results (`test_`)")
    goal: Goal | None = Field(None, description="null is min for a loss or an error, else max")

    @property
    def final(self) -> bool:
        """Whether it is known at a run's end alone."""
        return self.metric.startswith("test_")

    @property
    def maximized(self) -> bool:
        """Whether more of the metric is better, of an objective with its goal."""
        return self.goal == "max"


class MedianPruner(Part):
    """`optuna.pruners.MedianPruner`; a step is an epoch."""

    type: Literal["MedianPruner"]
    n_startup_trials: Whole = Field(5, description="cells that must have ended before it prunes")
    n_warmup_steps: Whole = Field(0, description="epochs in which nothing is pruned")
    interval_steps: Count = Field(1, description="epochs from one look to the next")
    n_min_trials: Count = Field(1, description="cells that an epoch is compared with at least")


class HyperbandPruner(Part):
    """`optuna.pruners.HyperbandPruner`; a resource is an epoch, and the most are the spec's."""

    type: Literal["HyperbandPruner"]
    min_resource: Count = Field(1, description="epochs that every cell has")
    reduction_factor: Annotated[int, Field(strict=True, ge=2, le=100)] = Field(
        3, description="of so many cells one goes on, with so many times the epochs"
    )


Pruner = Annotated[MedianPruner | HyperbandPruner, Field(discriminator="type")]


class Budget(Part):
    """What all runs together may take. Once it is used up none begins, and those under way end."""

    epochs: Count | None = Field(None, description="epochs trained")
    seconds: Positive | None = Field(None, description="seconds of epochs with their validation")

    def used_up(self, epochs: int, seconds: float) -> str | None:
        """Which of the two is, in words."""
        if self.epochs is not None and epochs >= self.epochs:
            return f"its budget of {self.epochs:,} epochs is used up"
        if self.seconds is not None and seconds >= self.seconds:
            return f"its budget of {self.seconds:g} s of training is used up"
        return None


class Plan(Part):
    """A sweep without the experiment that it varies."""

    axes: dict[Pointer, Axis] = Field(
        min_length=1,
        max_length=MAX_AXES,
        description="JSON pointers into the experiment, and what to put there: a list of values, "
        "or, for random and tpe, a range",
    )
    seeds: Count = Field(
        1, le=1_000, description="runs of each cell, with seeds from the experiment's own on"
    )
    method: Literal["grid", "random", "tpe"] = Field(
        "grid", description="every cell; some at random; those that Optuna's TPESampler proposes"
    )
    samples: Count | None = Field(
        None, description="cells that random and tpe try; a grid has all of them"
    )
    seed: Seed = Field(0, description="what random and tpe draw by")
    parallel: Count | None = Field(
        None, le=1_000, description="cells that tpe has under way at once; null is 4"
    )
    objective: Objective | None = Field(
        None,
        description="what cells are compared by; null is accuracy or R2, in validation where there "
        "is any",
    )
    pruner: Pruner | None = Field(None, description="what ends cells early that lag behind")
    budget: Budget = Field(Budget(), description="what all runs together may take")

    @property
    def adaptive(self) -> bool:
        """Whether what has ended decides what comes next."""
        return self.method == "tpe"

    @property
    def cells(self) -> int:
        """How many there will be; of a plan that was checked."""
        return self.samples or int(size(self.axes))

    @property
    def at_once(self) -> int:
        """Cells that may be under way."""
        return min(self.cells, self.parallel or _AT_ONCE) if self.adaptive else self.cells

    def first(self) -> list[Cell]:
        """The cells to begin with: all of them, unless it is adaptive."""
        if self.method == "grid":
            return grid(self.axes)
        return list(islice(drawn(self.axes, self.seed), self.at_once))


def objective_of(plan: Plan) -> Objective:
    """That of a plan whose objective is resolved, as a stored one's is."""
    assert plan.objective is not None
    return plan.objective
