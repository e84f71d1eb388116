"""The checkpoints of one job: which its row points to, and the files behind them."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from contract.errors import Unreadable
from contract.jobs.reports import Checkpoint
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.documents import read
from contract.store.tables import Job
from worker.duties.clear_ended_jobs import clear

log = logging.getLogger(__name__)


class Checkpoints:
    """The newest, and the one before it in case the newest turns out damaged.

    Files go only after the commit that no longer names them. What is left over costs space; it
    must not cost a job.
    """

    def __init__(self, job: Job, store: ArtifactStore) -> None:
        self._job_id = job.id
        self._store = store
        self.newest = _of(job)

    @property
    def before(self) -> Checkpoint | None:
        """What to go on from if the newest is damaged; None is the start."""
        return self.newest.before if self.newest else None

    def point_to(self, new: Checkpoint | None) -> None:
        """The row has changed: delete what it named and names no longer."""
        gone = (self.newest.keys if self.newest else set()) - (new.keys if new else set())
        self.newest = new
        for key in gone:
            try:
                self._store.delete(key)
            except OSError as error:
                log.warning("%s could not be deleted: %s", key, error)

    def clear(self, database: Database) -> None:
        """Delete them all if the job has ended, and what else no row names."""
        try:
            clear(database, self._store, self._job_id)
        except (OSError, SQLAlchemyError) as error:
            log.warning("what %s has left could not be deleted: %s", self._job_id, error)


def _of(job: Job) -> Checkpoint | None:
    """One of another version that cannot be read is none: the run begins again."""
    try:
        return read(Checkpoint, job.checkpoint) if job.checkpoint else None
    except Unreadable as error:
        log.warning("%s goes on from no checkpoint: %s", job.id, error)
        return None
