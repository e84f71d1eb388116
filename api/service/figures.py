"""The state of the service as the database has it, over all owners, for Prometheus."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import func
from sqlmodel import Session, col, select

from api.jobs import live_workers
from contract.errors import Unreadable
from contract.experiment.datasets import facts_of
from contract.jobs.variants import experiment_of
from contract.settings import Queue, Settings
from contract.sizing.cost import training_examples
from contract.store import clock
from contract.store.database import Database
from contract.store.status import HELD, Status
from contract.store.tables import EpochRow, Job

DEVICES = get_args(Queue)
_LONG_SECONDS, _SPARED = 0.25, 20


class Counts:
    """What counts whole tables, by an index of each. Where that takes long it is done seldom.

    Fifteen million epochs take a second or two. So what took longer than _LONG_SECONDS stays as it
    was for _SPARED times as long, and no more than one part in _SPARED of the time goes into it.
    """

    def __init__(self) -> None:
        self._found: list[Metric] = []
        self._until = 0.0
        self._counting = Lock()

    def read(self, session: Session) -> list[Metric]:
        """Those counted last, while another thread counts: nothing, if it is the first."""
        if time.monotonic() >= self._until and self._counting.acquire(blocking=False):
            try:
                self._count(session)
            finally:
                self._counting.release()
        return self._found

    def _count(self, session: Session) -> None:
        began = time.monotonic()
        self._found = [*_jobs(session), _epochs(session)]
        spent = time.monotonic() - began
        self._until = began + _SPARED * spent if spent > _LONG_SECONDS else 0.0


def read(database: Database, settings: Settings, counts: Counts) -> list[Metric]:
    """Six statements; `counts` is what this process counted last."""
    with database.reading() as session:
        return [
            *counts.read(session),
            *_oldest(session),
            *_slots(session, settings),
            _speed(session),
        ]


def _gauge(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"plateau_{name}", help_, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _jobs(session: Session) -> Iterable[Metric]:
    rows = session.exec(
        select(Job.status, Job.device, func.count()).group_by(Job.status, Job.device)
    )
    by_status = Counter(dict.fromkeys(map(str, Status), 0))
    queued = Counter(dict.fromkeys(DEVICES, 0))
    for status, device, count in rows:
        by_status[status] += count
        if status == Status.QUEUED:
            queued[device] += count
    yield _gauge("jobs", "Jobs, ended ones too.", "status", by_status)
    yield _gauge("queue_jobs", "Jobs that wait, by the device that they ask for.", "device", queued)


def _oldest(session: Session) -> Iterable[Metric]:
    rows = session.exec(
        select(Job.device, func.min(Job.created_at))
        .where(Job.status == Status.QUEUED)
        .group_by(Job.device)
    ).all()
    at = clock.read(session)
    ages = dict.fromkeys(DEVICES, 0.0)
    ages |= {device: max(0.0, (at - since).total_seconds()) for device, since in rows}
    yield _gauge("queue_oldest_seconds", "Age of the oldest job that waits.", "device", ages)


def _slots(session: Session, settings: Settings) -> Iterable[Metric]:
    alive = live_workers.alive(session.connection(), settings)
    slots, taken = Counter(dict.fromkeys(DEVICES, 0)), Counter(dict.fromkeys(DEVICES, 0))
    for worker in alive:
        for queue in worker.queues:
            slots[queue] += worker.slots
            taken[queue] += worker.busy
    yield GaugeMetricFamily("plateau_workers", "Workers that are alive.", len(alive))
    shared = "of the live workers that serve a queue; a worker of several counts in each"
    yield _gauge("slots", f"Slots {shared}.", "queue", slots)
    yield _gauge("slots_busy", f"Slots with a job, {shared}.", "queue", taken)


def _epochs(session: Session) -> Metric:
    count = session.exec(select(func.count()).select_from(EpochRow)).one()
    return CounterMetricFamily("plateau_epochs", "Epochs that were recorded, of all jobs.", count)


def _speed(session: Session) -> Metric:
    rows = session.exec(
        select(Job).where(col(Job.status).in_(HELD), col(Job.seconds_per_epoch) > 0)
    )
    speed = sum(_examples(job) / (job.seconds_per_epoch or 1) for job in rows)
    about = "Training examples a second, over the running jobs."
    return GaugeMetricFamily("plateau_examples_per_second", about, speed)


def _examples(job: Job) -> int:
    """Of an epoch; 0 of a job of another version that cannot be read."""
    with suppress(Unreadable):
        return training_examples(experiment_of(job), facts_of(job.dataset, job.upload))
    return 0
