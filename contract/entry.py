"""How jobs come into the queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session
from ulid import ULID

from contract import clock
from contract.moves import event
from contract.proof import RunOf
from contract.spec import Experiment
from contract.status import Status
from contract.sweep import CellOf
from contract.tables import Job, JobTag


def submit(
    session: Session,
    experiment: Experiment,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | None = None,
) -> Job:
    """Store `experiment` as a queued job of `owner`; `upload` as in `contract.tables.Job`."""
    at = clock.read(session)
    job = new(experiment, at, owner=owner, upload=upload, retry_of=retry_of, run_of=run_of)
    store(session, [job])
    return job


def new(
    experiment: Experiment,
    at: datetime,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | CellOf | None = None,
) -> Job:
    """A job made at `at`, to be stored."""
    return Job(
        id=f"job_{ULID()}",
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
        created_at=at,
        updated_at=at,
    )


def store(session: Session, jobs: Sequence[Job]) -> None:
    """Queue new jobs: among their likes they are taken in this order."""
    # Those of one millisecond have their order by chance.
    for job, id_ in zip(jobs, sorted(job.id for job in jobs), strict=True):
        job.id = id_
    session.add_all(jobs)
    session.flush()
    for job in jobs:
        tags = dict.fromkeys(job.spec.get("tags", ()))
        session.add_all(JobTag(job_id=job.id, tag=tag) for tag in tags)
        session.add(event(job, "status", {"status": Status.QUEUED}))
    session.flush()
