"""Jobs that a worker cannot train: how long they wait, who passes them, and when they end."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.store.clock import now
from contract.store.database import Database
from contract.store.tables import Job
from tests import jobs


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def refused(database: Database, held: Claim, *, max_refusals: int = 3) -> Job:
    with database.writing() as session:
        assert jobs.refuse(session, held, max_refusals=max_refusals)
    return jobs.stored(database, held.job_id)


def again(database: Database, held: Claim) -> Claim:
    """The next claim, as if the wait was over."""
    with database.writing() as session:
        session.execute(update(Job).where(col(Job.id) == held.job_id).values(not_before=now(-1)))
        assert next_for(session) == held.job_id
    return Claim(held.job_id, held.fence + 1)


def next_for(session: Session) -> str | None:
    job = lifecycle.claim_next(
        session, worker_id="worker_a", devices=["cpu", "any"], lease_seconds=60
    )
    return None if job is None else job.id


def test_each_wait_is_longer_up_to_five_minutes(database: Database) -> None:
    held = jobs.running(database)
    waits = []
    for _ in range(9):
        job = refused(database, held)
        assert job.not_before is not None
        waits.append(round((job.not_before - job.updated_at).total_seconds()))
        held = again(database, held)
    assert waits == [4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert job.crashes == 0
    told = jobs.events(database, held.job_id)[-2].data
    assert told == {
        "status": "queued",
        "reason": "its worker could not train it (9 in a row): no room",
    }
    jobs.check(database, held.job_id)


def test_others_pass_until_the_wait_is_over(database: Database) -> None:
    first = jobs.running(database)
    refused(database, first)
    other = jobs.submit(database)
    with database.writing() as session:
        listed = session.exec(lifecycle.queued_for(["cpu", "any"], 9)).all()
        taken = [next_for(session), next_for(session)]
    assert [row[0] for row in listed] == [other]
    assert taken == [other, None]
    assert again(database, first).job_id == first.job_id


def test_a_wait_does_not_outlast_a_clock_that_was_set_back(database: Database) -> None:
    """To shift the stored time is to shift the clock the other way."""
    held = jobs.running(database)
    refused(database, held)
    with database.writing() as session:
        session.execute(update(Job).values(not_before=now(3 * 3600)))
        assert next_for(session) == held.job_id


def test_the_last_ends_the_job_if_others_trained_meanwhile(database: Database) -> None:
    held, other = jobs.running(database), jobs.running(database)
    for _ in range(2):
        assert refused(database, held).status == "queued"
        held = again(database, held)
    jobs.record(database, other, 1)
    job = refused(database, held)
    assert (job.status, job.refusals) == ("failed", 3)
    assert job.error is not None
    assert job.error["code"] == "storage_full"
    assert job.error["message"] == "No worker could train it, 3 times in a row: no room"
    assert jobs.events(database, job.id)[-1].data == {"status": "failed", **job.error}
    jobs.check(database, job.id)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_node_that_trains_nobody_costs_no_job(database: Database, elsewhere: bool) -> None:
    """Nor do others tell that trained on another worker, or before the first refusal."""
    other_id = jobs.submit(database)
    other = jobs.claim(database, other_id, worker="worker_b" if elsewhere else "worker_a")
    assert other is not None
    held = jobs.running(database)
    if not elsewhere:
        jobs.record(database, other, 1)
    for _ in range(20):
        job = refused(database, held)
        assert job.status == "queued"
        if elsewhere:
            jobs.record(database, other, jobs.stored(database, other_id).epoch + 1)
        held = again(database, held)
    assert job.refusals == 20


def test_after_a_day_it_ends_all_the_same(database: Database) -> None:
    held = jobs.running(database)
    with database.writing() as session:
        session.execute(update(Job).values(refusals=299))
    assert refused(database, held).status == "failed"


def test_an_epoch_forgives(database: Database) -> None:
    held = jobs.running(database)
    refused(database, held)
    held = again(database, held)
    jobs.record(database, held, 1)
    job = jobs.stored(database, held.job_id)
    assert (job.refusals, job.refused_at) == (0, None)
    job = refused(database, held)
    assert job.refusals == 1
    assert job.refused_at is not None
    assert abs(job.refused_at - job.updated_at) < timedelta(seconds=1)


def test_a_cancel_wins(database: Database) -> None:
    held = jobs.running(database)
    jobs.cancel(database, held.job_id)
    assert refused(database, held).status == "cancelled"
