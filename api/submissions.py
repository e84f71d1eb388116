"""New jobs on their way into the database: those that come at the same time in one transaction.

A commit waits for the disk, which takes longer than all the rest of a submission. So whoever comes
while a transaction is under way goes into the next one, with all the others who came meanwhile,
and is answered when that is committed.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from api import datasets, views
from api.callers import Caller
from api.limits import check_queue
from api.waiting import waiting
from contract import clock, lifecycle
from contract.database import Database
from contract.settings import Settings
from contract.spec import Experiment
from contract.tables import TABLES, Idempotency, Job

# Of one transaction: others who want to write wait for it.
_AT_ONCE = 100


@dataclass(frozen=True)
class Asked:
    """A job to be stored for `caller`; `request` is the digest of what came with the `key`."""

    caller: Caller
    experiment: Experiment
    upload: dict[str, Any] | None
    retry_of: str | None
    key: str | None
    request: str

    @property
    def order(self) -> tuple[str, str]:
        """Two processes that lock for several owners and keys do it in one order."""
        return self.caller.owner, self.key or ""


@dataclass(frozen=True)
class Stored:
    """A job that was committed, and its place in the queue."""

    job: Job
    queue: views.Queue | None


Outcome = Stored | Exception | None
_Place = tuple[Asked, asyncio.Future[Stored | None]]


class Submissions:
    """Belongs to the event loop; one thread of its own writes."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "submissions")
        self._waiting: list[_Place] = []
        self._writer: asyncio.Task[None] | None = None

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def store(self, asked: Asked) -> Stored | None:
        """None where another request with this key was quicker. Raises TooManyJobs, DatasetGone."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, place))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        stored: Stored | None = await place
        return stored

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = sorted(self._waiting[:_AT_ONCE], key=lambda place: place[0].order)
            del self._waiting[:_AT_ONCE]
            asked = [each for each, _ in batch]
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, asked)
            for (_, place), outcome in zip(batch, outcomes, strict=True):
                _tell(place, outcome)
        self._writer = None

    def _outcomes(self, batch: Sequence[Asked]) -> Sequence[Outcome]:
        """Of a batch that fails each is tried alone: the others are not to blame."""
        try:
            return self._stored(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [outcome for asked in batch for outcome in self._outcomes([asked])]

    def _stored(self, batch: Sequence[Asked]) -> Sequence[Stored | None]:
        with self._database.writing() as session:
            at = clock.read(session)
            jobs = [self._store(session, asked, at) for asked in batch]
            new = [job for job in jobs if job is not None]
            queue = waiting(session.connection(), new, self._settings)
        return [None if job is None else Stored(job, queue.get(job.id)) for job in jobs]

    def _store(self, session: Session, asked: Asked, at: datetime) -> Job | None:
        owner = asked.caller.owner
        if asked.key and session.get(Idempotency, (owner, asked.key)) is not None:
            return None
        datasets.hold(session, asked.experiment)
        check_queue(session, asked.caller, self._settings)
        job = lifecycle.submit(
            session,
            asked.experiment,
            owner=owner,
            upload=asked.upload,
            retry_of=asked.retry_of,
            at=at,
        )
        if asked.key is not None:
            row = {"owner": owner, "key": asked.key, "request": asked.request}
            session.execute(
                insert(TABLES["idempotency_keys"]), {**row, "job_id": job.id, "created_at": at}
            )
        return job


def _tell(place: asyncio.Future[Stored | None], outcome: Outcome) -> None:
    if place.cancelled():  # the client hung up; the job stays
        return
    if isinstance(outcome, Exception):
        place.set_exception(outcome)
    else:
        place.set_result(outcome)
