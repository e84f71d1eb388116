"""The answer to a commit is lost on its way: no row is left without its file, nor is it denied."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlmodel import select

from contract.settings import Settings
from contract.store.database import Database
from contract.store.tables import Dataset, Job, Result
from tests import jobs, processes
from tests.chaos.proxy import Proxy
from tests.hostile_uploads import good_csv
from tests.served import Api, problem, serving, settings_for
from tests.sites import FAKE, Site, site_on

_AT_COMMIT = """
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON datasets DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION at_commit();
"""


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    port = make_url(postgres_url).port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.dispose()


@pytest.fixture
def proxied(postgres_url: str, proxy: Proxy) -> str:
    return make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)


@contextmanager
def cut_after_commit(proxy: Proxy, of: bytes, committed: Callable[[], bool]) -> Iterator[None]:
    """The answer to the commit after the statement `of` is lost, and all connections with it."""
    heard: list[object] = []

    def holds(connection: object, block: bytes) -> bool:
        if of in block:
            heard.append(connection)
        return connection in heard and b"COMMIT" in block

    proxy.holds_answers_to = holds
    yield
    processes.wait_for("the commit", committed)
    proxy.holds_answers_to = None
    proxy.reset()
    proxy.heal()


def send(api: Api) -> httpx.Response:
    query = {"name": "pets", "label": "label"}
    headers = {"Content-Type": "text/csv"}
    return api.client.post("/v1/datasets", params=query, content=good_csv(), headers=headers)


def rows(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.exec(select(Dataset.key)))


def files(settings: Settings) -> list[str]:
    folder = Path(settings.artifacts_url)
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_an_upload_whose_answer_was_lost_is_stored(
    proxied: str, proxy: Proxy, direct: Database, tmp_path: Path
) -> None:
    with serving(settings_for(proxied, tmp_path)) as api, ThreadPoolExecutor(1) as thread:
        with cut_after_commit(proxy, b"INSERT INTO datasets", lambda: bool(rows(direct))):
            answer = thread.submit(send, api)
        told = answer.result()
        assert rows(direct) == files(api.settings) != []
        assert told.status_code == 201, told.text
        assert api.get(told.json()["urls"]["self"]) == told.json()


@pytest.mark.parametrize(
    ("what", "status", "left"),
    [
        ("PERFORM pg_terminate_backend(pg_backend_pid());", 503, 1),
        ("RAISE EXCEPTION 'no';", 500, 0),
    ],
    ids=["its connection broke", "the database refused it"],
)
def test_the_file_of_a_row_that_did_not_come(
    postgres_url: str, tmp_path: Path, what: str, status: int, left: int
) -> None:
    """Where the connection broke in the commit, it may still come for all that is known."""
    with serving(settings_for(postgres_url, tmp_path)) as api:
        with api.database.writing() as session:
            session.execute(text(_AT_COMMIT.format(what)))
        problem(send(api), status)
        assert rows(api.database) == []
        assert len(files(api.settings)) == left


@pytest.fixture
def site(proxied: str, tmp_path: Path) -> Iterator[Site]:
    quiet: dict[str, Any] = {"PLATEAU_LEASE_SECONDS": "20", "PLATEAU_ABANDON_SECONDS": "15"}
    with site_on(proxied, "memory://", tmp_path, **FAKE, **quiet) as site:
        yield site


def test_a_run_whose_last_answer_was_lost_keeps_its_model(
    site: Site, proxy: Proxy, direct: Database
) -> None:
    def ended() -> bool:
        with direct.reading() as session:
            return session.exec(select(Job.status)).one() == "succeeded"

    with site.worker():
        with cut_after_commit(proxy, b"INSERT INTO results", ended):
            job_id = site.submit(jobs.experiment().model_dump(mode="json", exclude_unset=True))
        folder = site.artifacts / "jobs" / job_id
        processes.wait_for(
            "its checkpoints to go",
            lambda: [path for path in folder.rglob("*") if path.is_file()] == [folder / "1.keras"],
        )
    with direct.reading() as session:
        kept = session.get_one(Result, job_id).artifacts["model"]
    assert (site.artifacts / kept["key"]).stat().st_size == kept["bytes"]
    assert jobs.statuses(direct, job_id) == ["queued", "running", "succeeded"]
