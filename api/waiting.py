"""Where a queued job stands, and what it waits for."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from api import queries, views
from contract.settings import Settings
from contract.status import Status
from contract.tables import Job, Worker

# Jobs that ask for a device compete with these for its workers.
_RIVALS = {"cpu": ("cpu", "any"), "gpu": ("gpu", "any"), "any": ("cpu", "gpu", "any")}
_START = {
    "cpu": "make serve, or docker compose up",
    "gpu": "docker compose --profile gpu up, or python -m worker on a machine with a GPU",
    "any": "make serve, or docker compose up",
}


def waiting(session: Session, jobs: Sequence[Job], settings: Settings) -> dict[str, views.Queue]:
    """By id, for those of `jobs` that are queued."""
    queued = [job for job in jobs if job.status == Status.QUEUED]
    if not queued:
        return {}
    positions = _positions(session, [job.id for job in queued])
    alive = queries.alive_workers(session, settings)
    busy = queries.busy_slots(session, [worker.id for worker in alive])
    return {
        job.id: views.Queue(
            position=positions[job.id],
            reason=_reason(job.device, positions[job.id] - 1, alive, busy),
        )
        for job in queued
        if job.id in positions
    }


def _positions(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """Counted in the database, which passes over the queue once, whatever the number of jobs."""
    rows: Any = session.execute(select(_QUEUE).where(_QUEUE.c.id.in_(job_ids))).mappings()
    return {row["id"]: row[row["device"]] for row in rows}


def _rank(device: str) -> ColumnElement[int]:
    counted = func.count().filter(col(Job.device).in_(_RIVALS[device]))
    return counted.over(order_by=[col(Job.priority).desc(), col(Job.id)]).label(device)


# Built once: to build it costs more than to run it.
_QUEUE = (
    select(col(Job.id), col(Job.device), *(_rank(device) for device in _RIVALS))
    .where(col(Job.status) == Status.QUEUED)
    .subquery()
)


def _reason(device: str, ahead: int, alive: Sequence[Worker], busy: Mapping[str, int]) -> str:
    serving = [worker for worker in alive if device in worker.queues]
    if not serving:
        return (
            f'no worker that serves device "{device}" is alive: start one ({_START[device]}); one '
            "that was just started takes up to a minute to load TensorFlow"
        )
    slots = sum(worker.slots for worker in serving)
    free = slots - sum(busy.get(worker.id, 0) for worker in serving)
    reasons = []
    if ahead:
        reasons.append("1 job is ahead" if ahead == 1 else f"{ahead} jobs are ahead")
    if free <= 0:
        reasons.append(f"all {slots} slots of the workers that serve {device} are busy")
    return ", and ".join(reasons) or "a worker is about to take it"
