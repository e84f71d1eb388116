"""Any order of what users, workers and reapers may do: the stored history is always a legal one.

Run with `-m slow` for 10,000 interleavings.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlmodel import Session, select

from contract.errors import Conflict
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.store.database import Database
from contract.store.status import TERMINAL, Status
from contract.store.tables import Job
from tests import jobs

ENDS = st.sampled_from(
    [jobs.succeed, jobs.fail, jobs.release, jobs.crash, lifecycle.acknowledge_cancel]
)


class Fleet(RuleBasedStateMachine):
    """Workers never forget a claim, so most of what they try comes too late.

    `holders` is who may write, by the answers that the lifecycle itself gave; `ended` the last
    word on each job that has ended.
    """

    submitted = Bundle("submitted")
    claims = Bundle("claims")

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.holders: dict[str, Claim | None] = {}
        self.ended: dict[str, tuple[str, int]] = {}
        jobs.clear(self.database)

    @rule(target=submitted)
    def submit(self) -> str:
        job_id = jobs.submit(self.database)
        self.holders[job_id] = None
        return job_id

    @rule(target=claims, job_id=submitted, worker=st.sampled_from(["worker_a", "worker_b"]))
    def claim(self, job_id: str, worker: str) -> object:
        queued = self.status(job_id) == "queued"
        held = jobs.claim(self.database, job_id, worker=worker)
        assert (held is not None) == queued
        if held is None:
            return multiple()
        self.holders[job_id] = held
        return held

    @rule(held=claims, seconds=st.sampled_from([60, -1]))
    def renew(self, held: Claim, seconds: int) -> None:
        """A negative lease has run out: its worker has been silent."""
        self.write(
            held,
            lambda session: lifecycle.renew(
                session, held, lease_seconds=seconds, epoch_fraction=0.5
            ),
        )

    @rule(held=claims, ahead=st.integers(1, 3))
    def record(self, held: Claim, ahead: int) -> None:
        done = jobs.stored(self.database, held.job_id).epoch
        assert jobs.record(self.database, held, *range(done + 1, done + 1 + ahead)) == self.holds(
            held
        )

    @rule(held=claims, end=ENDS)
    def end(self, held: Claim, end: Callable[[Session, Claim], bool]) -> None:
        asked = self.status(held.job_id) == "cancelling"
        if end is lifecycle.acknowledge_cancel and not asked:
            with self.database.writing() as session:
                assert not end(session, held)
            return
        self.write(held, lambda session: end(session, held))
        if self.holds(held):
            self.holders[held.job_id] = None
            assert not asked or self.status(held.job_id) == "cancelled"

    @rule(held=consumes(claims))
    def forget(self, held: Claim) -> None:
        """A worker is killed: its lease runs out without a word."""
        if self.holds(held):
            jobs.expire(self.database, held)

    @rule(job_id=submitted)
    def cancel(self, job_id: str) -> None:
        before = self.status(job_id)
        try:
            told = jobs.cancel(self.database, job_id)
        except Conflict:
            assert before in TERMINAL - {"cancelled"}
        else:
            assert told == ("cancelled" if before in ("queued", "cancelled") else "cancelling")
            assert self.status(job_id) == told

    @rule()
    def reap(self) -> None:
        jobs.reap(self.database)
        for job_id, held in self.holders.items():
            if held is not None and self.status(job_id) not in ("running", "cancelling"):
                self.holders[job_id] = None

    @invariant()
    def the_end_is_final(self) -> None:
        with self.database.reading() as session:
            now = session.exec(select(Job.id, Job.status, Job.events)).all()
        terminal = {id_: (status, events) for id_, status, events in now if status in TERMINAL}
        assert self.ended.items() <= terminal.items()
        self.ended = terminal

    def teardown(self) -> None:
        for job_id in self.holders:
            jobs.check(self.database, job_id)

    def status(self, job_id: str) -> Status:
        return Status(jobs.stored(self.database, job_id).status)

    def holds(self, held: Claim) -> bool:
        return self.holders[held.job_id] == held

    def write(self, held: Claim, change: Callable[[Session], bool]) -> None:
        """Try a change, which must succeed for the holder and for nobody else."""
        with self.database.writing() as session:
            assert change(session) == self.holds(held)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


@pytest.mark.parametrize("interleavings", [20, pytest.param(5_000, marks=pytest.mark.slow)])
def test_only_legal_histories(database: Database, interleavings: int) -> None:
    class FleetHere(Fleet):
        pass

    FleetHere.database = database
    run_state_machine_as_test(
        FleetHere,
        settings=settings(
            max_examples=interleavings,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
