"""What a worker writes of a job that it holds."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from sqlmodel import Session

from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.jobs.reports import Checkpoint
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.status import TERMINAL, Status
from contract.store.tables import Job
from worker.job.checkpoint_files import Checkpoints
from worker.job.commit import commit
from worker.protocol import Epochs, Failed, Unavailable

log = logging.getLogger(__name__)


class Ledger:
    """Each entry is a transaction, after which the files that nothing names any more are deleted.

    `epoch` is the last one that is recorded. Until `gone` is set, a database that is away is waited
    for. All methods raise Lost when the job is no longer ours to write to.
    """

    def __init__(
        self,
        job: Job,
        database: Database,
        store: ArtifactStore,
        settings: Settings,
        gone: threading.Event,
    ) -> None:
        self.held = Claim(job.id, job.fence)
        self.epoch = job.epoch
        self._checkpoints = Checkpoints(job, store)
        self._database = database
        self._settings = settings
        self._gone = gone

    @property
    def newest(self) -> Checkpoint | None:
        """What a run goes on from."""
        return self._checkpoints.newest

    def record(self, report: Epochs) -> None:
        """Store the report's epochs and signals with its checkpoint, and renew the lease."""
        lease = self._settings.lease_seconds
        new = report.checkpoint.after(self.newest)
        # A run that took a step back comes by epochs that are recorded already.
        fresh = [epoch for epoch in report.epochs if epoch.epoch > self.epoch]
        store = partial(lifecycle.record, epochs=fresh, signals=report.signals)
        change = store if fresh else lifecycle.keep
        self._write(partial(change, held=self.held, checkpoint=new, lease_seconds=lease))
        self.epoch = max(self.epoch, report.epochs[-1].epoch)
        self._checkpoints.point_to(new)

    def release(self, reason: str, checkpoint: Checkpoint | None = None) -> None:
        """Give the job back to the queue, to go on from `checkpoint`, or from the newest one."""
        new = checkpoint.after(self.newest) if checkpoint else self.newest
        self._give_back(partial(lifecycle.release, held=self.held, reason=reason, checkpoint=new))
        self._checkpoints.point_to(new)

    def step_back(self, fault: str) -> None:
        """Give the job back to the queue, to go on from the checkpoint before the newest one."""
        before = self._checkpoints.before
        goes_on = "from the checkpoint before it" if before else "from its start"
        reason = f"its checkpoint {fault}: it goes on {goes_on}"
        log.error("%s takes a step back: %s", self.held.job_id, reason)
        self._give_back(partial(lifecycle.step_back, held=self.held, reason=reason, before=before))
        self._checkpoints.point_to(before)

    def refuse(self, report: Unavailable, tried_seconds: float) -> None:
        """Give back a job that this node cannot train, after `tried_seconds`; too many in a row end
        it."""
        limit = self._settings.max_refusals
        refused = partial(lifecycle.refused, code=report.code, reason=report.reason)
        tried = partial(refused, tried_seconds=tried_seconds, max_refusals=limit)
        self._give_back(partial(tried, held=self.held))

    def crash(self, reason: str) -> None:
        """Give back a job whose trainer died; too many in a row end it."""
        limit = self._settings.max_crashes
        crashed = partial(lifecycle.crashed, reason=reason, max_crashes=limit)
        self._give_back(partial(crashed, held=self.held))

    def cut_short(self, error: dict[str, str], checkpoint: Checkpoint | None = None) -> None:
        """Fail, and keep the newest checkpoint."""
        newest = checkpoint or self.newest
        kept = newest and newest.after(None)
        status = self._status_after(
            partial(lifecycle.fail, held=self.held, error=error, checkpoint=kept)
        )
        if status == Status.FAILED:
            self._checkpoints.point_to(kept)
        else:  # a cancel was first
            self._checkpoints.clear(self._database)

    def fail(self, report: Failed) -> None:
        """End the job as failed, with the error that the trainer reported."""
        error = report.model_dump(include={"code", "message", "hint"})
        self.end(partial(lifecycle.fail, held=self.held, error=error))

    def end(self, change: Callable[[Session], bool]) -> None:
        """Commit `change`, after which the job has ended."""
        try:
            self._write(change)
            log.info("%s has ended", self.held.job_id)
        finally:  # it may have ended by a commit of ours whose answer was lost
            self._checkpoints.clear(self._database)

    def _give_back(self, change: Callable[[Session], bool]) -> None:
        """Commit `change`, after which the job waits again, or has ended after all."""
        if self._status_after(change) in TERMINAL:
            self._checkpoints.clear(self._database)

    def _status_after(self, change: Callable[[Session], bool]) -> str:
        self._write(change)
        with self._database.reading() as session:
            status = session.get_one(Job, self.held.job_id).status
        log.info("%s: %s", self.held.job_id, status)
        return status

    def _write(self, change: Callable[[Session], bool]) -> None:
        name, patience = self.held.job_id, self._settings.lease_seconds
        commit(self._database, change, name=name, patience_seconds=patience, gone=self._gone)
