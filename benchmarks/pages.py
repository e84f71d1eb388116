"""Whether pages stay flat: what each costs with a thousand jobs, and with a million.

`python -m benchmarks.pages` makes two SQLite databases in a folder of their own, one of 1,000 jobs
with 15,000 epochs and one of 1,000,000 with 15,000,000, serves each with an API process, and asks
for the same pages of both in turn. It prints medians and spreads, and the ratio of the large to
the small. `--jobs` makes the large one smaller. The rows are those of jobs that ran: made by SQL,
from one job that went through the service's own functions. Of each fifty jobs 32 are a sweep's.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.streams import running_api
from contract.store.database import Database
from contract.store.sqlite import DRIVER
from contract.store.tables import LOCAL, TABLES, Sweep, SweepStatus
from contract.sweeps.plan import Objective, Plan
from migrations.upgrade import upgrade
from tests import jobs, services, sweeps

SMALL, LARGE = 1_000, 1_000_000
EPOCHS = 15
LOOKS = 101
MAX_RATIO = 1.5
# Of a hundred jobs; the rest has succeeded. Those of the queue are the newest 100, whatever the
# number of jobs: a queue is what workers have not come to.
_FAILED, _CANCELLED, _TAGGED = 3, 1, 10
QUEUED = 100
PAGES = {
    "newest 20": "/v1/jobs",
    "newest 100": "/v1/jobs?limit=100",
    "oldest 20": "/v1/jobs?order=asc",
    "20 in the middle": "/v1/jobs?after={middle}",
    "status=failed": "/v1/jobs?status=failed",
    "status=failed, cancelled": "/v1/jobs?status=failed&status=cancelled",
    "status=queued": "/v1/jobs?status=queued",
    "status=running (none)": "/v1/jobs?status=running",
    "verdict=unhealthy": "/v1/jobs?verdict=unhealthy",
    "dataset=mnist": "/v1/jobs?dataset=mnist",
    "dataset=iris (none)": "/v1/jobs?dataset=iris",
    "tag=common": "/v1/jobs?tag=common",
    "tag=rare": "/v1/jobs?tag=rare",
    "tag=rare, status=failed": "/v1/jobs?tag=rare&status=failed",
    "one job": "/v1/jobs/{middle}",
    "one queued job": "/v1/jobs/{last}",
    "events": "/v1/jobs/{middle}/events",
    "curves": "/v1/jobs/{middle}/curves",
    "results": "/v1/jobs/{middle}/results",
    "sweeps": "/v1/sweeps",
    "a sweep's table": "/v1/sweeps/{sweep}",
    "/metrics": "/metrics",
}
# A sweep in each fifty jobs, so that a page of them is full: cells, and runs of each.
_PER_SWEEP, CELLS, SEEDS = 50, 16, 2


@dataclass(frozen=True)
class Site:
    """A database of `jobs` jobs, and the API that serves it."""

    connection: HTTPConnection
    paths: dict[str, str]

    def look(self, page: str) -> float:
        """Milliseconds that a page took."""
        began = time.perf_counter()
        self.connection.request("GET", self.paths[page])
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"GET {self.paths[page]} was answered with {answer.status}")
        return (time.perf_counter() - began) * 1000


def fill(url: str, file: Path, number: int) -> dict[str, str]:
    """Make `number` jobs; the ids of the one in the `middle`, of the `last` and of a `sweep`."""
    database = Database(url)
    # A run of a sweep names its seed.
    training = jobs.experiment().training.model_dump(mode="json")
    held = jobs.running(database, training=training)
    jobs.record(database, held, *range(1, EPOCHS + 1))
    with database.writing() as session:
        jobs.succeed(session, held)
        session.add(_sweep(held.job_id))
    database.dispose()
    connection = DRIVER.connect(file, isolation_level=None)
    # Nobody misses what a power cut takes: without a journal it is written once.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        connection.execute(f"PRAGMA {pragma}")
    _copy(connection, held.job_id, number)
    connection.close()
    made = held.job_id[4:16]
    return {
        "middle": f"job_{made}{number // 2:014d}",
        "last": f"job_{made}{number:014d}",
        "sweep": f"sweep_{made}{number // 2 // _PER_SWEEP:014d}",
    }


def _sweep(job_id: str) -> Sweep:
    """The one that all are copies of; its id is that of the copy that no job belongs to."""
    rates = [n / 100 for n in range(1, CELLS + 1)]
    plan = Plan(
        axes={sweeps.RATE: rates}, seeds=SEEDS, objective=Objective(metric="val_loss", goal=None)
    )
    return Sweep(
        id=f"sweep_{job_id[4:16]}{'Z' * 14}",
        owner=LOCAL,
        name="rates",
        status=SweepStatus.DONE,
        base=sweeps.body()["base"],
        uploads={},
        plan=plan.model_dump(mode="json"),
        cells=[[rate] for rate in rates],
        created_at=datetime.now(UTC),
    )


def _copy(connection: Any, job_id: str, number: int) -> None:
    """All rows of a job, `number` times, each time with another id."""
    new = f"'job_{job_id[4:16]}' || printf('%014d', n.n)"
    connection.execute("CREATE TEMP TABLE n (n INTEGER PRIMARY KEY)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO n VALUES (?)", ((each,) for each in range(1, number + 1)))
    own = {"jobs": _jobs(job_id, new, number), **{part: {"job_id": new} for part in _PARTS}}
    own["results"]["artifacts"] = "'{}'"
    connection.execute(
        "INSERT INTO sweeps SELECT "
        + ", ".join(
            _sweep_id(job_id, f"n.n / {_PER_SWEEP}") if name == "id" else f"t.{name}"
            for name in (column.name for column in TABLES["sweeps"].columns)
        )
        + f" FROM n CROSS JOIN sweeps t WHERE n.n % {_PER_SWEEP} = 1"
    )
    for table, differing in own.items():
        names = [column.name for column in TABLES[table].columns]
        values = ", ".join(differing.get(name, f"t.{name}") for name in names)
        key = "id" if table == "jobs" else "job_id"
        connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
            f"FROM n CROSS JOIN {table} t WHERE t.{key} = ? ORDER BY n.n",
            (job_id,),
        )
    for tag, every in (("common", _TAGGED), ("rare", number // 25)):
        connection.execute(
            f"INSERT INTO job_tags SELECT '{tag}', {new} FROM n WHERE n.n % {every} = 0"
        )
    connection.execute("COMMIT")


_PARTS = ("events", "epochs", "results", "signals")


def _sweep_id(job_id: str, number: str) -> str:
    """As SQL, of the sweep with this number."""
    return f"'sweep_{job_id[4:16]}' || printf('%014d', {number})"


def _jobs(job_id: str, new: str, number: int) -> dict[str, str]:
    """The columns in which the copies differ, as SQL of their number n."""
    hundredth = "n.n % 100"
    run = f"(n.n - 1) % {_PER_SWEEP}"
    swept = f"CASE WHEN {run} < {CELLS * SEEDS} THEN"
    return {
        "id": new,
        "status": f"CASE WHEN n.n > {number - QUEUED} THEN 'queued' "
        f"WHEN {hundredth} < {_FAILED} THEN 'failed' "
        f"WHEN {hundredth} < {_FAILED + _CANCELLED} THEN 'cancelled' ELSE t.status END",
        "verdict": f"CASE WHEN {hundredth} < 10 THEN 'unhealthy' ELSE 'healthy' END",
        "dataset": f"CASE WHEN {hundredth} < 50 THEN 'mnist' ELSE t.dataset END",
        "sweep_id": f"{swept} {_sweep_id(job_id, f'n.n / {_PER_SWEEP}')} END",
        "cell": f"{swept} {run} / {SEEDS} END",
    }


@contextmanager
def site(folder: Path, number: int) -> Iterator[Site]:
    file = folder / f"{number}.sqlite3"
    url = f"sqlite:///{file}"
    upgrade(url)
    began = time.perf_counter()
    made = fill(url, file, number)
    print(f"{number:,} jobs made in {time.perf_counter() - began:.0f} s", flush=True)
    port = services.free_port()
    with running_api(folder / str(number), url, port):
        paths = {name: path.format_map(made) for name, path in PAGES.items()}
        yield Site(HTTPConnection("127.0.0.1", port), paths)


def compare(small: Site, large: Site) -> bool:
    """Medians and quartiles of LOOKS, the two in turn: other load hits both alike."""
    print(f"{'page':26} {'small, ms':>20} {'large, ms':>20} {'ratio':>6}")
    flat = True
    for page in PAGES:
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(LOOKS):
            for each, looks in zip((small, large), taken, strict=True):
                looks.append(each.look(page))
        ratio = median(taken[1]) / median(taken[0])
        flat &= ratio <= MAX_RATIO
        print(f"{page:26} {_shown(taken[0]):>20} {_shown(taken[1]):>20} {ratio:6.2f}", flush=True)
    return flat


def _shown(milliseconds: Sequence[float]) -> str:
    low, middle, high = quantiles(milliseconds, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description="whether pages stay flat from 1,000 jobs on")
    parser.add_argument("--jobs", type=int, default=LARGE, help="of the large database")
    parser.add_argument("--folder", type=Path, help="where the databases are made (10 GB)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder))
        sites = [stack.enter_context(site(Path(name), n)) for n in (SMALL, arguments.jobs)]
        return 0 if compare(*sites) else 1


if __name__ == "__main__":
    sys.exit(main())
