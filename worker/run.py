"""One job on one trainer: from the claim to the transaction that ends it."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from sqlmodel import Session

from contract import lifecycle
from contract.artifacts import ArtifactStore
from contract.database import Database
from contract.datasets import Upload
from contract.lifecycle import Claim
from contract.progress import Checkpoint
from contract.settings import Settings
from contract.spec import Experiment
from contract.status import TERMINAL
from contract.tables import Job
from worker.checkpoints import Checkpoints
from worker.commit import commit
from worker.messages import (
    End,
    Epochs,
    Failed,
    Finished,
    Progress,
    Stopped,
    Train,
    Unavailable,
    Unusable,
)
from worker.outcome import succeed
from worker.process import TrainerProcess, Unfit

log = logging.getLogger(__name__)


class Run:
    """A claimed job while it trains. Its thread reads the trainer's reports and writes them down;
    the worker's watchers renew its lease, and stop it, from threads of their own."""

    def __init__(
        self,
        job: Job,
        trainer: TrainerProcess,
        database: Database,
        store: ArtifactStore,
        settings: Settings,
    ) -> None:
        self.held = Claim(job.id, job.fence)
        self.stop_asked_at: float | None = None
        self.renewed_at = time.monotonic()
        self._checkpoints = Checkpoints(job, store)
        self._order = Train(
            job_id=job.id,
            fence=job.fence,
            experiment=Experiment.model_validate(job.spec),
            upload=Upload.from_dict(job.upload) if job.upload else None,
            checkpoint=self._checkpoints.newest,
        )
        self._epoch = job.epoch
        self._epochs_done = float(job.epoch)
        self._trainer = trainer
        self._database = database
        self._settings = settings
        self._gone = threading.Event()
        self._over = False
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Train the job to its end. Raises TrainerDied, or Lost when it must be left alone."""
        for report in self._trainer.train(self._order):
            if isinstance(report, End):
                self._let_go()
            match report:
                case Progress():
                    self._epochs_done = report.epochs_done
                case Epochs():
                    self._record(report)
                case Finished():
                    done = partial(succeed, held=self.held, order=self._order, done=report)
                    self._end(partial(done, settings=self._settings))
                case Failed():
                    error = report.model_dump(include={"code", "message", "hint"})
                    self._end(partial(lifecycle.fail, held=self.held, error=error))
                case Stopped():
                    # Unasked, it was the trainer that was told to go, and it is going.
                    self._trainer.retired = self.stop_asked_at is None
                    whose = "trainer" if self._trainer.retired else "worker"
                    self._release(f"its {whose} was asked to stop", report.checkpoint)
                case Unusable():
                    self._step_back(report.reason)
                case Unavailable():
                    self._refuse(report)

    def crashed(self, reason: str) -> None:
        """The run broke off: the job goes back to the queue, or fails if it is to blame.

        One that we asked to stop, and that was killed because it did not, is not to blame.
        """
        self._let_go()
        if self.stop_asked_at is not None:
            return self._release(f"its worker was asked to stop ({reason})")
        limit = self._settings.max_crashes
        crash = partial(lifecycle.crashed, held=self.held, reason=reason, max_crashes=limit)
        return self._give_back(crash)

    def renew(self) -> None:
        """Extend the lease. Kills the trainer when the job is someone else's."""
        began = time.monotonic()  # before the write: the lease begins somewhere within it
        fraction = max(0.0, self._epochs_done - self._epoch)
        lease = self._settings.lease_seconds
        with self._database.writing() as session:
            ours = lifecycle.renew(session, self.held, lease_seconds=lease, epoch_fraction=fraction)
        if ours:
            self.renewed_at = began
        else:
            self.abandon()

    def stop(self) -> None:
        """Ask for an end at the next step boundary; after the grace period, kill."""
        if self.stop_asked_at is None:
            self.stop_asked_at = time.monotonic()
            self._trainer.stop(self.held.job_id, self.held.fence)
        elif time.monotonic() - self.stop_asked_at > self._settings.cancel_grace_seconds:
            log.warning("%s does not stop in time: its trainer is killed", self.held.job_id)
            self._kill()

    def abandon(self) -> None:
        """Write no more, and train no more."""
        with self._lock:
            if self._over:
                return  # the lease is gone because the job has ended, by our own hand
        self._gone.set()
        self._kill()

    def _let_go(self) -> None:
        """From now on the trainer may serve another job: nothing of this one may harm it."""
        with self._lock:
            self._over = True

    def _kill(self) -> None:
        with self._lock:
            if not self._over:
                self._trainer.kill()

    def _record(self, report: Epochs) -> None:
        began, lease = time.monotonic(), self._settings.lease_seconds
        new = report.checkpoint.after(self._checkpoints.newest)
        # A run that took a step back comes by epochs that are recorded already.
        fresh = [epoch for epoch in report.epochs if epoch.epoch > self._epoch]
        store = partial(lifecycle.record, epochs=fresh, signals=report.signals)
        change = store if fresh else lifecycle.keep
        self._write(partial(change, held=self.held, checkpoint=new, lease_seconds=lease))
        self.renewed_at = began
        self._epoch = max(self._epoch, report.epochs[-1].epoch)
        self._checkpoints.point_to(new)

    def _release(self, reason: str, checkpoint: Checkpoint | None = None) -> None:
        newest = self._checkpoints.newest
        new = checkpoint.after(newest) if checkpoint else newest
        self._give_back(partial(lifecycle.release, held=self.held, reason=reason, checkpoint=new))
        self._checkpoints.point_to(new)

    def _step_back(self, fault: str) -> None:
        before = self._checkpoints.before
        goes_on = "from the checkpoint before it" if before else "from its start"
        reason = f"its checkpoint {fault}: it goes on {goes_on}"
        log.error("%s takes a step back: %s", self.held.job_id, reason)
        self._give_back(partial(lifecycle.step_back, held=self.held, reason=reason, before=before))
        self._checkpoints.point_to(before)

    def _refuse(self, report: Unavailable) -> None:
        """Raises Unfit, once it is written."""
        limit = self._settings.max_refusals
        refused = partial(lifecycle.refused, code=report.code, reason=report.reason)
        self._give_back(partial(refused, held=self.held, max_refusals=limit))
        raise Unfit(report.reason)

    def _give_back(self, change: Callable[[Session], bool]) -> None:
        """Commit `change`, after which the job waits again, or has ended after all."""
        self._write(change)
        with self._database.reading() as session:
            status = session.get_one(Job, self.held.job_id).status
        log.info("%s: %s", self.held.job_id, status)
        if status in TERMINAL:
            self._checkpoints.clear()

    def _end(self, change: Callable[[Session], bool]) -> None:
        self._write(change)
        log.info("%s has ended", self.held.job_id)
        self._checkpoints.clear()

    def _write(self, change: Callable[[Session], bool]) -> None:
        """Raises Lost when the job is no longer ours to write to."""
        name, patience = self.held.job_id, self._settings.lease_seconds
        commit(self._database, change, name=name, patience_seconds=patience, gone=self._gone)
