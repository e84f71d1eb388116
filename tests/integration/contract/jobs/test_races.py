"""Threads that want the same job at the same moment, with real commits."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.exc import InternalError
from sqlmodel import Session

from contract.errors import Conflict
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.store.database import Database
from contract.store.status import TERMINAL
from tests import jobs

ROUNDS = 20


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returned, all of them started together."""
    barrier = Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(start, calls))


def test_of_many_claims_one_wins(database: Database) -> None:
    for _ in range(ROUNDS):
        job_id = jobs.submit(database)
        workers = [f"worker_{n}" for n in range(6)]
        claims = at_once(*(claimer(database, job_id, worker) for worker in workers))
        [winner] = [n for n, held in enumerate(claims) if held is not None]
        assert jobs.stored(database, job_id).worker_id == workers[winner]
        assert jobs.statuses(database, job_id) == ["queued", "running"]
        jobs.check(database, job_id)


def test_of_many_reapers_one_wins(database: Database) -> None:
    """Several jobs at a time, which each reaper would take in an order of its own."""
    for _ in range(ROUNDS // 4):
        silent = [jobs.running(database) for _ in range(4)]
        for held in silent:
            jobs.expire(database, held)
        assert sum(at_once(*[lambda: jobs.reap(database)] * 4)) == len(silent)
        for held in silent:
            assert jobs.stored(database, held.job_id).crashes == 1
            jobs.check(database, held.job_id)


def test_a_worker_that_froze_in_mid_transaction_holds_up_no_others(postgres_url: str) -> None:
    """On Postgres, where its locks are those of rows; SQLite has but one, and all must wait."""
    with jobs.empty_database(postgres_url) as database:
        silent = jobs.running(database)
        jobs.expire(database, silent)
        taken, waiting = jobs.submit(database), jobs.submit(database)
        claim = partial(lifecycle.claim_next, devices=["any"], lease_seconds=60)
        frozen = Session(database.engine)
        assert claim(frozen, worker_id="worker_a")
        assert lifecycle.renew(frozen, silent, lease_seconds=-1, epoch_fraction=0.5)
        with database.writing() as session:
            found = claim(session, worker_id="worker_b")
        assert found is not None
        assert found.id == waiting
        assert jobs.reap(database) == 1, "the database gives up on the frozen one, not on us"
        with pytest.raises(InternalError, match="idle-in-transaction"):
            frozen.commit()
        assert jobs.stored(database, taken).status == "queued"


@pytest.mark.parametrize("end", [jobs.succeed, jobs.fail, jobs.release])
def test_of_cancel_and_an_end_one_wins_and_both_are_told_so(
    database: Database, end: Callable[..., bool]
) -> None:
    for _ in range(ROUNDS):
        held = jobs.running(database)
        told, written = at_once(canceller(database, held.job_id), ender(database, end, held))
        status = jobs.stored(database, held.job_id).status
        assert written, "the worker holds the job throughout"
        if told in ("cancelling", "cancelled"):
            assert status == "cancelled"
        else:
            assert (told, status) == ("conflict", jobs.statuses(database, held.job_id)[-1])
            assert status in TERMINAL - {"cancelled"}
        jobs.check(database, held.job_id)


def test_of_cancel_and_claim_either_comes_first(database: Database) -> None:
    for _ in range(ROUNDS):
        job_id = jobs.submit(database)
        told, held = at_once(canceller(database, job_id), claimer(database, job_id, "worker_a"))
        assert told == ("cancelled" if held is None else "cancelling")
        assert jobs.stored(database, job_id).status == told
        jobs.check(database, job_id)


def claimer(database: Database, job_id: str, worker: str) -> Callable[[], Claim | None]:
    return lambda: jobs.claim(database, job_id, worker=worker)


def canceller(database: Database, job_id: str) -> Callable[[], str]:
    def cancel() -> str:
        try:
            return jobs.cancel(database, job_id)
        except Conflict:
            return "conflict"

    return cancel


def ender(database: Database, end: Callable[..., bool], held: Claim) -> Callable[[], bool]:
    def finish() -> bool:
        with database.writing() as session:
            return end(session, held)

    return finish
