"""How jobs come into the database: queued, each with its tags and its first event."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from contract import ids
from contract.experiment.spec import Experiment
from contract.jobs.transition import event
from contract.store import clock
from contract.store.tables import TABLES, CellOf, Job, RunOf


def new(
    experiment: Experiment,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | CellOf | None = None,
) -> Job:
    """A job of `owner`, to be submitted; `upload` as in `contract.store.tables.Job`."""
    return Job(
        id=ids.JOB.new(),
        owner=owner,
        name=experiment.name,
        dataset=experiment.dataset.name,
        device=experiment.device,
        priority=experiment.priority,
        spec=experiment.model_dump(mode="json", exclude_unset=True),
        upload=upload,
        retry_of=retry_of,
        **(vars(run_of) if run_of else {}),
        epochs=experiment.training.epochs,
        events=1,
    )


def submit(session: Session, jobs: Sequence[Job]) -> None:
    """Queue new jobs: among their likes they are taken in this order."""
    at = clock.read(session)
    # Those of one millisecond have their order by chance.
    for job, id_ in zip(jobs, sorted(job.id for job in jobs), strict=True):
        job.id, job.created_at, job.updated_at = id_, at, at
    tags = [
        {"job_id": job.id, "tag": tag}
        for job in jobs
        for tag in dict.fromkeys(job.spec.get("tags", ()))
    ]
    events = [dict(event(job, "status", {"status": job.status})) for job in jobs]
    session.flush()  # the sweep or proof that they belong to
    # Not as objects of the session, which cost three times as much.
    rows = {"jobs": [dict(job) for job in jobs], "job_tags": tags, "events": events}
    for table, values in rows.items():
        if values:
            session.connection().execute(insert(TABLES[table]), values)
