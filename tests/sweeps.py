"""Sweeps for tests, as a client posts them and a worker looks after them: what runs reach is made
up."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import col, select

from contract.jobs import lifecycle
from contract.jobs.reports import FinishedEpoch
from contract.settings import Settings
from contract.store.database import Database
from contract.store.tables import Job, Sweep
from tests import jobs
from worker.duties.advance_sweeps import Searcher

RATE = "/training/optimizer/learning_rate"
UNITS = "/model/layers/1/units"
RATES = [0.1, 0.01]
LAYERS = [
    {"type": "Flatten"},
    {"type": "Dense", "units": 16, "activation": "relu"},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]
SETTINGS = Settings()


def body(**changes: Any) -> dict[str, Any]:
    """A sweep over two learning rates; `changes` replace its members."""
    base = jobs.experiment(model={"layers": LAYERS}).model_dump(mode="json", exclude_unset=True)
    return {"base": base, "axes": {RATE: RATES}, **changes}


def look(database: Database) -> None:
    """Take the steps that any worker may take now, as one that was just started."""
    Searcher(database, SETTINGS).search()


def runs(database: Database, sweep_id: str, *statuses: str) -> Sequence[Job]:
    """The sweep's jobs, in their order; those in `statuses` alone if told."""
    wanted = select(Job).where(Job.sweep_id == sweep_id).order_by(col(Job.id))
    if statuses:
        wanted = wanted.where(col(Job.status).in_(statuses))
    with database.reading() as session:
        return session.exec(wanted).all()


def stored(database: Database, sweep_id: str) -> Sweep:
    with database.reading() as session:
        return session.get_one(Sweep, sweep_id)


def train(database: Database, job_id: str, *values: float, seconds: float = 0.25) -> None:
    """Record an epoch of the job, which is claimed if it waits, for each validation accuracy."""
    job = jobs.stored(database, job_id)
    held = lifecycle.Claim(job_id, job.fence)
    if job.status == "queued":
        claimed = jobs.claim(database, job_id)
        assert claimed is not None
        held = claimed
    epochs = [
        FinishedEpoch(epoch, {"val_accuracy": value, "val_loss": 1 - value}, 0.01, seconds)
        for epoch, value in enumerate(values, job.epoch + 1)
    ]
    point = jobs.checkpoint(held, epochs[-1].epoch)
    with database.writing() as session:
        assert lifecycle.record(session, held, epochs, [], point, lease_seconds=60)


def finish(database: Database, job_id: str) -> None:
    """End a job that trains, as succeeded, or as cancelled where that was asked."""
    with database.writing() as session:
        assert jobs.succeed(session, lifecycle.Claim(job_id, jobs.stored(database, job_id).fence))


def reach(database: Database, job_id: str, value: float) -> None:
    """Run a queued job to its end, with `value` as its validation accuracy after each epoch."""
    train(database, job_id, *[value] * jobs.stored(database, job_id).epochs)
    finish(database, job_id)


def reach_all(database: Database, sweep_id: str, values: Mapping[int, float]) -> None:
    """Let each job that waits reach the value of its cell."""
    for run in runs(database, sweep_id, "queued"):
        assert run.cell is not None
        reach(database, run.id, values[run.cell])
