"""The checkpoints of one job: which its row points to, and the files behind them."""

import logging

from contract.artifacts import ArtifactStore
from contract.progress import Checkpoint
from contract.tables import Job

log = logging.getLogger(__name__)


class Checkpoints:
    """The newest, and the one before it in case the newest turns out damaged.

    Files go only after the commit that no longer names them. What is left over costs space; it
    must not cost a job.
    """

    def __init__(self, job: Job, store: ArtifactStore) -> None:
        self._folder = f"jobs/{job.id}/checkpoints"
        self._store = store
        self.newest = Checkpoint.from_dict(job.checkpoint) if job.checkpoint else None

    @property
    def before(self) -> Checkpoint | None:
        """What to go on from if the newest is damaged; None is the start."""
        return self.newest.before if self.newest else None

    def point_to(self, new: Checkpoint | None) -> None:
        """The row has changed: delete what it named and names no longer."""
        gone = _keys(self.newest) - _keys(new)
        self.newest = new
        for key in gone:
            self._delete(key)

    def clear(self) -> None:
        """Delete them all: the job has ended."""
        self._delete(self._folder)

    def _delete(self, key: str) -> None:
        try:
            self._store.delete(key)
        except OSError as error:
            log.warning("%s could not be deleted: %s", key, error)


def _keys(checkpoint: Checkpoint | None) -> set[str]:
    return {checkpoint.key} | _keys(checkpoint.before) if checkpoint else set()
