"""What a look at a large sweep with a pruner costs a worker.

`python -m benchmarks.looks` makes one of CELLS cells, half of which have ended, with EPOCHS epochs
each. It prints the processor time of a worker's first look, and of LOOKS more with an epoch of two
runs before each.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sqlalchemy import insert, update
from sqlmodel import col

from contract.settings import Settings
from contract.store.database import Database
from contract.store.tables import LOCAL, EpochRow, Job, Sweep
from contract.sweeps import lifecycle as sweeps_lifecycle
from contract.sweeps.plan import MedianPruner, Objective, Plan
from migrations.upgrade import upgrade
from tests import jobs, sweeps
from worker.duties.advance_sweeps import Searcher

CELLS, EPOCHS, LOOKS = 300, 2_000, 9


def fill(database: Database) -> list[str]:
    """A sweep whose pruner knows all; returns the runs that train."""
    base = sweeps.body()["base"]
    base["training"]["epochs"] = 2 * EPOCHS
    rates = [n / 1_000 for n in range(1, CELLS + 1)]
    plan = Plan(
        axes={sweeps.RATE: rates},
        objective=Objective(metric="val_accuracy", goal="max"),
        pruner=MedianPruner(type="MedianPruner"),
    )
    sweep = Sweep(
        id="sweep_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        owner=LOCAL,
        name="rates",
        base=base,
        uploads={},
        plan=plan.model_dump(mode="json"),
        cells=[],
        trials={str(n): {"epoch": EPOCHS, "attrs": {}, "pruned": False} for n in range(CELLS)},
        created_at=datetime.now(UTC),
    )
    experiment = jobs.experiment(**{name: base[name] for name in ("dataset", "model", "training")})
    with database.writing() as session:
        session.add(sweep)
        session.flush()
        ids = [
            job.id
            for job in sweeps_lifecycle.add(session, sweep, [([r], experiment) for r in rates])
        ]
    with database.writing() as session:
        for number, job_id in enumerate(ids):
            rows = [_row(job_id, epoch) for epoch in range(1, EPOCHS + 1)]
            session.execute(insert(EpochRow), rows)
            status = "running" if number % 2 else "succeeded"
            moved = {"status": status, "epoch": EPOCHS, "events": EPOCHS + 2, "fence": 1}
            session.execute(update(Job).where(col(Job.id) == job_id).values(**moved))
    return ids[1::2]


def _row(job_id: str, epoch: int) -> dict[str, Any]:
    metrics = {"loss": 1 / epoch, "accuracy": 0.5, "val_loss": 1 / epoch, "val_accuracy": 0.5}
    told = {"learning_rate": 0.01, "seconds": 0.1, "at": datetime.now(UTC)}
    return {"job_id": job_id, "epoch": epoch, "fence": 1, "metrics": metrics, **told}


def train(database: Database, job_ids: list[str], epoch: int) -> None:
    with database.writing() as session:
        for job_id in job_ids:
            session.execute(insert(EpochRow), [_row(job_id, epoch)])
            moved = {"epoch": epoch, "events": Job.events + 1}
            session.execute(update(Job).where(col(Job.id) == job_id).values(**moved))


def seconds(look: Callable[[], None]) -> float:
    """Of processor."""
    began = time.process_time()
    look()
    return time.process_time() - began


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/plateau.sqlite3"
        upgrade(url)
        database = Database(url)
        running = fill(database)
        searcher = Searcher(database, Settings())
        print(f"first look: {seconds(searcher.search):.3f} s", flush=True)
        taken = []
        for epoch in range(EPOCHS + 1, EPOCHS + 1 + LOOKS):
            train(database, running[:2], epoch)
            taken.append(seconds(searcher.search))
        print(f"a look after two epochs: median {median(taken):.4f} s of {LOOKS}", flush=True)
        database.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
