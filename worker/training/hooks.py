"""What a run tells while it lasts, and what is left of it at the end. Loads no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from contract.jobs.reports import FinishedEpoch, Signal

Reason = Literal["completed", "early_stopping", "non_finite"]


@dataclass(frozen=True)
class Finished:
    """`metrics` holds those of the task, with train_ and test_, of the final weights.

    `confusion_matrix` counts test examples (where each has several, their places), one row per true
    class, one column per predicted class; None unless the task is classification. `class_counts`
    are those of each class, or those that have each label; none for regression. `timing` holds
    load_seconds, compile_seconds (building and tracing), train_seconds (epochs with their
    validation, earlier attempts included) and examples_per_second. `model` is a `.keras` file in
    the scratch folder, `scaling` an npz that says how its inputs and targets follow from the data's
    own. The model has the weights of `model_epoch` (from 1).
    """

    metrics: dict[str, float]
    confusion_matrix: list[list[int]] | None
    class_counts: list[int]
    timing: dict[str, float]
    environment: dict[str, Any]
    model: Path
    scaling: Path
    reason: Reason
    model_epoch: int


@dataclass(frozen=True)
class Stopped:
    """A stop was asked for. `checkpoint` goes beyond the last one that `Hooks.epochs` was given;

    None where there is nothing beyond it: that one, or the one resumed from, is still the newest.
    """

    checkpoint: Path | None


class Hooks(Protocol):
    """The run's callers. What a hook raises ends the run and reaches the caller of `train`."""

    def stop_requested(self) -> bool:
        """Polled about once a second, always at a step boundary; true ends the run there."""
        ...

    def started(self, epoch: int, seconds: float, train_seconds: float) -> None:
        """Built and traced in `seconds`; `epoch` epochs were finished by earlier attempts, which
        trained for `train_seconds`, those of an unfinished epoch included.
        """
        ...

    def progress(self, epoch: int, fraction: float) -> None:
        """In the middle of `epoch` (from 1); `fraction` of the whole run's steps are done.

        Called at most about once a second.
        """
        ...

    def epochs(self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path) -> None:
        """Epochs finished since the last call, what was measured meanwhile, and a state from which
        neither needs repeating.

        The file lies in the scratch folder under a name of its own; it is the hook's from now on,
        to move or to delete. It is complete, but not flushed to the disk.
        """
        ...
