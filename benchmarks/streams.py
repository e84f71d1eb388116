"""What idle event streams cost: the API's memory, and the time of a GET beside them.

`python -m benchmarks.streams` starts an API process on SQLite, asks for a job again and again for
SECONDS, the same while another process holds STREAMS streams of JOBS jobs open, and the same again
after it. It prints resident memory and percentiles, and ends with 1 if the limits are not kept.
Linux only.
"""

import asyncio
import http.client
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import mean, quantiles

from api.server import allow_many_connections
from contract.store.database import Database
from migrations.upgrade import upgrade
from tests import jobs, processes, services

STREAMS = 1_000
JOBS = 100
SECONDS = 20.0  # a heartbeat of each stream is within
MAX_MEGABYTES = 200
MAX_RATIO = 2.0
ROOT = Path(__file__).parents[1]
OPEN = (
    "GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
)


@dataclass(frozen=True)
class Figures:
    """Resident memory of the API in MB, and what a GET of a job took, in ms."""

    megabytes: float
    requests: int
    p50: float
    p99: float

    def __str__(self) -> str:
        return (
            f"{self.megabytes:6.1f} MB resident, {self.requests:6,} GETs: "
            f"p50 {self.p50:5.2f} ms, p99 {self.p99:5.2f} ms"
        )


@contextmanager
def running_api(folder: Path, database_url: str, port: int) -> Iterator[int]:
    """The process id of an API that answers."""
    environment = {
        **os.environ,
        "PLATEAU_VAR_DIR": str(folder),
        "PLATEAU_DATABASE_URL": database_url,
        "PLATEAU_PORT": str(port),
        "PLATEAU_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "api"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            processes.wait_for("the API", lambda: _answers(process, port))
            yield process.pid
        finally:
            process.terminate()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        raise SystemExit("the API ended while it was starting")
    try:
        return status_of(http.client.HTTPConnection("127.0.0.1", port), "/readyz") == 200
    except OSError:
        return False


def status_of(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def measured(pid: int, port: int, job_id: str, seconds: float = SECONDS) -> Figures:
    """One client that asks for a job, one request after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    path = f"/v1/jobs/{job_id}"
    milliseconds: list[float] = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        if status_of(connection, path) != 200:
            raise SystemExit(f"GET {path} was not answered with 200")
        milliseconds.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(milliseconds, n=100)
    return Figures(processes.resident_megabytes(pid), len(milliseconds), cuts[49], cuts[98])


def hold(port: int, job_ids: Sequence[str], ready: Event, release: Event) -> None:
    """In a process of its own: open the streams, and read whatever comes until `release`."""
    allow_many_connections()
    asyncio.run(_hold(port, job_ids, ready, release))


async def _hold(port: int, job_ids: Sequence[str], ready: Event, release: Event) -> None:
    readers = []
    writers = []
    for number in range(STREAMS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPEN.format(job_id=job_ids[number % len(job_ids)]).encode())
        await reader.readuntil(b"id: 2\n\n")
        readers.append(asyncio.create_task(_drain(reader)))
        writers.append(writer)
    ready.set()
    await asyncio.to_thread(release.wait)
    if any(task.done() for task in readers):
        raise SystemExit("a stream ended by itself")
    for writer in writers:
        writer.close()
    await asyncio.gather(*readers)


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


@contextmanager
def streams(port: int, job_ids: Sequence[str]) -> Iterator[None]:
    """All of them open, and none of them ended by itself."""
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(port, job_ids, ready, release))
    holder.start()
    try:
        if not ready.wait(120):
            raise SystemExit("the streams could not be opened within 120 s")
        yield
    finally:
        release.set()
        holder.join()
    if holder.exitcode != 0:
        raise SystemExit("the streams did not stay open")


def compare(pid: int, port: int, job_ids: Sequence[str]) -> bool:
    """Before, with and after the streams: other load of the machine shows in the difference."""
    before = measured(pid, port, job_ids[0])
    print(f"before the streams:  {before}", flush=True)
    with streams(port, job_ids):
        within = measured(pid, port, job_ids[0])
    print(f"{STREAMS:,} idle streams:  {within}", flush=True)
    after = measured(pid, port, job_ids[0])
    print(f"after the streams:   {after}", flush=True)
    added = within.megabytes - before.megabytes
    ratio = within.p99 / mean((before.p99, after.p99))
    print(f"added: {added:.1f} MB, {1000 * added / STREAMS:.0f} kB a stream; p99 x {ratio:.2f}")
    return within.megabytes < MAX_MEGABYTES and ratio < MAX_RATIO


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/plateau.sqlite3"
        upgrade(url)
        database = Database(url)
        job_ids = [jobs.running(database).job_id for _ in range(JOBS)]
        database.dispose()
        port = services.free_port()
        with running_api(Path(name), url, port) as pid:
            measured(pid, port, job_ids[0], seconds=3)  # warms up
            return 0 if compare(pid, port, job_ids) else 1


if __name__ == "__main__":
    sys.exit(main())
