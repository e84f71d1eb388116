"""Jobs for tests, and the judge of their histories."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert
from sqlmodel import Session, col, select

from contract.experiment.spec import Experiment
from contract.jobs import create, lifecycle
from contract.jobs.lifecycle import Checkpoint, Claim, FinishedEpoch
from contract.jobs.reports import Signal
from contract.store.database import Database
from contract.store.documents import read
from contract.store.revision import REVISION
from contract.store.status import EDGES, HELD, TERMINAL, Status
from contract.store.tables import LOCAL, TABLES, Base, EpochRow, Event, Job, Result
from diagnosis.report import Diagnosis
from migrations.upgrade import FOLDER

EPOCHS = 5


@contextmanager
def empty_database(url: str) -> Iterator[Database]:
    """A database with the tables and nothing in them, at the revision of this code."""
    database = Database(url)
    with database.engine.begin() as connection:
        Base.metadata.create_all(connection)
        context = MigrationContext.configure(connection)
        context.stamp(ScriptDirectory(str(FOLDER)), REVISION)
    yield database
    database.dispose()


def clear(database: Database) -> None:
    """Delete every row."""
    with database.writing() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


def experiment(**changes: Any) -> Experiment:
    """A small valid experiment; `changes` replace its top-level fields."""
    spec = {
        "name": "small",
        "dataset": {"name": "digits"},
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": 10}]},
        "training": {
            "optimizer": {"type": "SGD"},
            "loss": "categorical_crossentropy",
            "epochs": EPOCHS,
        },
    }
    return Experiment.model_validate(spec | changes)


def submit(
    database: Database, owner: str = LOCAL, upload: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A new queued job's id."""
    with database.writing() as session:
        return queue(session, experiment(**changes), owner=owner, upload=upload)


def queue(session: Session, experiment: Experiment, **about: Any) -> str:
    """A new queued job's id; `about` as in `create.new`."""
    job = create.new(experiment, **about)
    create.submit(session, [job])
    return job.id


def claim(
    database: Database, job_id: str, *, worker: str = "worker_a", lease_seconds: float = 60.0
) -> Claim | None:
    with database.writing() as session:
        job = lifecycle.claim(
            session, job_id, worker_id=worker, devices=["cpu", "any"], lease_seconds=lease_seconds
        )
        return None if job is None else Claim(job.id, job.fence)


def running(database: Database, **changes: Any) -> Claim:
    """A new job, claimed."""
    held = claim(database, submit(database, **changes))
    assert held is not None
    return held


def expire(database: Database, held: Claim) -> bool:
    """Let the lease run out at once, as if the worker had long been silent."""
    with database.writing() as session:
        return lifecycle.renew(session, held, lease_seconds=-1, epoch_fraction=0.0)


def record(database: Database, held: Claim, *epochs: int) -> bool:
    with database.writing() as session:
        return lifecycle.record(
            session,
            held,
            [finished(epoch) for epoch in epochs],
            [measured(epoch) for epoch in epochs],
            checkpoint(held, epochs[-1]),
            lease_seconds=60,
        )


def long_curve(database: Database, epochs: int, **changes: Any) -> str:
    """The id of a running job with so many epochs; of the epochs there are no events."""
    job_id = running(database, **changes).job_id
    metrics = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.1, "val_accuracy": 0.4}
    about = {"job_id": job_id, "fence": 1, "metrics": metrics, "learning_rate": 0.01}
    about["at"] = stored(database, job_id).created_at
    with database.writing() as session:
        rows = [{**about, "epoch": n, "seconds": 0.1} for n in range(1, epochs + 1)]
        session.connection().execute(insert(TABLES["epochs"]), rows)
    return job_id


def succeed(session: Session, held: Claim) -> bool:
    return succeed_with(session, held, result(held.job_id))


def succeed_with(session: Session, held: Claim, row: Result) -> bool:
    return lifecycle.succeed(
        session,
        held,
        row,
        metrics={"test_accuracy": 0.5},
        verdict="undetermined",
        headline="50.0 % on test.",
    )


def reach(
    database: Database, job_id: str, value: float, *, diagnosis: Diagnosis | None = None
) -> None:
    """Run a queued job to its end, with `value` as its test accuracy."""
    held = claim(database, job_id)
    assert held is not None
    found = diagnosis or Diagnosis("undetermined", "It ran.")
    row = result(job_id)
    row.confusion_matrix = [[36 * (true == told) for told in range(10)] for true in range(10)]
    row.diagnosis, row.artifacts = found.to_dict(), {}
    with database.writing() as session:
        assert lifecycle.succeed(
            session,
            held,
            row,
            metrics={"test_accuracy": value},
            verdict=found.verdict,
            headline=found.headline,
        )


def fail(session: Session, held: Claim) -> bool:
    return lifecycle.fail(session, held, {"code": "x", "message": "It broke.", "hint": "Mend it."})


def release(session: Session, held: Claim) -> bool:
    return lifecycle.release(session, held, "its worker stops")


def crash(session: Session, held: Claim) -> bool:
    return lifecycle.crashed(session, held, "killed", max_crashes=3)


def refuse(
    session: Session, held: Claim, *, max_refusals: int = 3, tried_seconds: float = 0.0
) -> bool:
    return lifecycle.refused(
        session,
        held,
        code="storage_full",
        reason="no room",
        tried_seconds=tried_seconds,
        max_refusals=max_refusals,
    )


def cancel(database: Database, job_id: str) -> str:
    """The status that the caller of cancel is told."""
    with database.writing() as session:
        return lifecycle.cancel(session, job_id).status


def reap(database: Database, *, max_crashes: int = 3) -> int:
    with database.writing() as session:
        expired = [lease for lease in lifecycle.leases(session) if lease.expired]
        return lifecycle.reap(session, expired, max_crashes=max_crashes)


def finished(epoch: int) -> FinishedEpoch:
    return FinishedEpoch(epoch, {"loss": 1 / epoch, "accuracy": 0.5}, 0.01, 0.25)


def measured(epoch: int) -> Signal:
    """The loss of the one step that an epoch has; not finite in the second."""
    return Signal("losses", epoch, {"losses": [math.nan if epoch == 2 else 1 / epoch]})


def checkpoint(held: Claim, epoch: int) -> Checkpoint:
    return Checkpoint(f"jobs/{held.job_id}/checkpoints/{held.fence}-{epoch}.npz", "0" * 64)


def result(job_id: str) -> Result:
    return Result(
        job_id=job_id,
        confusion_matrix=[[1, 0], [0, 1]],
        timing={"train_seconds": 1.0},
        environment={"python": "3"},
        diagnosis={"verdict": "undetermined"},
        artifacts={"model": {"key": "m.keras"}},
    )


def stored(database: Database, job_id: str) -> Job:
    with database.reading() as session:
        return session.get_one(Job, job_id)


def stored_checkpoint(database: Database, job_id: str) -> Checkpoint:
    """The newest, of a job that has one."""
    document = stored(database, job_id).checkpoint
    assert document is not None
    return read(Checkpoint, document)


def events(database: Database, job_id: str) -> Sequence[Event]:
    with database.reading() as session:
        wanted = select(Event).where(col(Event.job_id) == job_id).order_by(col(Event.seq))
        return session.exec(wanted).all()


def statuses(database: Database, job_id: str) -> list[str]:
    """The job's statuses in order, as its events tell them."""
    return [e.data["status"] for e in events(database, job_id) if e.type == "status"]


def epoch_rows(database: Database, job_id: str) -> Sequence[EpochRow]:
    with database.reading() as session:
        wanted = select(EpochRow).where(col(EpochRow.job_id) == job_id)
        return session.exec(wanted.order_by(col(EpochRow.epoch))).all()


def check(database: Database, job_id: str) -> None:
    """Fail unless the job's stored history is one that may be."""
    found = faults(events(database, job_id), epoch_rows(database, job_id))
    assert found == [], f"{job_id}: {found}"


def faults(events: Sequence[Event], rows: Sequence[EpochRow]) -> list[str]:
    """What cannot have happened to a job, judged by its events and epoch rows alone."""
    told = [event.data["epoch"] for event in events if event.type == "epoch"]
    numbers = [row.epoch for row in rows]
    whole = list(range(1, len(rows) + 1))
    rules = {
        "events are not numbered 1, 2, 3": [event.seq for event in events]
        == list(range(1, len(events) + 1)),
        "time runs backwards": all(a.at <= b.at for a, b in pairwise(events)),
        "epoch rows are not numbered 1, 2, 3": numbers == whole,
        "the events tell other epochs than the rows": told == whole,
    }
    return [
        *(fault for fault, holds in rules.items() if not holds),
        *_status_faults(events),
        *_fence_faults(events, rows),
    ]


def _fence_faults(events: Sequence[Event], rows: Sequence[EpochRow]) -> Iterator[str]:
    """Each claim raises the fence by one, so the claims told before an epoch are its fence."""
    fences = {row.epoch: row.fence for row in rows}
    claims = 0
    for event in events:
        if event.type == "status":
            claims += event.data["status"] == Status.RUNNING
        epoch = event.data["epoch"] if event.type == "epoch" else None
        if epoch in fences and fences[epoch] != claims:
            yield f"epoch {epoch} was written under claim {fences[epoch]}, after claim {claims}"


def _status_faults(events: Sequence[Event]) -> Iterator[str]:
    status: Status | None = None
    for event in events:
        if status in TERMINAL and event.type != "diagnosis":
            yield f"event {event.seq} comes after the end"
        if event.type == "diagnosis":
            yield from () if status == Status.SUCCEEDED else (f"a proof of a {status} job",)
            continue
        if event.type == "epoch":
            if status not in HELD:
                yield f"epoch {event.data['epoch']} ended while the job was {status}"
            continue
        onward = Status(event.data["status"])
        if onward not in ({Status.QUEUED} if status is None else EDGES[status]):
            yield f"{status} became {onward}"
        status = onward
