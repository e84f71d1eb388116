"""What a run tells while it lasts, carried from worker.training to the store and the worker."""

import logging
from collections.abc import Callable
from pathlib import Path

from contract.jobs.reports import Checkpoint, FinishedEpoch, Signal
from contract.store.artifacts import ArtifactStore, Stored
from worker.protocol import Began, Channel, Epochs, Progress, Train

log = logging.getLogger(__name__)


class Reporter:
    """The hooks of a run: stores its files and passes its numbers on to the worker."""

    def __init__(
        self,
        order: Train,
        channel: Channel,
        store: ArtifactStore,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.stop_requested = stop_requested
        self._order = order
        self._channel = channel
        self._store = store
        self._checkpoints = 0

    def started(self, epoch: int, seconds: float, train_seconds: float) -> None:
        """Tell the worker that the model is built, and training begins."""
        log.info("%s: built in %.1f s, epoch %d is next", self._order.job_id, seconds, epoch + 1)
        self._channel.send(Began(train_seconds=train_seconds))

    def progress(self, epoch: int, fraction: float) -> None:
        """Tell the worker how many epochs are done, the one under way in part."""
        done = fraction * self._order.experiment.training.epochs
        self._channel.send(Progress(epochs_done=done))

    def epochs(self, rows: list[FinishedEpoch], signals: list[Signal], checkpoint: Path) -> None:
        """Store the checkpoint, then report it with the epochs that it covers."""
        kept = self.keep(checkpoint)
        self._channel.send(Epochs(epochs=rows, signals=signals, checkpoint=kept))

    def keep(self, checkpoint: Path) -> Checkpoint:
        """Move a checkpoint to the store, under a name that no other attempt uses."""
        self._checkpoints += 1
        order = self._order
        key = f"jobs/{order.job_id}/checkpoints/{order.fence}-{self._checkpoints}.npz"
        stored = self._store.put(key, checkpoint)
        checkpoint.unlink()
        return Checkpoint(stored.key, stored.sha256, bytes=stored.bytes)

    def keep_artifact(self, file: Path) -> Stored:
        """Store what is left of the run, one file a suffix; the fence keeps attempts apart."""
        order = self._order
        return self._store.put(f"jobs/{order.job_id}/{order.fence}{file.suffix}", file)
