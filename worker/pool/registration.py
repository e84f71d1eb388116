"""A worker's row: what it serves, and whether it lives."""

import logging
import os
import socket
from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import col

from contract import ids, logs
from contract.store import clock
from contract.store.clock import now
from contract.store.database import Database
from contract.store.tables import Worker
from worker.pool.trainer_process import TrainerDied

log = logging.getLogger(__name__)


class Registration:
    """One run of a worker process, under an id that no other has."""

    def __init__(self, database: Database) -> None:
        self.id = ids.WORKER.new()
        self._database = database
        logs.describe_process(worker_id=self.id)

    def open(self, devices: Sequence[str], wanted: Sequence[str], slots: int) -> tuple[str, ...]:
        """Returns the queues to listen to: those `wanted`, all unless told, that have a device.

        Raises TrainerDied where none has.
        """
        named = wanted or ("gpu", "any", "cpu")
        queues = tuple(queue for queue in named if queue == "any" or queue in devices)
        if not queues:
            raise TrainerDied(f"PLATEAU_QUEUES is {','.join(named)}, but there is no such device")
        with self._database.writing() as session:
            at = clock.read(session)
            session.add(
                Worker(
                    id=self.id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    devices=list(devices),
                    queues=list(queues),
                    slots=slots,
                    started_at=at,
                    heartbeat_at=at,
                )
            )
        served = f"devices {', '.join(devices)}, queues {', '.join(queues)}"
        log.info("%s: %s, %d slots", self.id, served, slots)
        return queues

    def beat(self) -> None:
        """Note that the worker lives, by the database's clock."""
        self._set(heartbeat_at=now())

    def close(self) -> None:
        """Note that the worker has stopped."""
        self._set(stopped_at=now())

    def _set(self, **times: now) -> None:
        with self._database.writing() as session:
            session.execute(update(Worker).where(col(Worker.id) == self.id).values(**times))
