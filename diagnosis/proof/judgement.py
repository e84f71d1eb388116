"""What is made of a proof's runs: one judgement a trial, and a report of all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Held = Literal["held", "failed", "not_run"]
Standing = Literal["proven", "questioned", "contributes", "masked", "refuted", "untested"]


@dataclass(frozen=True)
class Judgement:
    """`value` is the mean over the seeds, None where no run gave a number; `gain` is over the run
    itself, `noise` the standard errors that count as nothing, `spread` the seeds' deviation."""

    trial: str
    title: str
    outcome: Held
    mask: bool
    epochs: int
    value: float | None
    gain: float | None
    noise: float | None
    spread: float | None
    runs: int


@dataclass(frozen=True)
class Report:
    """`bar` is what a change must reach to hold, `best` the code of the repair that is named.

    `ties` are the repairs that differ from it by no more than the noise. `causes` has what became
    of each cause, `needed` which changes of those that held together could not be left out.
    """

    metric: Literal["accuracy", "r2"]
    baseline: float | None
    bar: float
    judgements: Sequence[Judgement]
    held: Sequence[str] = ()
    best: str | None = None
    ties: Sequence[str] = ()
    causes: Mapping[str, Standing] = field(default_factory=dict)
    needed: Mapping[str, bool] = field(default_factory=dict)

    @property
    def scores(self) -> Mapping[str, float]:
        """By trial, of those that gave a number."""
        return {j.trial: j.value for j in self.judgements if j.value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)
