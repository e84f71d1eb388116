"""Where a queued job stands, and what it waits for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from api.jobs import live_workers, responses
from api.jobs import queries as job_queries
from contract.jobs.refusals import due
from contract.settings import Settings
from contract.store.status import Status
from contract.store.tables import TABLES

# Jobs that ask for a device compete with these for its workers.
_RIVALS = {"cpu": ("cpu", "any"), "gpu": ("gpu", "any"), "any": ("cpu", "gpu", "any")}
_START = {
    "cpu": "make serve, or docker compose up",
    "gpu": "docker compose --profile gpu up, or python -m worker on a machine with a GPU",
    "any": "make serve, or docker compose up",
}
# Nobody needs to know it better, and to count a queue of a million takes a tenth of a second.
COUNTED = 1000


def waiting(
    connection: Connection, jobs: Iterable[job_queries.JobRow], settings: Settings
) -> dict[str, responses.Queue]:
    """By id, for those of `jobs` that are queued."""
    queued = {job.id: job.device for job in jobs if job.status == Status.QUEUED}
    if not queued:
        return {}
    workers = live_workers.alive(connection, settings)
    places = connection.execute(_AHEAD, {"ids": list(queued)}).all()
    refused = _refused(connection, places)
    return {
        row.id: _place(queued[row.id], row.ahead, workers, refused.get(row.id)) for row in places
    }


def _refused(connection: Connection, places: Iterable[Row[Any]]) -> Mapping[str, str]:
    """Why those wait that wait for their next try: their last event tells what the worker said."""
    until: dict[str, datetime] = {row.id: row.next_try for row in places if row.next_try}
    if not until:
        return {}
    job, event = TABLES["jobs"].c, TABLES["events"].c
    last = and_(event.job_id == job.id, event.seq == job.events)
    rows = connection.execute(select(job.id, event.data).where(job.id.in_(until), last))
    return {
        row.id: f"{row.data['reason']}; it is tried again at {until[row.id]:%Y-%m-%dT%H:%M:%SZ}, "
        "and lets others pass until then"
        for row in rows
    }


def _ahead() -> Select[Any]:
    """Of the queued jobs among `ids`: the id, how many rivals are before it, up to COUNTED, and
    when its next try is, where it waits for that."""
    job, rival = TABLES["jobs"], TABLES["jobs"].alias("rivals")
    earlier = (rival.c.priority == job.c.priority) & (rival.c.id < job.c.id)
    # Each is a range of an index, where a single condition for all would be none.
    ranges = [
        select(literal(1).label("one"))
        .where(
            rival.c.status == Status.QUEUED,
            rival.c.device == device,
            or_(*(job.c.device == each for each in _RIVALS[device])),
            before,
            due(rival.c.not_before),
        )
        .correlate(job)
        for device in _RIVALS
        for before in (rival.c.priority > job.c.priority, earlier)
    ]
    counted = union_all(*ranges).limit(COUNTED).subquery()
    ahead = select(func.count()).select_from(counted).scalar_subquery().label("ahead")
    next_try = case((due(job.c.not_before), None), else_=job.c.not_before).label("next_try")
    return select(job.c.id, ahead, next_try).where(
        job.c.id.in_(bindparam("ids", expanding=True)), job.c.status == Status.QUEUED
    )


# Built once: to build it costs more than to run it.
_AHEAD = _ahead()


def _place(
    device: str, ahead: int, workers: Sequence[Row[Any]], refused: str | None = None
) -> responses.Queue:
    reason = refused or _reason(device, ahead, workers)
    return responses.Queue(position=ahead + 1, reason=reason)


def _reason(device: str, ahead: int, workers: Sequence[Row[Any]]) -> str:
    serving = [worker for worker in workers if device in worker.queues]
    if not serving:
        return (
            f'no worker that serves device "{device}" is alive: start one ({_START[device]}); one '
            "that was just started takes up to a minute to load TensorFlow"
        )
    slots = sum(worker.slots for worker in serving)
    reasons = [_told(ahead)] if ahead else []
    if slots <= sum(worker.busy for worker in serving):
        reasons.append(f"all {slots} slots of the workers that serve {device} are busy")
    return ", and ".join(reasons) or "a worker is about to take it"


def _told(ahead: int) -> str:
    if ahead == COUNTED:
        return f"{ahead:,} jobs or more are ahead"
    return "1 job is ahead" if ahead == 1 else f"{ahead} jobs are ahead"
