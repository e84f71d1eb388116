"""Sites for tests: an API and workers as processes, on a database and broker of choice."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import text
from sqlmodel import col, select

from contract.experiment.datasets import Upload
from contract.experiment.spec import Experiment
from contract.settings import Settings
from contract.store.database import Database
from contract.store.status import TERMINAL
from contract.store.tables import LOCAL, EpochRow, Event, Job, Worker
from migrations.upgrade import upgrade
from tests import jobs, processes, services

ROOT = Path(__file__).parents[1]
# Leases short enough that a test can outlive them.
QUICK = {
    "PLATEAU_HEARTBEAT_SECONDS": "0.3",
    "PLATEAU_LEASE_SECONDS": "2",
    "PLATEAU_ABANDON_SECONDS": "1.5",
    "PLATEAU_REAP_SECONDS": "0.3",
    "PLATEAU_QUEUE_WATCH_SECONDS": "0.2",
    "PLATEAU_CANCEL_POLL_SECONDS": "0.1",
    "PLATEAU_SLOTS": "2",
    "PLATEAU_CHECKPOINT_SECONDS": "0",
}
# The same as the service has them unless told.
DEFAULTS = {
    name: str(Settings.model_fields[name.removeprefix("PLATEAU_").lower()].default)
    for name in QUICK
    if name.endswith("_SECONDS")
}
# (epoch, every metric bit for bit) of each epoch.
Curve = list[tuple[int, str]]
FAKE = {"PLATEAU_TRAINER": "tests.fake_trainer"}


@dataclass
class Site:
    """What the processes of one test have in common: database, broker, folders."""

    folder: Path
    database: Database
    environment: dict[str, str]
    started: int = field(default=0)

    @contextmanager
    def worker(self, **more: str) -> Iterator["RunningWorker"]:
        """A worker that is ready to consume; killed at the end if it still runs."""
        with self._running("worker", more) as (process, log):
            processes.wait_for(f"a worker; its log: {log}", lambda: self.registered(process))
            yield RunningWorker(process, log)

    @contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """A client of an API process that is ready."""
        port = str(services.free_port())
        with (
            self._running("api", {"PLATEAU_PORT": port}) as (process, log),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):

            def connect() -> None:
                client.get("/readyz").raise_for_status()

            processes.wait_until_ready(process, log, connect, httpx.HTTPError)
            yield client

    @contextmanager
    def _running(
        self, module: str, more: Mapping[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        log = self.log_of(module)
        with self.spawn(module, log, more) as process:
            try:
                yield process, log
            except BaseException as error:
                error.add_note(f"{module} said:\n{processes.tail(log, 40)}")
                raise
            finally:
                if process.poll() is None:
                    process.kill()

    @property
    def artifacts(self) -> Path:
        """Where models and checkpoints lie."""
        return Path(self.environment["PLATEAU_VAR_DIR"]) / "artifacts"

    def log_of(self, module: str) -> Path:
        """A new name for the log of a process."""
        self.started += 1
        return self.folder / f"{module}-{self.started}.log"

    def spawn(self, module: str, log: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """`python -m module`, which adds to its log; `more` is added to the environment."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env={**os.environ, **self.environment, **more},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def submit(self, experiment: Mapping[str, object], upload: Upload | None = None) -> str:
        spec = Experiment.model_validate(experiment)
        stored = upload.to_dict() if upload else None
        with self.database.writing() as session:
            return jobs.queue(session, spec, owner=LOCAL, upload=stored)

    def job(self, job_id: str) -> Job:
        with self.database.reading() as session:
            return session.get_one(Job, job_id)

    def wait_for_epoch(self, job_id: str, epoch: int) -> None:
        processes.wait_for(f"epoch {epoch}", lambda: self.job(job_id).epoch >= epoch)

    def wait_for_attempt(self, job_id: str, attempt: int) -> None:
        processes.wait_for(f"attempt {attempt}", lambda: self.job(job_id).attempts >= attempt)

    def wait_for_end(self, *job_ids: str) -> list[Job]:
        return [self._ended(job_id) for job_id in job_ids]

    def _ended(self, job_id: str) -> Job:
        processes.wait_for(f"the end of {job_id}", lambda: self.job(job_id).status in TERMINAL)
        return self.job(job_id)

    def epochs(self, job_ids: Sequence[str]) -> int:
        """How many are recorded of these jobs in all."""
        with self.database.reading() as session:
            return sum(session.exec(select(Job.epoch).where(col(Job.id).in_(job_ids))))

    def ended(self) -> set[str]:
        """The jobs that have ended."""
        with self.database.reading() as session:
            return set(session.exec(select(Job.id).where(col(Job.status).in_(TERMINAL))))

    def curve(self, job_id: str) -> Curve:
        """As stored."""
        with self.database.reading() as session:
            rows = session.exec(
                select(EpochRow).where(col(EpochRow.job_id) == job_id).order_by(col(EpochRow.epoch))
            ).all()
        return [
            (row.epoch, " ".join(f"{k}={float(v).hex()}" for k, v in sorted(row.metrics.items())))
            for row in rows
        ]

    def statuses(self, job_id: str) -> list[str]:
        """The job's statuses in order; checks on the way that its events have no gap."""
        with self.database.reading() as session:
            events = session.exec(
                select(Event).where(col(Event.job_id) == job_id).order_by(col(Event.seq))
            ).all()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [event.data["status"] for event in events if event.type == "status"]

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While no process is within a transaction: one that is stopped there keeps its locks."""
        with self.database.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.connection.execute("BEGIN EXCLUSIVE")
            else:
                connection.execute(text("LOCK TABLE jobs, workers IN ACCESS EXCLUSIVE MODE"))
            try:
                yield
            finally:
                connection.connection.rollback()

    def registered(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a worker has begun to serve."""
        assert process.poll() is None, "the worker ended while it was starting"
        with self.database.reading() as session:
            return (
                session.exec(select(Worker.id).where(col(Worker.pid) == process.pid)).first()
                is not None
            )


@contextmanager
def site_on(url: str, broker: str, folder: Path, **environment: str) -> Iterator[Site]:
    """A site on a migrated, empty database; nothing runs yet."""
    upgrade(url)
    database = Database(url)
    settings = {
        **QUICK,
        "PLATEAU_VAR_DIR": str(folder / "var"),
        "PLATEAU_DATABASE_URL": url,
        "PLATEAU_BROKER_URL": broker,
        **environment,
    }
    yield Site(folder, database, settings)
    database.dispose()


def trainer_pid(log: Path, job_id: str, attempt: int | None = None) -> int | None:
    """The process that trained `job_id`, by its worker's own word: last, or in that attempt."""
    which = r"\d+" if attempt is None else attempt
    found = re.findall(rf"{job_id}: attempt {which}, trainer (\d+)", log.read_text())
    return int(found[-1]) if found else None


@dataclass
class RunningWorker:
    process: subprocess.Popen[bytes]
    log: Path

    def trainer_pid(self, job_id: str) -> int:
        """The process that trains `job_id`, which has begun."""
        pid = trainer_pid(self.log, job_id)
        assert pid is not None
        return pid

    def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(processes.STOP_SECONDS)
