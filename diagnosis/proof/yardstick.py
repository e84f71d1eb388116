"""What results are measured by: no learning, what is attainable, and what counts as equal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from diagnosis.run.chance import Task

_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Yardstick:
    """What a result is measured by: `metric` is accuracy or r2, `floor` what needs no learning.

    `answers` are those that a result is the mean of. `attainable` is what a simple
    baseline reaches, where it is known.
    """

    metric: Literal["accuracy", "r2"]
    floor: float
    answers: int
    attainable: float | None = None

    def variance(self, value: float) -> float:
        """Of a result near `value`, from the size of the test part alone.

        Binomial for an accuracy; for R2 (Olkin and Finn 1995, eq. 12) 4 R2 (1 - R2)^2 / n.
        """
        n = max(self.answers, 1)
        if self.metric == "accuracy":
            share = min(max(value, 0.0), 1.0)
            return max(share * (1 - share), 1 / n) / n
        share = min(max(value, 1 / n), 1.0)
        return 4 * max(share * (1 - share) ** 2, 1 / n**2) / n

    def scores(self, values: Sequence[float | None]) -> list[float]:
        """What is no number has learned nothing, and nothing is worse than that."""
        floor = self.floor
        return [floor if value is None else max(floor, value) for value in values] or [floor]

    def noise(self, one: Sequence[float], other: Sequence[float]) -> float:
        """Means of scores that differ by no more are equal."""
        return _STANDARD_ERRORS * math.sqrt(self._error(one) + self._error(other))

    def _error(self, scores: Sequence[float]) -> float:
        """Variance of the mean: from the size of the test part, and from the seeds."""
        seeds = variance(scores) / len(scores) if len(scores) > 1 else 0.0
        return self.variance(fmean(scores)) + seeds


def yardstick(
    task: Task, chance: float | None, answers: int, attainable: float | None = None
) -> Yardstick:
    """That of a run; `chance` is the accuracy of no learning, as its summary has it.

    `answers` are the test examples, or of several labels each one for each of these.
    """
    if task == "regression":
        return Yardstick("r2", 0.0, answers, attainable)
    return Yardstick("accuracy", chance or 0.0, answers, attainable)
