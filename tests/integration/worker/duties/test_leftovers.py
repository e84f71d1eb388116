"""Nothing is left that no row names: by real workers on every way out of a job's life, and of what
killed processes leave, by those that come after."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import col, select
from ulid import ULID

from contract.experiment.spec import Experiment
from contract.jobs import lifecycle
from contract.proofs import lifecycle as proofs
from contract.settings import Settings
from contract.store import clock
from contract.store.artifacts import ArtifactStore
from contract.store.database import Database
from contract.store.scratch import Scratch
from contract.store.tables import Dataset, Job, Result, RunOf, Worker
from tests import jobs, processes, uploaded
from tests.sites import FAKE, Site, site_on
from worker.duties import delete_leftovers
from worker.duties.delete_leftovers import sweep

LONG, SHORT = 10_000, 3
TRAINED = 2
DAY = timedelta(days=1)


def spec(name: str, epochs: int = LONG, dataset: str = "digits") -> dict[str, Any]:
    found = jobs.experiment(name=name, dataset={"name": dataset})
    document = found.model_dump(mode="json", exclude_unset=True)
    document["training"] |= {"epochs": epochs, "batch_size": 4}
    return document


@pytest.fixture(params=["embedded", "services"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """SQLite and the in-process broker; Postgres and Redis."""
    embedded = request.param == "embedded"
    url = request.getfixturevalue("sqlite_url" if embedded else "postgres_url")
    broker = "memory://" if embedded else request.getfixturevalue("redis_url")
    own = {"PLATEAU_SLOTS": "8", "PLATEAU_MAX_CRASHES": "1", "PLATEAU_FAKE_EPOCH_SECONDS": "0.05"}
    # One crash is the last here: no busy machine must look like one.
    own |= {"PLATEAU_LEASE_SECONDS": "12", "PLATEAU_ABANDON_SECONDS": "10"}
    with site_on(url, broker, tmp_path, **FAKE, **own) as site:
        yield site


def left(site: Site, job_id: str) -> set[str]:
    """The files of a job, by name, in the store."""
    folder = site.artifacts / "jobs" / job_id
    return {path.name for path in folder.rglob("*") if path.is_file()}


def wait_until_left(site: Site, what: str, *job_ids: str, names: set[str]) -> None:
    def so() -> bool:
        return all(left(site, job_id) == names for job_id in job_ids)

    processes.wait_for(f"{what} to leave {names or 'nothing'}", so, 30)
    processes.wait_for(
        f"the row to tell what is stored of {what}",
        lambda: all(bool(site.job(job_id).stored_bytes) == bool(names) for job_id in job_ids),
        30,
    )


class Ways:
    """Jobs that have all trained, each to end in a way of its own."""

    def __init__(self, site: Site, client: httpx.Client) -> None:
        self.client = client
        self.site = site
        self.succeeds = self.post(spec("succeeds", SHORT))
        self.cancelled = self.post(spec("cancelled while it trains"))
        self.crashes = self.post(spec("its trainer is killed"))
        self.waits = self.post(spec("cancelled while it waits"))
        self.reaped = self.post(spec("its worker is killed"))
        self.upload = uploaded.write(site.folder / "dataset.npz", "classification")
        ArtifactStore(str(site.artifacts)).put(self.upload.key, site.folder / "dataset.npz")
        self.fails = site.submit(spec("its dataset is lost", dataset=uploaded.ID), self.upload)
        body = {"base": spec("of a sweep"), "axes": {"/training/seed": [1]}}
        self.sweep = client.post("/v1/sweeps", json=body).raise_for_status().json()
        [self.of_sweep] = [run["job"] for run in self.sweep["cells"][0]["runs"]]
        self.of_proof = ""

    @property
    def unended(self) -> list[str]:
        return [self.waits, self.reaped, self.fails, self.of_sweep, self.of_proof]

    def post(self, body: dict[str, Any]) -> str:
        return str(self.client.post("/v1/jobs", json=body).raise_for_status().json()["id"])

    def prove(self) -> None:
        """A proof of the job that has succeeded, with one run."""
        with self.site.database.writing() as session:
            job = session.get_one(Job, self.succeeds)
            session.add(proofs.repairs_of(job, at=clock.read(session)))
            session.flush()
            run = Experiment.model_validate(spec("of a proof"))
            of = RunOf(job.id, job.id, "trial")
            self.of_proof = jobs.queue(session, run, owner=job.owner, run_of=of)

    def lose_dataset(self) -> None:
        (self.site.artifacts / self.upload.key).unlink()
        shutil.rmtree(self.site.folder / "var" / "arrays")

    def cancel(self, path: str) -> None:
        self.client.post(f"/v1/{path}/cancel").raise_for_status()


@pytest.fixture
def ways(site: Site) -> Iterator[Ways]:
    with site.api() as client:
        yield Ways(site, client)


def test_every_way_out_of_a_job_leaves_what_its_row_names(site: Site, ways: Ways) -> None:
    with site.worker() as worker:
        site.wait_for_end(ways.succeeds)
        wait_until_left(site, "success", ways.succeeds, names={"1.keras"})
        ways.prove()
        for job_id in (ways.cancelled, ways.crashes, *ways.unended):
            site.wait_for_epoch(job_id, TRAINED)
        ways.cancel(f"jobs/{ways.cancelled}")
        os.kill(worker.trainer_pid(ways.crashes), signal.SIGKILL)
        statuses = [job.status for job in site.wait_for_end(ways.cancelled, ways.crashes)]
        assert statuses == ["cancelled", "failed"]
        wait_until_left(site, "a worker's end", ways.cancelled, ways.crashes, names=set())
        assert worker.terminate() == 0
    assert all(left(site, job_id) for job_id in ways.unended)
    assert all(site.job(job_id).stored_bytes for job_id in ways.unended)
    for path in (
        f"jobs/{ways.waits}",
        f"sweeps/{ways.sweep['id']}",
        f"jobs/{ways.succeeds}/repairs",
    ):
        ways.cancel(path)
    ways.lose_dataset()
    nobodys = [ways.waits, ways.of_sweep, ways.of_proof]
    assert [site.job(job_id).status for job_id in nobodys] == ["cancelled"] * 3
    with site.worker() as worker:
        site.wait_for_attempt(ways.reaped, 2)
        wait_until_left(site, "cancels of what waits", *nobodys, names=set())
        assert [job.status for job in site.wait_for_end(ways.fails)] == ["failed"]
        wait_until_left(site, "a failure", ways.fails, names=set())
        worker.process.kill()
        assert left(site, ways.reaped)
    with site.worker(PLATEAU_RETAIN_DAYS="0.000001"):
        assert [job.status for job in site.wait_for_end(ways.reaped)] == ["failed"]
        wait_until_left(site, "the reaper", ways.reaped, names=set())
        wait_until_left(site, "the pruner", ways.succeeds, names=set())
    assert not [path for path in site.artifacts.rglob("*") if path.is_file()]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(var_dir=tmp_path / "var")


class Shelf:
    """A store whose files are as old as told."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.artifacts_url)
        self.store = ArtifactStore(settings.artifacts_url)

    def put(self, key: str, days: float = 1.01) -> str:
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"some bytes")
        age(file, days)
        return key

    def keys(self) -> set[str]:
        return set(self.store.files(""))


def age(path: Path, days: float) -> None:
    then = path.stat().st_mtime - days * DAY.total_seconds()
    os.utime(path, (then, then))


def first_worker(database: Database, days_ago: float) -> None:
    """The service's beginning, as far as its rows tell."""
    with database.writing() as session:
        at = clock.read(session) - days_ago * DAY
        session.add(
            Worker(id=f"worker_{uuid4().hex}", host="h", pid=1, devices=[], queues=[], slots=1,
                   started_at=at, heartbeat_at=at)
        )  # fmt: skip


def made(kind: str, days_ago: float, database: Database) -> str:
    with database.reading() as session:
        return f"{kind}_{ULID.from_datetime(clock.read(session) - days_ago * DAY)}"


@contextmanager
def keeping(shelf: Shelf, *keys: str) -> Iterator[None]:
    yield
    assert shelf.keys() == set(keys)


def ended(database: Database, *kept: str) -> str:
    """A job that has succeeded and names these files, without the folder of its id."""
    held = jobs.running(database)
    row = jobs.result(held.job_id)
    row.artifacts = {name: {"key": f"jobs/{held.job_id}/{name}", "bytes": 10} for name in kept}
    with database.writing() as session:
        assert jobs.succeed_with(session, held, row)
    return held.job_id


def test_of_an_ended_job_what_it_left_stays(database: Database, here: Settings) -> None:
    shelf, job_id = Shelf(here), ended(database, "2.keras", "2.npz")
    kept = [shelf.put(f"jobs/{job_id}/{name}") for name in ("2.keras", "2.npz")]
    for gone in ("1.keras", ".2.keras.part", "checkpoints/2-1.npz", "checkpoints/.2-2.npz.part"):
        shelf.put(f"jobs/{job_id}/{gone}")
    young = shelf.put(f"jobs/{job_id}/3.keras", days=0.99)
    with keeping(shelf, *kept, young):
        sweep(here, database, shelf.store)


def test_of_a_job_that_trains_its_checkpoints_stay(database: Database, here: Settings) -> None:
    shelf, held = Shelf(here), jobs.running(database)
    first, second = (jobs.checkpoint(held, epoch) for epoch in (1, 2))
    with database.writing() as session:
        assert lifecycle.keep(session, held, second.after(first), lease_seconds=60)
    kept = [shelf.put(each.key) for each in (first, second)]
    shelf.put(f"jobs/{held.job_id}/checkpoints/{held.fence}-0.npz")
    under_way = shelf.put(f"jobs/{held.job_id}/{held.fence}.keras", days=0.5)
    with keeping(shelf, *kept, under_way):
        sweep(here, database, shelf.store)


def test_of_datasets_those_with_a_row_stay(database: Database, here: Settings) -> None:
    shelf = Shelf(here)
    first_worker(database, days_ago=9)
    kept, gone, young = (made("ds", days, database) for days in (3, 2, 0.5))
    with database.writing() as session:
        session.add(
            Dataset(id=kept, owner="local", name="own", facts={}, report={}, sha256="0" * 64,
                    key=f"datasets/{kept}.npz", bytes=10, created_at=clock.read(session))
        )  # fmt: skip
    for name in (f"{gone}.npz", f".{gone}.npz.part", f".{kept}.npz.part"):
        shelf.put(f"datasets/{name}")
    stay = [shelf.put(f"datasets/{kept}.npz"), shelf.put(f"datasets/{young}.npz", days=0.5)]
    with keeping(shelf, *stay):
        sweep(here, database, shelf.store)


def test_what_may_be_another_databases_stays(database: Database, here: Settings) -> None:
    """A worker on the wrong database, or on a new one, must not empty the store."""
    shelf = Shelf(here)
    theirs = [
        shelf.put(f"jobs/{made('job', 5, database)}/1.keras"),
        shelf.put(f"datasets/{made('ds', 5, database)}.npz"),
        shelf.put("jobs/notes.txt"),
        shelf.put("somewhere/else.bin"),
    ]
    with keeping(shelf, *theirs):
        sweep(here, database, shelf.store)
        first_worker(database, days_ago=4)
        sweep(here, database, shelf.store)
    first_worker(database, days_ago=6)
    with keeping(shelf, *theirs[2:]):
        sweep(here, database, shelf.store)


def test_a_store_that_is_no_disk_is_swept_too(
    database: Database, here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are as old as it says: those of before the sweep are old enough here."""
    store, job_id = ArtifactStore(f"memory://{uuid4().hex}"), ended(database, "1.keras")
    (tmp_path / "file").write_bytes(b"some bytes")
    for name in ("1.keras", "checkpoints/1-1.npz"):
        store.put(f"jobs/{job_id}/{name}", tmp_path / "file")
    sweep(here, database, store)
    assert len(store.files("jobs")) == 2
    monkeypatch.setattr(delete_leftovers, "AGE", -DAY)
    sweep(here, database, store)
    assert set(store.files("jobs")) == {f"jobs/{job_id}/1.keras"}


def test_what_killed_trainers_left_on_the_node_goes(database: Database, here: Settings) -> None:
    used = Scratch(here.var_dir / "scratch")
    places = ["scratch/1-left", "arrays/.tmpleft", "arrays/.tmpyoung", "arrays/digits"]
    places += ["data/.mnist-left", "data/.mnist-young", "data/.git"]
    for place in places:
        folder = here.var_dir / place
        folder.mkdir(parents=True)
        (folder / "part").write_bytes(b"half")
        age(folder, 0.9 if place.endswith("young") else 2)
    with used.folder() as folder:
        sweep(here, database, Shelf(here).store)
        assert folder.is_dir()
    stay = [place for place in places if (here.var_dir / place).exists()]
    assert stay == ["arrays/.tmpyoung", "arrays/digits", "data/.mnist-young", "data/.git"]
    used.close()


def test_a_job_that_lost_its_end_to_a_cancel_leaves_no_model(
    database: Database, here: Settings
) -> None:
    """The trainer has stored it when its worker is told that the cancel was first."""
    from worker.job.checkpoint_files import Checkpoints

    shelf, held = Shelf(here), jobs.running(database)
    shelf.put(f"jobs/{held.job_id}/1.keras", days=0)
    checkpoints = Checkpoints(jobs.stored(database, held.job_id), shelf.store)
    checkpoints.clear(database)
    assert shelf.keys(), "it has not ended"
    jobs.cancel(database, held.job_id)
    with database.writing() as session:
        assert jobs.succeed(session, held)
    checkpoints.clear(database)
    assert not shelf.keys()
    with database.reading() as session:
        assert not session.exec(
            select(Result.job_id).where(col(Result.job_id) == held.job_id)
        ).all()
