"""What a run reports while it trains, in the words of both the trainer and the database."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Checkpoint:
    """A file in the artifact store that a run can go on from: `key`, and the hash of its bytes.

    `before` is what a run goes on from if the file turns out damaged; None is the run's start.
    Of a checkpoint of before they were counted, `bytes` is 0.
    """

    key: str
    sha256: str
    before: "Checkpoint | None" = None
    bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: see `contract.store.tables.Job.checkpoint`."""
        return asdict(self)

    @property
    def keys(self) -> set[str]:
        """Of it and those before it."""
        return {self.key} | (self.before.keys if self.before else set())

    @property
    def stored_bytes(self) -> int:
        """Of it and those before it."""
        return self.bytes + (self.before.stored_bytes if self.before else 0)

    def after(self, other: "Checkpoint | None") -> "Checkpoint":
        """The same with `other` as the one before, whose own predecessors are forgotten."""
        return replace(self, before=other and replace(other, before=None))


@dataclass(frozen=True)
class FinishedEpoch:
    """One epoch, counted from 1. Metrics are plain floats and may be NaN or infinite.

    `metrics` has those of the task (`contract.experiment.metrics`) over the epoch's own batches as
    they were trained, and the same with `val_` where there is validation. mae is in the data's own
    units, the loss in those of the scaled targets.
    `learning_rate` is that at the epoch's end, `seconds` training and validation together.
    """

    epoch: int
    metrics: dict[str, float]
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Signal:
    """A part of `diagnosis.run.signals.Signals`, measured after `step` steps, once.

    `document` is, by `kind`: `run`, steps_per_epoch, data and curvature; `losses`, losses, those of
    the steps from `step` on that are among the first 32; `moment`, a moment's fields;
    `non_finite`, nothing: the first loss that was no number is that of `step`.
    """

    kind: Literal["run", "losses", "moment", "non_finite"]
    step: int
    document: dict[str, Any]
