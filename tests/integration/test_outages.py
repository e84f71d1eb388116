"""What is answered while the database is another version's or damaged, or files have run out."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from contract.store.database import Database
from contract.store.revision import REVISION
from contract.store.status import Status
from migrations.upgrade import FOLDER
from tests import jobs, processes, services
from tests.integration.api.jobs.test_jobs import spec
from tests.served import problem, serving, settings_for
from tests.sites import FAKE, Site, site_on

NEWER = "9999"


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with site_on(database_url, "memory://", tmp_path, **FAKE) as site:
        yield site


def set_revision(url: str, revision: str) -> None:
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    database.dispose()


def test_the_revision_is_that_of_the_newest_migration() -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == REVISION


def test_nothing_is_written_to_a_newer_schema(database_url: str, tmp_path: Path) -> None:
    with serving(settings_for(database_url, tmp_path)) as api:
        job_id = api.post("/v1/jobs", **spec())["id"]
        set_revision(database_url, NEWER)
        processes.wait_for(
            "the schema to be looked at again",
            lambda: api.client.post("/v1/jobs", json=spec()).status_code == 503,
        )
        for path, body in (("/v1/jobs", spec()), (f"/v1/jobs/{job_id}/cancel", None)):
            told = problem(api.client.post(path, json=body), 503)
            assert NEWER in told["detail"]
            assert REVISION in told["detail"]
        assert NEWER in api.refused("/readyz", 503)["detail"]
        assert api.get(f"/v1/jobs/{job_id}")["status"] == "queued"
        set_revision(database_url, REVISION)
        assert api.get("/readyz")["status"] == "ready"
        assert api.client.post("/v1/jobs", json=spec()).status_code == 202


def test_a_worker_takes_nothing_from_a_newer_schema(site: Site, database_url: str) -> None:
    with site.worker() as worker:
        site.wait_for_end(site.submit(spec()))
        set_revision(database_url, NEWER)
        said = "no job is taken"
        processes.wait_for("the worker to say so", lambda: said in worker.log.read_text())
        late = late_job(site)
        assert site.job(late).status == Status.QUEUED
        set_revision(database_url, REVISION)
        (ended,) = site.wait_for_end(late)
        assert ended.status == Status.SUCCEEDED
        assert worker.log.read_text().count(said) == 1


def late_job(site: Site) -> str:
    """A queued job that came by another way than a database of this version."""
    database = Database(site.environment["PLATEAU_DATABASE_URL"])
    database.check_schema = lambda: None  # type: ignore[method-assign]
    job_id = jobs.submit(database)
    database.dispose()
    return job_id


def test_a_damaged_file_is_said_to_be_damaged(sqlite_url: str, tmp_path: Path) -> None:
    """Where only a page is damaged that readiness does not look at, from the first that met it."""
    with serving(settings_for(sqlite_url, tmp_path)) as api:
        for _ in range(20):
            jobs.submit(api.database)
        with api.database.engine.connect() as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    damage(file)
    with serving(settings_for(sqlite_url, tmp_path), migrated=False) as api:
        told = problem(api.client.get("/v1/jobs"), 503)
        assert told["type"] == "/problems/unavailable"
        assert "damaged" in api.refused("/readyz", 503)["detail"]
        assert api.get("/healthz") == {"status": "ok"}


def damage(file: Path) -> None:
    """All pages but the first, which has the schema."""
    size = file.stat().st_size
    with file.open("r+b") as whole:
        whole.seek(4096)
        whole.write(os.urandom(size - 4096))


def test_no_more_files_is_503_until_there_are(sqlite_url: str, tmp_path: Path) -> None:
    port = services.free_port()
    with site_on(sqlite_url, "memory://", tmp_path) as site:
        job_id = jobs.submit(site.database)
        with (
            site.spawn("api", site.log_of("api"), {"PLATEAU_PORT": str(port)}) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            try:
                wait_until_ready(client)
                limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
                files = sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (files, limits[1]))
                paths = (f"/v1/jobs/{job_id}/curves.png", "/v1/jobs?dataset=digits", "/docs")
                found = {client.get(path).status_code for path in paths * 3}
                posted = [client.post("/v1/jobs", json=spec()) for _ in range(3)]
                found |= {each.status_code for each in posted}
                assert found <= {200, 202, 503}, [each.text for each in posted]
                processes.wait_for("a look", lambda: client.get("/readyz").status_code == 503)
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
                wait_until_ready(client)
                assert client.post("/v1/jobs", json=spec()).status_code == 202
            finally:
                process.kill()


def wait_until_ready(client: httpx.Client) -> None:
    def ready() -> bool:
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    processes.wait_for("readiness", ready)
