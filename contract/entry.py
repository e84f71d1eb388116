"""How a job comes into the database: queued, with its tags and its first event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session
from ulid import ULID

from contract import clock
from contract.proof import RunOf
from contract.spec import Experiment
from contract.status import Status
from contract.tables import TABLES, Job


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
    row = new_job(
        experiment,
        clock.read(session),
        owner=owner,
        upload=upload,
        retry_of=retry_of,
        run_of=run_of,
    )
    store(session, [row])
    return Job(**row)


def new_job(
    experiment: Experiment,
    at: datetime,
    *,
    owner: str,
    upload: dict[str, Any] | None = None,
    retry_of: str | None = None,
    run_of: RunOf | None = None,
) -> dict[str, Any]:
    """The row that `submit` stores. `at` is the database's time."""
    return _DEFAULTS | {
        "id": f"job_{ULID()}",
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


def store(session: Session, rows: Sequence[dict[str, Any]]) -> None:
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
