"""A worker: its slots, the jobs that it holds, and the duties that keep them safe."""

import logging
import threading
import time
from contextlib import suppress

from celery import Celery
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from contract import logs
from contract.environment import cores
from contract.errors import Unreadable
from contract.jobs import lifecycle
from contract.settings import Settings
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.revision import OtherSchema
from contract.store.tables import Job
from contract.store.transient_faults import passes
from worker.duties import clear_ended_jobs, delete_leftovers, delete_old_files
from worker.duties.advance_sweeps import Searcher
from worker.duties.clock_drift import Drift
from worker.duties.queue_watch import QueueWatch
from worker.duties.reaper import Reaper
from worker.job.checkpoint_files import Checkpoints
from worker.job.commit import Lost, told
from worker.job.run import Run
from worker.pool import gpus
from worker.pool.periodic import Periodic
from worker.pool.registration import Registration
from worker.pool.slots import Slots
from worker.pool.trainer_process import TrainerDied, TrainerLeft, TrainerProcess, Unfit

log = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 30.0


class Node:
    """Opened before Celery consumes, closed after it has stopped."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        self._settings = settings
        self._database = Database(settings.database_url)
        self._registration = Registration(self._database)
        self._store = ArtifactStore(settings.artifacts_url)
        found = gpus.visible()
        count = settings.slots or len(found) or max(1, cores() // settings.threads_per_slot)
        self.slots = Slots(settings, count, found)
        self.queues: tuple[str, ...] = ()
        self._runs: dict[int, Run] = {}
        self._lock = threading.RLock()  # drain runs in a signal handler, maybe twice
        self._draining = False
        self._unfit_seconds = 0.0
        self._pruned = delete_old_files.START
        self._reaper = Reaper(self._database, settings)
        self._queue_watch = QueueWatch(self._database, settings, app, self.slots)
        search = Searcher(self._database, settings, self._queue_watch.wake).search
        self._searcher = Periodic("searcher", settings.sweep_watch_seconds, search)
        self._drift = Drift(self._database)
        stores = self._database, self._store
        self._duties = [
            self._searcher,
            Periodic("heartbeat", settings.heartbeat_seconds, self._beat),
            Periodic("reaper", settings.reap_seconds, self._reap),
            Periodic("watchdog", 1.0, self._abandon_overdue),
            Periodic("time keeper", settings.cancel_poll_seconds, self._stop_overdue),
            Periodic("cancel watch", settings.cancel_poll_seconds, self._stop_cancelled),
            Periodic("pruner", 600.0, self._prune),
            Periodic(
                "clearing", settings.reap_seconds, lambda: clear_ended_jobs.clear_all(*stores)
            ),
            Periodic("leftovers", 21_600.0, lambda: delete_leftovers.sweep(settings, *stores)),
        ]

    def open(self) -> None:
        """Start the trainers and register the worker. Raises TrainerDied if none can start."""
        self.slots.open()
        devices, wanted = self.slots.devices, self._settings.queues
        self.queues = self._registration.open(devices, wanted, self.slots.count)
        for duty in self._duties:
            duty.start()

    def watch_queue(self) -> None:
        """Begin to watch the queue, now that there is a consumer to hear it."""
        self._queue_watch.start(self.queues)

    def train(self, job_id: str) -> None:
        """Answer the message for `job_id`: train the job whose turn it is, if there is one."""
        self._queue_watch.heard()
        name = job_id
        try:
            with self.slots.take() as trainer:
                run = self._claim(trainer)
                if run is None:
                    return
                name = run.held.job_id
                try:
                    self._follow(run)
                    self._unfit_seconds = 0.0
                except Unfit as reason:
                    self._pause(name, reason)
        except TrainerDied as death:
            log.warning("%s: %s", name, death)
        except Lost:
            log.warning("%s was lost to another worker; nothing more is written", name)
        self._queue_watch.wake()
        self._searcher.wake()

    def drain(self) -> None:
        """Take no more jobs, and stop those that train at their next step boundary."""
        with self._lock:
            self._draining = True
            self.slots.drain()
        for run in self._held():
            run.stop()

    def close(self) -> None:
        """Give up the duties, the trainers and the worker's place in the table."""
        self._queue_watch.stop()
        for duty in self._duties:
            duty.stop()
        self.slots.close()
        with suppress(DBAPIError, OtherSchema):
            self._registration.close()
        self._database.dispose()

    def _claim(self, trainer: TrainerProcess) -> Run | None:
        """The job whose turn it is: a message says that there is work, not which."""
        me, lease = self._registration.id, self._settings.lease_seconds
        try:
            with self._database.writing() as session:
                job = lifecycle.claim_next(
                    session, worker_id=me, devices=self.queues, lease_seconds=lease
                )
        except Exception as error:
            if not passes(error):
                raise
            log.warning("no job claimed, the queue is looked at again: %s", told(error))
            return None
        if job is None:
            return None
        logs.bind(job_id=job.id, attempt=job.attempts, fence=job.fence)
        log.info("%s: attempt %d, trainer %d", job.id, job.attempts, trainer.pid)
        try:
            return Run(job, trainer, self._database, self._store, self._settings)
        except Unreadable as error:
            self._refuse(job, str(error))
            return None

    def _refuse(self, job: Job, reason: str) -> None:
        """End a job that another version took on, and that this one cannot train."""
        log.error("%s is not trained: %s", job.id, reason)
        hint = "Post it again as it is taken now, or run it with the version that took it."
        error = {"code": "unreadable", "message": reason, "hint": hint}
        with self._database.writing() as session:
            ended = lifecycle.fail(session, lifecycle.Claim(job.id, job.fence), error)
        if ended:
            Checkpoints(job, self._store).clear(self._database)

    def _follow(self, run: Run) -> None:
        with self._lock:
            self._runs[id(run)] = run
            draining = self._draining
        try:
            if draining:
                run.stop()
            run.follow()
        except (Lost, Unfit):
            raise
        except TrainerLeft:
            run.left()
            raise
        except Exception as error:
            if not isinstance(error, TrainerDied):
                log.exception("%s broke off", run.held.job_id)
            run.crashed(str(error))
            raise
        finally:
            with self._lock:
                del self._runs[id(run)]

    def _pause(self, name: str, reason: Unfit) -> None:
        """Else this node would take and give back one job after another."""
        self._unfit_seconds = min(2 * self._unfit_seconds + 1, _LONGEST_PAUSE_SECONDS)
        log.error("%s given back, pausing %g s: %s", name, self._unfit_seconds, reason)
        self.slots.pause(self._unfit_seconds)

    def _held(self) -> list[Run]:
        with self._lock:
            return list(self._runs.values())

    def _beat(self) -> None:
        for run in self._held():
            try:
                run.renew()
            except (SQLAlchemyError, OtherSchema) as error:
                log.warning("%s: lease not renewed: %s", run.held.job_id, error)
        self._registration.beat()

    def _abandon_overdue(self) -> None:
        """Stop what is no longer surely ours. Asks no database: that may be what hangs."""
        for run in self._held():
            if time.monotonic() - run.renewed_at > self._settings.abandon_seconds:
                log.error("%s: lease not renewed in time, its trainer is stopped", run.held.job_id)
                run.abandon()

    def _stop_overdue(self) -> None:
        for run in self._held():
            run.watch_time()

    def _reap(self) -> None:
        if self._reaper.reap({run.held for run in self._held()}):
            self._queue_watch.wake()

    def _prune(self) -> None:
        about = self._settings, self._database, self._store
        self._pruned = delete_old_files.prune(*about, self._pruned, self._drift)

    def _stop_cancelled(self) -> None:
        if not (runs := self._held()):
            return
        with self._database.reading() as session:
            cancelling = lifecycle.cancelling(session, [run.held.job_id for run in runs])
        for run in runs:
            if run.held in cancelling or run.stop_asked_at is not None:
                run.stop()
