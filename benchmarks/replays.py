"""What it costs to tell a long job's events again to many who missed them.

`python -m benchmarks.replays` starts an API process on SQLite, opens REPLAYS streams at once of a
job with EVENTS events, reads each to its end, and prints seconds and the API's processor time; the
same for replays that begin at places of their own, and for those of as many jobs. Linux only.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete, insert, literal, select, update
from sqlmodel import col

from benchmarks.streams import OPEN, running_api
from contract.store.database import Database
from contract.store.status import Status
from contract.store.tables import Event, Job
from migrations.upgrade import upgrade
from tests import jobs, processes, services

REPLAYS = 100
EVENTS = 10_000
_TOLD = ("seq", "type", "data", "at")


async def replay(port: int, job_id: str, after: int) -> int:
    """Bytes until the end of a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    path = OPEN.format(job_id=job_id).replace("/events", f"/events?after={after}")
    writer.write(path.replace("Host:", "Connection: close\r\nHost:").encode())
    total, last = 0, b""
    while part := await reader.read(1 << 20):
        total += len(part)
        last = (last + part)[-200:]
    writer.close()
    if b"event: end" not in last:
        raise SystemExit("a replay broke off")
    return total


async def replays(port: int, job_ids: Sequence[str], step: int) -> int:
    every = (replay(port, job_ids[n % len(job_ids)], step * n) for n in range(REPLAYS))
    return sum(await asyncio.gather(*every))


def long_jobs(database: Database) -> list[str]:
    """One that has run, and copies of it: only their events are asked for."""
    held = jobs.running(database)
    jobs.record(database, held, *range(1, EVENTS - 2))
    with database.writing() as session:
        jobs.succeed(session, held)
    return [held.job_id, *(_copy(database, held.job_id) for _ in range(REPLAYS - 1))]


def _copy(database: Database, job_id: str) -> str:
    copied = jobs.submit(database)
    with database.writing() as session:
        session.execute(delete(Event).where(col(Event.job_id) == copied))
        events = select(literal(copied), *(getattr(Event, name) for name in _TOLD))
        session.execute(
            insert(Event).from_select(["job_id", *_TOLD], events.where(col(Event.job_id) == job_id))
        )
        ended = {"status": Status.SUCCEEDED, "events": EVENTS}
        session.execute(update(Job).where(col(Job.id) == copied).values(**ended))
    return copied


def measure(pid: int, port: int, what: str, job_ids: Sequence[str], step: int = 0) -> None:
    began, spent = time.perf_counter(), processes.processor_seconds(pid)
    total = asyncio.run(replays(port, job_ids, step))
    wall, spent = time.perf_counter() - began, processes.processor_seconds(pid) - spent
    print(
        f"{REPLAYS} replays {what:25} {wall:5.1f} s, {spent:5.1f} s of the API's processor, "
        f"{total / 1e6:.0f} MB",
        flush=True,
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/plateau.sqlite3"
        upgrade(url)
        database = Database(url)
        job_ids = long_jobs(database)
        database.dispose()
        port = services.free_port()
        with running_api(Path(name), url, port) as pid:
            measure(pid, port, "from the start:", job_ids[:1])
            measure(pid, port, "from places of their own:", job_ids[:1], step=37)
            measure(pid, port, "of as many jobs:", job_ids)
    return 0


if __name__ == "__main__":
    sys.exit(main())
