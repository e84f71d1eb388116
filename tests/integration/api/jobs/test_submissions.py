"""Jobs that come at the same time: committed together, and each answered for itself."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

from api.auth.caller import Caller
from api.jobs.batches import Asked, Stored, Submissions
from api.jobs.queue_position import waiting
from contract.errors import TooManyJobs
from contract.settings import Settings
from contract.store.database import Database
from contract.store.tables import Idempotency, Job
from tests import jobs

ME = Caller("me", frozenset(["submit"]), "key")
YOU = Caller("you", frozenset(["submit"]), "key")
SETTINGS = Settings(max_queued_jobs=3)
TOGETHER = 8


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def asked(caller: Caller, key: str | None = None, **changes: Any) -> Asked:
    return Asked(caller, jobs.experiment(**changes), None, None, key, "digest")


def outcomes(database: Database, wanted: Sequence[Asked]) -> list[Stored | BaseException | None]:
    """Of all of them at once."""

    async def store() -> list[Stored | BaseException | None]:
        submissions = Submissions(database, SETTINGS)
        try:
            return await asyncio.gather(*map(submissions.store, wanted), return_exceptions=True)
        finally:
            submissions.close()

    return asyncio.run(store())


def stored(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.exec(select(Job.id)))


def test_what_comes_together_is_committed_together(database: Database) -> None:
    commits: list[Any] = []
    event.listen(database.engine, "commit", commits.append)
    everyone = [asked(Caller(f"owner_{number}", ME.scopes)) for number in range(TOGETHER)]
    found = outcomes(database, everyone)
    assert len(commits) == 1
    ids = [each.job.id for each in found if isinstance(each, Stored)]
    assert len(ids) == TOGETHER
    assert stored(database) == set(ids)
    places = sorted(
        each.queue.position for each in found if isinstance(each, Stored) and each.queue
    )
    assert places == list(range(1, TOGETHER + 1))
    for id_ in ids:
        jobs.check(database, id_)


def test_one_that_is_refused_keeps_no_other_from_its_job(database: Database) -> None:
    found = outcomes(database, [asked(ME) for _ in range(5)] + [asked(YOU)])
    refused = [each for each in found if isinstance(each, TooManyJobs)]
    assert len(refused) == 2
    assert isinstance(found[-1], Stored)
    assert len(stored(database)) == 4


def test_a_key_that_comes_twice_at_once_makes_one_job(database: Database) -> None:
    found = outcomes(database, [asked(ME, "once"), asked(ME, "once"), asked(YOU, "once")])
    assert [each is None for each in found].count(True) == 1
    assert len(stored(database)) == 2
    with database.reading() as session:
        assert len(session.exec(select(Idempotency)).all()) == 2
    assert outcomes(database, [asked(ME, "once")]) == [None]


def test_a_commit_that_fails_is_told_to_all(database: Database) -> None:
    def fail(_connection: Any) -> None:
        raise OSError("disk full")

    event.listen(database.engine, "commit", fail)
    found = outcomes(database, [asked(ME), asked(YOU)])
    assert [type(each) for each in found] == [OSError, OSError]
    assert stored(database) == set()


def test_each_is_told_its_place(database: Database) -> None:
    """The place that a look at the queue finds."""
    kinds = [("cpu", 0), ("any", 0), ("cpu", 1), ("any", 0), ("cpu", 0), ("gpu", 0), ("cpu", 0)]
    jobs.submit(database, device="any")
    jobs.submit(database, device="cpu", priority=1)
    found = outcomes(
        database,
        [
            asked(Caller(str(number), ME.scopes), device=device, priority=priority)
            for number, (device, priority) in enumerate(kinds)
        ],
    )
    told = {each.job.id: each.queue for each in found if isinstance(each, Stored)}
    assert len(told) == len(kinds)
    with database.reading() as session:
        all_jobs = session.exec(select(Job)).all()
        places = waiting(session.connection(), all_jobs, SETTINGS)
    assert told == {id_: places[id_] for id_ in told}
