"""The workers that are alive, and what they do."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, func
from sqlalchemy import select as columns_of

from contract.settings import Settings
from contract.store.clock import recent
from contract.store.status import HELD
from contract.store.tables import TABLES


def alive(connection: Connection, settings: Settings) -> Sequence[Row[Any]]:
    """(id, queues, slots, busy) of the live workers: those that beat their heart within a lease's
    time, by the database's clock. `busy` is how many of the slots hold a job."""
    return connection.execute(_alive(settings.lease_seconds)).all()


@cache
def _alive(lease_seconds: float) -> Select[Any]:
    workers, jobs = TABLES["workers"].c, TABLES["jobs"].c
    held = columns_of(func.count()).where(jobs.worker_id == workers.id, jobs.status.in_(HELD))
    return columns_of(
        workers.id, workers.queues, workers.slots, held.scalar_subquery().label("busy")
    ).where(workers.stopped_at.is_(None), recent(workers.heartbeat_at, lease_seconds))
