"""Backups as docs/operations.md has them, taken while jobs train, and gone back to."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import jobs, services
from tests.sites import FAKE, Site, site_on

SQLITE = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"
EPOCHS = 30


def experiment(seed: int) -> dict[str, object]:
    spec = jobs.experiment().model_dump(mode="json", exclude_unset=True)
    return {**spec, "training": {**spec["training"], "epochs": EPOCHS, "seed": seed}}


@contextmanager
def restored_sqlite(site: Site, folder: Path) -> Iterator[str]:
    """The URL of a copy of the site's database as it is now."""
    file = folder / "backup.sqlite3"
    original = str(site.database.engine.url.database)
    subprocess.run([sys.executable, "-c", SQLITE, original, str(file)], check=True)
    yield f"sqlite:///{file}"


@contextmanager
def restored_postgres(site: Site, folder: Path, server: services.Server) -> Iterator[str]:
    """The same, by a dump and its restoration."""
    dump = str(folder / "backup.dump")
    tool = services.postgres_program
    url = site.environment["PLATEAU_DATABASE_URL"].replace("+psycopg", "")
    subprocess.run([tool("pg_dump"), "--format", "custom", "--file", dump, url], check=True)
    with services.fresh_database(server, "restored") as there:
        to = there.replace("+psycopg", "")
        subprocess.run([tool("pg_restore"), "--no-owner", "--dbname", to, dump], check=True)
        yield there


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_trained_then_trains_again_to_the_same_end(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Its checkpoints of then are gone; what was recorded then is not told a second time."""
    url = request.getfixturevalue(f"{kind}_url")
    with site_on(url, "memory://", tmp_path, **FAKE) as site, ExitStack() as stack:
        with site.worker(PLATEAU_FAKE_EPOCH_SECONDS="0.1"):
            ids = [site.submit(experiment(seed)) for seed in range(2)]
            for id_ in ids:
                site.wait_for_epoch(id_, 3)
            if kind == "sqlite":
                backup = restored_sqlite(site, tmp_path)
            else:
                server = request.getfixturevalue("postgres_server")
                backup = restored_postgres(site, tmp_path, server)
            copy = stack.enter_context(backup)
            site.wait_for_end(*ids)
        environment = {**site.environment, "PLATEAU_DATABASE_URL": copy}
        restored = stack.enter_context(site_on(copy, "memory://", tmp_path, **environment))
        assert all(3 <= restored.job(id_).epoch < EPOCHS for id_ in ids)
        with restored.worker():
            ended = restored.wait_for_end(*ids)
        assert {job.status for job in ended} == {"succeeded"}
        for id_ in ids:
            assert restored.curve(id_) == site.curve(id_)
            jobs.check(restored.database, id_)
            reasons = [
                event.data.get("reason", "") for event in jobs.events(restored.database, id_)
            ]
            assert any("is missing from the artifact store" in reason for reason in reasons)
