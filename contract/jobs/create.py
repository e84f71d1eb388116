"""How a job comes into the database: queued, with its tags and its first event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from contract import ids
from contract.experiment.spec import Experiment
from contract.store import clock
from contract.store.status import Status
from contract.store.tables import TABLES, CellOf, Job, RunOf


def submit(
    session: Session,
    experiment: Experiment,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | None = None,
) -> Job:
    """Store `experiment` as a queued job of `owner`; `upload` as in `contract.store.tables.Job`."""
    at = clock.read(session)
    job = new(experiment, at, owner=owner, upload=upload, retry_of=retry_of, run_of=run_of)
    store(session, [job])
    return job


def new(experiment: Experiment, at: datetime, **whose: Any) -> Job:
    """A job made at `at`, to be stored; `whose` as in `new_row`."""
    return Job(**new_row(experiment, at, **whose))


def store(session: Session, jobs: Sequence[Job]) -> None:
    """Queue new jobs: among their likes they are taken in this order."""
    # Those of one millisecond have their order by chance.
    for job, id_ in zip(jobs, sorted(job.id for job in jobs), strict=True):
        job.id = id_
    session.flush()
    store_rows(session, [dict(job) for job in jobs])


def new_row(
    experiment: Experiment,
    at: datetime,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | CellOf | None = None,
) -> dict[str, Any]:
    """The row of a job, to be stored. `at` is the database's time."""
    return _DEFAULTS | {
        "id": ids.JOB.new(),
        "owner": owner,
        "name": experiment.name,
        "dataset": experiment.dataset.name,
        "device": experiment.device,
        "priority": experiment.priority,
        "spec": experiment.model_dump(mode="json", exclude_unset=True),
        "upload": upload,
        "retry_of": retry_of,
        **(vars(run_of) if run_of else {}),
        "epochs": experiment.training.epochs,
        "events": 1,
        "created_at": at,
        "updated_at": at,
    }


_DEFAULTS = {
    name: field.default for name, field in Job.model_fields.items() if not field.is_required()
}


def store_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store new jobs, without the session's bookkeeping: that costs more than all the rest."""
    tags = [
        {"job_id": row["id"], "tag": tag}
        for row in rows
        for tag in dict.fromkeys(row["spec"].get("tags", ()))
    ]
    queued = {"seq": 1, "type": "status", "data": {"status": Status.QUEUED}}
    events = [{**queued, "job_id": row["id"], "at": row["created_at"]} for row in rows]
    for table, values in (("jobs", rows), ("job_tags", tags), ("events", events)):
        if values:
            session.connection().execute(insert(TABLES[table]), values)
