"""One job on one trainer: from the claim to the transaction that ends it."""

import logging
import threading
import time
from functools import partial

from contract.experiment.datasets import Upload
from contract.jobs import lifecycle
from contract.jobs.variants import experiment_of
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.documents import read
from contract.store.tables import Job
from worker.job.finish import succeed
from worker.job.ledger import Ledger
from worker.job.stopwatch import Stopwatch
from worker.pool.trainer_process import TrainerProcess, Unfit
from worker.protocol import (
    Began,
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

log = logging.getLogger(__name__)


class Run:
    """A claimed job while it trains. Its thread reads the trainer's reports and writes them down;
    the worker's watchers renew its lease, and stop it, from threads of their own.

    Making one raises Unreadable for a job of another version that this one cannot train.
    """

    def __init__(
        self,
        job: Job,
        trainer: TrainerProcess,
        database: Database,
        store: ArtifactStore,
        settings: Settings,
    ) -> None:
        self._gone = threading.Event()
        self._ledger = Ledger(job, database, store, settings, self._gone)
        self.held = self._ledger.held
        self.stop_asked_at: float | None = None
        self.renewed_at = time.monotonic()
        self._order = Train(
            job_id=job.id,
            fence=job.fence,
            experiment=experiment_of(job),
            upload=read(Upload, job.upload) if job.upload else None,
            checkpoint=self._ledger.newest,
        )
        self._stopwatch = Stopwatch(self._order.experiment, settings, job.train_seconds)
        self._time_is_up = False
        self._epochs_done = float(job.epoch)
        self._trainer = trainer
        self._database = database
        self._settings = settings
        self._over = False
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Train the job to its end. Raises TrainerDied, Unfit where this node cannot train it, or
        Lost when it must be left alone."""
        for report in self._trainer.train(self._order):
            match report:
                case Began():
                    self._stopwatch.began(report.train_seconds)
                case Progress():
                    self._epochs_done = report.epochs_done
                case Epochs():
                    self._record(report)
                case _:
                    self._let_go()
                    self._end(report)

    def crashed(self, reason: str) -> None:
        """The run broke off: the job goes back to the queue, or fails if it is to blame.

        One that we asked to stop, and that was killed because it did not, is not to blame.
        """
        self._let_go()
        if self._time_is_up:
            self._ledger.cut_short(self._stopwatch.error)
        elif self.stop_asked_at is not None:
            self._ledger.release(f"its worker was asked to stop ({reason})")
        else:
            self._ledger.crash(reason)

    def left(self) -> None:
        """The trainer had been told to go before it began."""
        self._let_go()
        self._ledger.release("its trainer was asked to stop")

    def renew(self) -> None:
        """Extend the lease. Kills the trainer when the job is someone else's."""
        began = time.monotonic()  # before the write: the lease begins somewhere within it
        fraction = max(0.0, self._epochs_done - self._ledger.epoch)
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

    def watch_time(self) -> None:
        """Stop a run that has trained for as long as it may."""
        if self._stopwatch.over:
            self._time_is_up |= self.stop_asked_at is None
            self.stop()

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
        began = time.monotonic()
        self._ledger.record(report)
        self.renewed_at = began
        self._stopwatch.got_on()

    def _end(self, report: End) -> None:
        self._trainer.retired = report.leaving
        match report:
            case Finished():
                done = partial(succeed, held=self.held, order=self._order, done=report)
                self._ledger.end(partial(done, settings=self._settings))
            case Failed():
                self._ledger.fail(report)
            case Stopped() if self._time_is_up:
                self._ledger.cut_short(self._stopwatch.error, report.checkpoint)
            case Stopped():
                whose = "trainer" if self.stop_asked_at is None else "worker"
                self._ledger.release(f"its {whose} was asked to stop", report.checkpoint)
            case Unusable():
                self._ledger.step_back(report.reason)
            case Unavailable():
                self._ledger.refuse(report, self._stopwatch.tried_seconds)
                raise Unfit(report.reason)
