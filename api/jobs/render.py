"""Rows into the objects that the API answers with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row
from sqlmodel import Session

from api.jobs import fields, responses
from api.jobs import queries as job_queries
from api.jobs.findings import AcceptedJob, findings
from api.jobs.queries import JobRow
from api.jobs.queue_position import waiting
from api.jobs.urls import urls
from contract.experiment.datasets import facts_for
from contract.jobs.variants import experiment_of
from contract.settings import Settings
from contract.store.documents import read
from contract.store.status import HELD, TERMINAL, Status
from contract.store.tables import Job

_AS_STORED = (responses.Job.model_fields.keys() & Job.model_fields.keys()) - {"spec"}


def jobs(
    connection: Connection,
    rows: Sequence[JobRow],
    queue: Mapping[str, responses.Queue],
    wanted: frozenset[str] = fields.ALL,
) -> list[responses.Job]:
    """As many views as rows, in two statements at most. What is not `wanted` is empty.

    `queue` has what those wait for that are in the queue (`queue_position.waiting`).
    """
    history = job_queries.transitions(connection, _ids(rows)) if "transitions" in wanted else {}
    tags = _tags(connection, rows, wanted)
    return [
        read(
            responses.Job,
            {
                **_columns(row),
                "tags": list(dict.fromkeys(tags.get(row.id, []))),
                "queue": queue.get(row.id),
                "transitions": _transitions(row, history.get(row.id, [])),
                "spec": row.spec if "spec" in wanted else {},
            },
        )
        for row in rows
    ]


def job(session: Session, row: Job, settings: Settings) -> responses.Job:
    """A view of one job, with its place in the queue as it is now."""
    connection = session.connection()
    return jobs(connection, [row], waiting(connection, [row], settings))[0]


def accepted(session: Session, row: Job, settings: Settings) -> AcceptedJob:
    """`job`, as the one that posted it is told of it."""
    experiment = experiment_of(row)
    found = findings(experiment, facts_for(experiment.dataset, row.upload))
    return AcceptedJob.model_construct(**dict(job(session, row, settings)), findings=found)


def _ids(rows: Sequence[JobRow]) -> list[str]:
    return [row.id for row in rows]


def _tags(
    connection: Connection, rows: Sequence[JobRow], wanted: frozenset[str]
) -> Mapping[str, Sequence[str]]:
    """As they were posted: in the spec, whether that is loaded or not."""
    if "spec" in wanted:
        return {row.id: row.spec.get("tags", []) for row in rows}
    return job_queries.tags(connection, _ids(rows)) if "tags" in wanted else {}


def _columns(row: JobRow) -> dict[str, Any]:
    """What follows from the row alone."""
    return {name: getattr(row, name) for name in _AS_STORED} | {
        "terminal": row.status in TERMINAL,
        "progress": _progress(row),
        "worker": row.worker_id,
        "urls": urls(row.id),
    }


def _transitions(row: JobRow, history: Sequence[Any]) -> list[responses.Transition]:
    """Not those that came after `row` was read."""
    return [_transition(event) for event in history if event.seq <= row.events]


def _progress(row: JobRow) -> responses.Progress:
    done = min(row.epochs, row.epoch + row.epoch_fraction)
    eta = None
    if row.status == Status.RUNNING and row.seconds_per_epoch is not None:
        eta = round((row.epochs - done) * row.seconds_per_epoch, 1)
    # A run that stopped early is done, whatever was planned.
    fraction = 1.0 if row.status == Status.SUCCEEDED else round(done / row.epochs, 4)
    return responses.Progress(
        epoch=row.epoch, epochs=row.epochs, fraction=fraction, eta_seconds=eta
    )


def _transition(event: Row[Any]) -> responses.Transition:
    reason = event.data.get("reason") or event.data.get("message")
    return responses.Transition(status=event.data["status"], at=event.at, reason=reason)


def retry_after_seconds(row: JobRow) -> int:
    """When it is worth asking again: by the estimate if there is one, but at least each 30 s."""
    eta = _progress(row).eta_seconds if row.status in HELD else None
    return 2 if eta is None else max(1, min(30, round(eta)))
