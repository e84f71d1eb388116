"""Signals that were measured and that no report has had yet."""

from dataclasses import dataclass, field

from contract.jobs.reports import Signal


@dataclass
class Unreported:
    """What a checkpoint must hold of a run's signals.

    `non_finite_step` stays when it has been reported: there is but one first.
    """

    signals: list[Signal] = field(default_factory=list)
    non_finite_step: int | None = None
