"""Every change of a job, alone: what it writes, what it refuses, and what a stale fence may do."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count, product
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, col, select

from contract.errors import Conflict, NotFound
from contract.experiment.spec import Experiment
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.jobs.transition import move
from contract.store.database import Database
from contract.store.status import EDGES, TERMINAL, Status
from contract.store.tables import LOCAL, EpochRow, Event, Job, JobTag, Result, SignalRow
from tests import jobs, services

ENDINGS = {
    "succeed": jobs.succeed,
    "fail": jobs.fail,
    "release": jobs.release,
    "crashed": jobs.crash,
    "refused": jobs.refuse,
    "acknowledge_cancel": lifecycle.acknowledge_cancel,
}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with jobs.empty_database(f"sqlite:///{tmp_path_factory.mktemp('data')}/jobs.db") as database:
        yield database


@pytest.fixture(scope="module")
def postgres(postgres_server: services.Server) -> Iterator[Database]:
    with (
        services.fresh_database(postgres_server, "lifecycle") as url,
        jobs.empty_database(url) as database,
    ):
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """Made once for the whole module, which is most of its time, and emptied for each test."""
    database: Database = request.getfixturevalue(request.param)
    jobs.clear(database)
    return database


def renew(session: Session, held: Claim) -> bool:
    return lifecycle.renew(session, held, lease_seconds=60, epoch_fraction=0.5)


def record(session: Session, held: Claim) -> bool:
    epochs = [jobs.finished(1)]
    signals = [jobs.measured(1)]
    kept = jobs.checkpoint(held, 1)
    return lifecycle.record(session, held, epochs, signals, kept, lease_seconds=60)


WRITES = {**ENDINGS, "renew": renew, "record": record}


def everything(database: Database) -> list[dict[str, Any]]:
    """Every row of every table that a job has a part in."""
    with database.reading() as session:
        return [
            row.model_dump()
            for table in (Job, JobTag, Result, EpochRow, SignalRow, Event)
            for row in session.exec(select(table)).all()
        ]


def do(database: Database, change: Callable[[Session, Claim], bool], held: Claim) -> bool:
    with database.writing() as session:
        return change(session, held)


class TestSubmit:
    def test_stores_the_experiment_as_it_was_posted(self, database: Database) -> None:
        job = jobs.stored(database, jobs.submit(database, tags=["a", "b/c", "a"], device="cpu"))
        assert (job.status, job.fence, job.attempts, job.epoch) == ("queued", 0, 0, 0)
        assert (job.name, job.dataset, job.device) == ("small", "digits", "cpu")
        assert job.epochs == jobs.EPOCHS
        assert job.created_at == job.updated_at
        assert Experiment.model_validate(job.spec).tags == ("a", "b/c", "a")
        with database.reading() as session:
            tags = session.exec(select(JobTag.tag).where(col(JobTag.job_id) == job.id)).all()
        assert sorted(tags) == ["a", "b/c"]

    def test_tells_of_itself(self, database: Database) -> None:
        [told] = jobs.events(database, jobs.submit(database))
        assert (told.seq, told.type, told.data) == (1, "status", {"status": "queued"})

    def test_knows_what_it_retries(self, database: Database) -> None:
        first = jobs.submit(database)
        with database.writing() as session:
            again = jobs.queue(session, jobs.experiment(), owner=LOCAL, retry_of=first)
        assert jobs.stored(database, again).retry_of == first

    def test_leaves_nothing_when_the_caller_does_not_commit(self, database: Database) -> None:
        def submit_and_fail() -> None:
            with database.writing() as session:
                jobs.queue(session, jobs.experiment(), owner=LOCAL)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            submit_and_fail()
        assert everything(database) == []


class TestClaim:
    def test_raises_the_fence_and_sets_the_lease(self, database: Database) -> None:
        held = jobs.claim(database, jobs.submit(database), lease_seconds=60)
        assert held is not None
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.fence, job.attempts) == ("running", 1, 1)
        assert job.worker_id == "worker_a"
        assert job.started_at == pytest.approx(job.updated_at, abs=timedelta(seconds=1))
        assert job.lease_expires_at is not None
        lease = job.lease_expires_at - job.updated_at
        assert lease == pytest.approx(timedelta(seconds=60), abs=timedelta(seconds=1))
        assert jobs.events(database, job.id)[-1].data["worker"] == "worker_a"

    def test_takes_a_job_once(self, database: Database) -> None:
        job_id = jobs.submit(database)
        assert jobs.claim(database, job_id) is not None
        assert jobs.claim(database, job_id, worker="worker_b") is None
        assert jobs.stored(database, job_id).worker_id == "worker_a"

    @pytest.mark.parametrize("device", ["cpu", "gpu", "any"])
    def test_takes_only_what_the_worker_serves(self, database: Database, device: str) -> None:
        held = jobs.claim(database, jobs.submit(database, device=device))  # serves cpu and any
        assert (held is None) == (device == "gpu")

    def test_of_a_job_that_is_not_there(self, database: Database) -> None:
        assert jobs.claim(database, "job_nowhere") is None

    def test_keeps_the_first_start_when_it_is_taken_again(self, database: Database) -> None:
        held = jobs.running(database)
        first = jobs.stored(database, held.job_id).started_at
        do(database, jobs.release, held)
        assert jobs.claim(database, held.job_id) == Claim(held.job_id, 2)
        job = jobs.stored(database, held.job_id)
        assert (job.started_at, job.attempts) == (first, 2)


class TestRenew:
    def test_extends_the_lease_and_tells_the_progress(self, database: Database) -> None:
        held = jobs.running(database)
        before = jobs.stored(database, held.job_id)
        with database.writing() as session:
            assert lifecycle.renew(session, held, lease_seconds=600, epoch_fraction=0.25)
        after = jobs.stored(database, held.job_id)
        assert before.lease_expires_at is not None
        assert after.lease_expires_at is not None
        assert after.lease_expires_at - before.lease_expires_at > timedelta(seconds=500)
        assert after.epoch_fraction == 0.25
        assert after.events == before.events

    def test_goes_on_while_the_job_is_being_cancelled(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.cancel(database, held.job_id)
        assert do(database, renew, held)

    def test_an_expired_lease_that_nobody_took_is_still_ours(self, database: Database) -> None:
        held = jobs.running(database)
        assert jobs.expire(database, held)
        assert do(database, renew, held)
        assert jobs.reap(database) == 0


class TestRecord:
    def test_stores_epochs_checkpoint_and_events_together(self, database: Database) -> None:
        held = jobs.running(database)
        assert jobs.record(database, held, 1, 2, 3)
        job = jobs.stored(database, held.job_id)
        assert (job.epoch, job.epoch_fraction, job.seconds_per_epoch) == (3, 0.0, 0.25)
        assert job.checkpoint == vars(jobs.checkpoint(held, 3))
        rows = jobs.epoch_rows(database, held.job_id)
        assert [(row.epoch, row.fence, row.metrics["loss"]) for row in rows] == [
            (1, 1, 1.0),
            (2, 1, 0.5),
            (3, 1, 1 / 3),
        ]
        told = [e.data["epoch"] for e in jobs.events(database, held.job_id)[2:]]
        assert told == [1, 2, 3]
        jobs.check(database, held.job_id)

    def test_keeps_numbers_that_json_lacks(self, database: Database) -> None:
        held = jobs.running(database)
        metrics = {"loss": float("nan"), "val_loss": float("inf"), "accuracy": 0.1}
        epoch = lifecycle.FinishedEpoch(1, metrics, 0.01, 1.0)
        with database.writing() as session:
            assert lifecycle.record(
                session, held, [epoch], [], jobs.checkpoint(held, 1), lease_seconds=60
            )
        [row] = jobs.epoch_rows(database, held.job_id)
        assert row.metrics == {"loss": "NaN", "val_loss": "Infinity", "accuracy": 0.1}
        assert jobs.events(database, held.job_id)[-1].data["metrics"] == row.metrics

    def test_forgives_past_crashes(self, database: Database) -> None:
        held = jobs.running(database)
        for _ in range(2):
            assert do(database, jobs.crash, held)
            held = again(database, held)
        assert jobs.stored(database, held.job_id).crashes == 2
        assert jobs.record(database, held, 1)
        assert jobs.stored(database, held.job_id).crashes == 0

    def test_twice_changes_nothing(self, database: Database) -> None:
        """The answer to a commit can be lost; the worker then tries again."""
        held = jobs.running(database)
        assert jobs.record(database, held, 1, 2)
        before = everything(database)
        assert jobs.record(database, held, 1, 2)
        assert everything(database) == before

    @pytest.mark.parametrize("epochs", [(2,), (1, 2, 3), (4,)])
    def test_takes_only_the_epochs_that_come_next(
        self, database: Database, epochs: tuple[int, ...]
    ) -> None:
        held = jobs.running(database)
        if epochs != (2,):
            assert jobs.record(database, held, 1, 2)
        before = everything(database)
        assert not jobs.record(database, held, *epochs)
        assert everything(database) == before


class TestSucceed:
    def test_ends_the_job_with_its_result(self, database: Database) -> None:
        held = jobs.running(database)
        assert do(database, jobs.succeed, held)
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.verdict, job.headline) == (
            "succeeded",
            "undetermined",
            "50.0 % on test.",
        )
        assert job.metrics == {"test_accuracy": 0.5}
        assert job.finished_at is not None
        assert (job.worker_id, job.lease_expires_at) == ("worker_a", None)  # who it was is kept
        with database.reading() as session:
            assert session.get_one(Result, job.id).confusion_matrix == [[1, 0], [0, 1]]

    def test_of_a_job_that_is_being_cancelled_is_cancelled(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.cancel(database, held.job_id)
        assert do(database, jobs.succeed, held)
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.metrics, job.verdict) == ("cancelled", None, None)
        with database.reading() as session:
            assert session.get(Result, job.id) is None


class TestFail:
    def test_ends_the_job_with_the_reason(self, database: Database) -> None:
        held = jobs.running(database)
        assert do(database, jobs.fail, held)
        job = jobs.stored(database, held.job_id)
        assert job.status == "failed"
        assert job.error == {"code": "x", "message": "It broke.", "hint": "Mend it."}
        assert jobs.events(database, job.id)[-1].data == {"status": "failed", **job.error}


class TestRelease:
    def test_queues_the_job_unharmed(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.record(database, held, 1)
        assert do(database, jobs.release, held)
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.epoch, job.crashes) == ("queued", 1, 0)
        assert (job.worker_id, job.lease_expires_at) == (None, None)
        assert job.checkpoint == vars(jobs.checkpoint(held, 1))
        assert jobs.events(database, job.id)[-1].data["reason"] == "its worker stops"

    def test_a_step_back_to_the_checkpoint_before(self, database: Database) -> None:
        held = jobs.running(database)
        first, second = jobs.checkpoint(held, 1), jobs.checkpoint(held, 2)
        with database.writing() as session:
            epochs = [jobs.finished(1), jobs.finished(2)]
            assert lifecycle.record(
                session, held, epochs, [], second.after(first), lease_seconds=60
            )
        newest = jobs.stored_checkpoint(database, held.job_id)
        assert newest == second.after(first)
        with database.writing() as session:
            assert lifecycle.step_back(session, held, "damaged", newest.before)
        assert jobs.stored_checkpoint(database, held.job_id) == first
        assert jobs.events(database, held.job_id)[-1].data["reason"] == "damaged"
        again = jobs.claim(database, held.job_id)
        assert again is not None
        with database.writing() as session:
            assert not lifecycle.keep(session, held, second, lease_seconds=60)
            assert lifecycle.keep(session, again, second.after(first), lease_seconds=60)
            assert lifecycle.step_back(session, again, "damaged", None)
        job = jobs.stored(database, held.job_id)
        assert (job.checkpoint, job.epoch, job.crashes) == (None, 2, 0)
        jobs.check(database, held.job_id)

    def test_what_is_measured_again_after_a_step_back_is_stored_once(
        self, database: Database
    ) -> None:
        held = jobs.running(database)
        jobs.record(database, held, 1, 2)
        with database.writing() as session:
            assert lifecycle.step_back(session, held, "damaged", None)
        again = jobs.claim(database, held.job_id)
        assert again is not None
        signals = [jobs.measured(epoch) for epoch in (1, 2, 3)]
        with database.writing() as session:
            assert lifecycle.record(
                session, again, [jobs.finished(3)], signals, jobs.checkpoint(again, 3),
                lease_seconds=60,
            )  # fmt: skip
            rows = session.exec(select(SignalRow).order_by(col(SignalRow.step))).all()
        assert [(row.step, row.fence) for row in rows] == [(1, 1), (2, 1), (3, 2)]
        jobs.check(database, held.job_id)

    def test_with_a_newer_checkpoint(self, database: Database) -> None:
        held = jobs.running(database)
        newer = jobs.checkpoint(held, 7)
        with database.writing() as session:
            assert lifecycle.release(session, held, "its worker stops", newer)
        assert jobs.stored(database, held.job_id).checkpoint == vars(newer)


class TestCrashed:
    def test_queues_the_job_and_counts(self, database: Database) -> None:
        held = jobs.running(database)
        assert do(database, jobs.crash, held)
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.crashes, job.worker_id) == ("queued", 1, None)
        assert jobs.events(database, job.id)[-1].data == {"status": "queued", "reason": "killed"}

    def test_the_third_in_a_row_ends_the_job(self, database: Database) -> None:
        held = jobs.running(database)
        for _ in range(2):
            assert do(database, jobs.crash, held)
            held = again(database, held)
        assert do(database, jobs.crash, held)
        job = jobs.stored(database, held.job_id)
        assert (job.status, job.crashes) == ("failed", 3)
        assert job.error is not None
        assert (job.error["code"], "killed" in job.error["message"]) == ("crashed", True)
        assert job.finished_at is not None
        jobs.check(database, held.job_id)


class TestCancel:
    def test_ends_a_queued_job_at_once(self, database: Database) -> None:
        job_id = jobs.submit(database)
        assert jobs.cancel(database, job_id) == "cancelled"
        assert jobs.stored(database, job_id).finished_at is not None
        assert jobs.claim(database, job_id) is None

    def test_asks_a_running_job_to_stop(self, database: Database) -> None:
        held = jobs.running(database)
        assert jobs.cancel(database, held.job_id) == "cancelling"
        job = jobs.stored(database, held.job_id)
        assert (job.finished_at, job.worker_id) == (None, "worker_a")
        assert jobs.record(database, held, 1)
        assert do(database, lifecycle.acknowledge_cancel, held)
        assert jobs.statuses(database, held.job_id) == [
            "queued",
            "running",
            "cancelling",
            "cancelled",
        ]

    def test_asking_again_changes_nothing(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.cancel(database, held.job_id)
        before = everything(database)
        assert jobs.cancel(database, held.job_id) == "cancelling"
        assert everything(database) == before

    def test_of_a_job_that_is_not_there(self, database: Database) -> None:
        with pytest.raises(NotFound, match="job_nowhere"):
            jobs.cancel(database, "job_nowhere")

    @pytest.mark.parametrize("end", ["succeed", "fail"])
    def test_of_a_job_that_has_ended(self, database: Database, end: str) -> None:
        held = jobs.running(database)
        do(database, ENDINGS[end], held)
        before = everything(database)
        with pytest.raises(Conflict, match="ended already"):
            jobs.cancel(database, held.job_id)
        assert everything(database) == before

    def test_is_not_fooled_by_what_the_session_read_earlier(self, postgres: Database) -> None:
        held = jobs.running(postgres)
        with postgres.writing() as session:
            read = session.get_one(Job, held.job_id)
            assert read.status == "running"
            do(postgres, jobs.succeed, held)
            with pytest.raises(Conflict):
                lifecycle.cancel(session, held.job_id)

    @pytest.mark.parametrize("end", ENDINGS)
    def test_wins_over_every_end(self, database: Database, end: str) -> None:
        held = jobs.running(database)
        jobs.cancel(database, held.job_id)
        assert do(database, ENDINGS[end], held)
        assert jobs.stored(database, held.job_id).status == "cancelled"
        jobs.check(database, held.job_id)

    @pytest.mark.parametrize("end", ["succeed", "fail", "release", "crashed"])
    def test_wins_between_the_statements_of_an_end(self, postgres: Database, end: str) -> None:
        """On SQLite a writer is alone; on Postgres a cancel can commit at any moment."""
        for moment in range(3):
            held = jobs.running(postgres)
            with postgres.writing() as session:
                before_update(session, moment, partial(jobs.cancel, postgres, held.job_id))
                assert ENDINGS[end](session, held)
            told = jobs.statuses(postgres, held.job_id)
            assert ("cancelling" in told) == ("cancelled" in told)
            assert "cancelling" in told or moment > 0
            jobs.check(postgres, held.job_id)


class TestReap:
    def test_frees_the_jobs_of_silent_workers_alone(self, database: Database) -> None:
        silent, alive = jobs.running(database), jobs.running(database)
        waiting = jobs.submit(database)
        jobs.expire(database, silent)
        assert jobs.reap(database) == 1
        assert jobs.stored(database, silent.job_id).status == "queued"
        assert jobs.stored(database, silent.job_id).crashes == 1
        assert jobs.stored(database, alive.job_id).status == "running"
        assert jobs.stored(database, waiting).status == "queued"
        assert jobs.reap(database) == 0

    def test_ends_what_was_being_cancelled(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.cancel(database, held.job_id)
        jobs.expire(database, held)
        assert jobs.reap(database) == 1
        assert jobs.stored(database, held.job_id).status == "cancelled"

    def test_ends_what_kills_its_workers(self, database: Database) -> None:
        held = jobs.running(database)
        jobs.expire(database, held)
        assert jobs.reap(database, max_crashes=1) == 1
        assert jobs.stored(database, held.job_id).status == "failed"

    def test_spares_a_worker_that_speaks_at_the_last_moment(self, postgres: Database) -> None:
        jobs.clear(postgres)
        held = jobs.running(postgres)
        jobs.expire(postgres, held)
        with postgres.writing() as session:
            leases = lifecycle.leases(session)
            before_update(session, 0, partial(do, postgres, renew, held))
            assert lifecycle.reap(session, leases, max_crashes=3) == 0
        assert jobs.stored(postgres, held.job_id).status == "running"


class TestQueuedFor:
    def test_lists_the_oldest_that_fit(self, database: Database) -> None:
        jobs.running(database)
        device_of = {
            jobs.submit(database, device=device): device for device in ("cpu", "gpu", "any")
        }
        oldest = sorted(device_of.items())  # ids begin with their time
        with database.reading() as session:
            found = session.exec(lifecycle.queued_for(["cpu", "any"], 9)).all()
            first = session.exec(lifecycle.queued_for(["cpu", "gpu", "any"], 2)).all()
        assert [tuple(row) for row in found] == [row for row in oldest if row[1] != "gpu"]
        assert [tuple(row) for row in first] == oldest[:2]


@pytest.mark.parametrize("write", WRITES)
def test_a_stale_fence_writes_nothing(database: Database, write: str) -> None:
    stale = jobs.running(database)
    do(database, jobs.release, stale)
    if write == "acknowledge_cancel":
        again(database, stale)
        jobs.cancel(database, stale.job_id)
    elif write not in ("release", "refused"):
        again(database, stale)
    before = everything(database)
    assert not do(database, WRITES[write], stale)
    assert everything(database) == before


@pytest.mark.parametrize("end", ["succeed", "fail", "cancel"])
@pytest.mark.parametrize("write", WRITES)
def test_a_terminal_state_never_changes(database: Database, end: str, write: str) -> None:
    held = jobs.running(database)
    if end == "cancel":
        jobs.cancel(database, held.job_id)
    do(database, ENDINGS["acknowledge_cancel" if end == "cancel" else end], held)
    before = everything(database)
    assert jobs.stored(database, held.job_id).status in TERMINAL
    assert not do(database, WRITES[write], held)
    assert jobs.claim(database, held.job_id) is None
    assert jobs.reap(database) == 0
    assert everything(database) == before


def test_the_update_itself_knows_the_edges(database: Database) -> None:
    """Whatever its caller believes, a move along no edge changes nothing."""
    for source, target in product(Status, Status):
        job_id = jobs.submit(database)
        with database.writing() as session:
            session.get_one(Job, job_id).status = source
        with database.writing() as session:
            moved = move(session, target, [col(Job.id) == job_id], {})
        assert (moved is not None) == (target in EDGES[source]), (source, target)
        assert jobs.stored(database, job_id).status == (target if moved else source)


def again(database: Database, held: Claim) -> Claim:
    """The next claim on the same job."""
    following = jobs.claim(database, held.job_id)
    assert following is not None
    return following


def before_update(session: Session, moment: int, intrude: Callable[[], object]) -> None:
    """Let `intrude` commit just before the session's UPDATE number `moment`, from 0."""
    updates = count()

    def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE jobs") and next(updates) == moment:
            intrude()

    event.listen(session.connection(), "before_cursor_execute", watch)


class TestClaimNext:
    def test_the_highest_priority_goes_first_then_the_oldest(self, database: Database) -> None:
        ids = [jobs.submit(database, priority=priority) for priority in (0, -1, 5, 0, 5)]
        taken = []
        with database.writing() as session:
            while job := next_for(session):
                taken.append(ids.index(job.id))
        assert taken == [2, 4, 0, 3, 1]

    def test_passes_over_what_others_must_run(self, database: Database) -> None:
        jobs.submit(database, device="gpu", priority=9)
        ours = jobs.submit(database)
        with database.writing() as session:
            job = next_for(session)
            assert job is not None
            assert job.id == ours
            assert next_for(session) is None


def next_for(session: Session) -> Job | None:
    devices = ["cpu", "any"]
    return lifecycle.claim_next(session, worker_id="w", devices=devices, lease_seconds=60)
