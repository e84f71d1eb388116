"""New jobs on their way into the database: those that come at the same time in one transaction.

A commit waits for the disk, which takes longer than all the rest of a submission. So whoever comes
while a transaction is under way goes into the next one, with all the others who came meanwhile,
and is answered when that is committed.
"""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from api.auth.caller import Caller
from api.auth.quotas import check_queue
from api.datasets import access as datasets
from api.jobs import responses
from api.jobs.queries import JobRow
from api.jobs.queue_position import entered
from contract.experiment.spec import Experiment
from contract.jobs import create
from contract.settings import Settings
from contract.store import clock, deadline
from contract.store.database import Database
from contract.store.tables import TABLES, Idempotency

# Of one transaction: others who want to write wait for it.
_AT_ONCE = 100
# Where several came at once, as many will again: otherwise the first of them would be committed
# alone, and the others wait for it. As Postgres' commit_delay and commit_siblings.
_GATHER_SECONDS = 0.005
# Databases keep time by the millisecond, and may give up one too early.
_SLACK_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Asked:
    """A job to be stored for `caller`; `request` is the digest of what came with the `key`.

    `until` is the deadline of its request, by `time.monotonic`.
    """

    caller: Caller
    experiment: Experiment
    upload: dict[str, Any] | None
    retry_of: str | None
    key: str | None
    request: str
    until: float = math.inf

    @property
    def order(self) -> tuple[str, str]:
        """Two processes that lock for several owners and keys do it in one order."""
        return self.caller.owner, self.key or ""


@dataclass(frozen=True)
class Stored:
    """A job that was committed, and its place in the queue."""

    job: JobRow
    queue: responses.Queue | None


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
        self._together = 0
        self._gathered = asyncio.Event()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def store(self, asked: Asked) -> Stored | None:
        """None where another request with this key was quicker. Raises TooManyJobs, DatasetGone."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, place))
        if len(self._waiting) >= self._together:
            self._gathered.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        stored: Stored | None = await place
        return stored

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_SECONDS):
                    await self._gathered.wait()
            self._gathered.clear()
            self._together = min(len(self._waiting), _AT_ONCE)
            batch = sorted(self._waiting[:_AT_ONCE], key=lambda place: place[0].order)
            del self._waiting[:_AT_ONCE]
            asked = [each for each, _ in batch]
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, asked)
            for (_, place), outcome in zip(batch, outcomes, strict=True):
                _tell(place, outcome)
        self._writer = None

    def _outcomes(self, batch: Sequence[Asked]) -> Sequence[Outcome]:
        """Of a batch that fails each is tried alone: the others are not to blame.

        Where others write until the first deadline, those that have time left are tried again.
        """
        try:
            with deadline.ending_at(min(asked.until for asked in batch)):
                return self._stored(batch)
        except (OperationalError, PoolTimeout) as error:
            return self._with_time_left(batch, error)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [outcome for asked in batch for outcome in self._outcomes([asked])]

    def _with_time_left(self, batch: Sequence[Asked], error: Exception) -> Sequence[Outcome]:
        at = time.monotonic() + _SLACK_SECONDS
        others = [asked for asked in batch if asked.until > at]
        if not others or len(others) == len(batch):  # the second: it was no lock that it failed by
            return [error] * len(batch)
        found = dict(zip(others, self._outcomes(others), strict=True))
        return [found.get(asked, error) for asked in batch]

    def _stored(self, batch: Sequence[Asked]) -> Sequence[Stored | None]:
        with self._database.writing() as session:
            at = clock.read(session)
            rows: dict[Asked, dict[str, Any]] = {}
            for asked in batch:
                if not _repeated(session, asked, rows):
                    rows[asked] = self._accepted(session, asked, at, rows)
            create.store_rows(session, list(rows.values()))
            _remember(session, rows)
            jobs = {asked: SimpleNamespace(**row) for asked, row in rows.items()}
            queue = entered(session.connection(), jobs.values(), self._settings)
        found = [jobs.get(asked) for asked in batch]
        return [None if job is None else Stored(job, queue.get(job.id)) for job in found]

    def _accepted(
        self, session: Session, asked: Asked, at: datetime, others: Iterable[Asked]
    ) -> dict[str, Any]:
        owner = asked.caller.owner
        datasets.hold(session, asked.experiment)
        own = sum(other.caller.owner == owner for other in others)
        check_queue(session, asked.caller, self._settings, adding=own + 1)
        return create.new_row(
            asked.experiment, at, owner=owner, upload=asked.upload, retry_of=asked.retry_of
        )


def _repeated(session: Session, asked: Asked, others: Iterable[Asked]) -> bool:
    """Whether the key is known already, or came with one of the `others` just now."""
    if asked.key is None:
        return False
    stored = session.get(Idempotency, (asked.caller.owner, asked.key))
    return stored is not None or any(other.order == asked.order for other in others)


def _remember(session: Session, jobs: Mapping[Asked, Mapping[str, Any]]) -> None:
    rows = [
        {
            "owner": job["owner"],
            "key": asked.key,
            "request": asked.request,
            "job_id": job["id"],
            "created_at": job["created_at"],
        }
        for asked, job in jobs.items()
        if asked.key is not None
    ]
    if rows:
        session.connection().execute(insert(TABLES["idempotency_keys"]), rows)


def _tell(place: asyncio.Future[Stored | None], outcome: Outcome) -> None:
    if place.cancelled():  # the client hung up; the job stays
        return
    if isinstance(outcome, Exception):
        place.set_exception(outcome)
    else:
        place.set_result(outcome)
