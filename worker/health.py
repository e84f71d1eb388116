"""`python -m worker.health`: exit 0 when this host's worker renewed its heartbeat of late."""

import socket
import sys

from sqlmodel import col, select

from contract.settings import read_settings
from contract.store.clock import recent
from contract.store.database import Database
from contract.store.tables import Worker


def main() -> int:
    """0 if a worker of this host lives, by the database, else 1: the exit status."""
    settings = read_settings()
    alive = select(Worker.id).where(
        col(Worker.host) == socket.gethostname(),
        col(Worker.stopped_at).is_(None),
        recent(col(Worker.heartbeat_at), settings.lease_seconds),
    )
    with Database(settings.database_url).reading() as session:
        found = session.exec(alive).first()
    if found is None:
        print(f"no worker of this host has beaten in the last {settings.lease_seconds:g} s")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
