"""What one who asks can do to others: nothing that they would notice.

Of an API process of its own, on SQLite and on Postgres. The bounds are generous, because test
machines are busy; `python -m benchmarks.neighbours` has the figures.
"""

import http.client
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from ulid import ULID

from api.auth.key_lookup import STRANGERS_PER_SECOND
from contract.store.database import Database
from tests import jobs, keyring, processes, sweeps
from tests.integration.api.jobs.test_jobs import spec
from tests.sites import Site, site_on

# For those who have nothing to do with it, while a lock is held, or cores are busy, for long.
SOON = 2.0
REQUEST_SECONDS = 3.0
CANCELS, SWEEPS, POSTS, PICTURES, STRANGERS, EPOCHS = 20, 4, 13, 60, 5_000, 10_000


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    seconds = str(REQUEST_SECONDS)
    with site_on(database_url, "memory://", tmp_path, PLATEAU_REQUEST_SECONDS=seconds) as site:
        yield site


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another process writes: on SQLite anything, on Postgres to the jobs."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.connection.execute("BEGIN IMMEDIATE")
        else:
            connection.execute(text("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE"))
        yield
        connection.connection.rollback()


def timed(client: httpx.Client, method: str, path: str, **more: object) -> tuple[float, int]:
    """Seconds, and the status of the answer."""
    began = time.monotonic()
    answer = client.request(method, path, **more)  # type: ignore[arg-type]
    return time.monotonic() - began, answer.status_code


def look_around(client: httpx.Client, job_id: str, **more: object) -> None:
    job = f"/v1/jobs/{job_id}"
    for path in ("/healthz", "/readyz", job, f"{job}/curves", "/v1/jobs", "/v1/recipes"):
        seconds, status = timed(client, "GET", path, **more)
        assert (status, seconds < SOON) == (200, True), (path, status, seconds)


def test_writers_that_wait_keep_no_reader_waiting(site: Site) -> None:
    """And each of them is answered once the lock is free."""
    ids = [jobs.submit(site.database) for _ in range(CANCELS)]
    with site.api() as client, ThreadPoolExecutor(CANCELS + SWEEPS) as threads:

        def post(path: str, **more: object) -> "Future[tuple[float, int]]":
            return threads.submit(timed, client, "POST", path, **more)

        with locked(site.database):
            cancels = [post(f"/v1/jobs/{job_id}/cancel") for job_id in ids]
            made = [post("/v1/sweeps", json=sweeps.body()) for _ in range(SWEEPS)]
            until = time.monotonic() + REQUEST_SECONDS / 2
            while time.monotonic() < until:
                look_around(client, ids[0])
        assert [cancel.result()[1] for cancel in cancels] == [200] * CANCELS
        assert [each.result()[1] for each in made] == [202] * SWEEPS


def test_what_cannot_be_written_is_refused_in_time(site: Site) -> None:
    """All of those that came together, however often they are tried."""
    job_id = jobs.submit(site.database)
    with site.api() as client, ThreadPoolExecutor(POSTS + 1) as threads, locked(site.database):
        posts = [
            threads.submit(timed, client, "POST", "/v1/jobs", json=spec()) for _ in range(POSTS)
        ]
        cancel = threads.submit(timed, client, "POST", f"/v1/jobs/{job_id}/cancel")
        for seconds, status in (each.result() for each in [*posts, cancel]):
            assert status == 503
            assert REQUEST_SECONDS - 0.5 < seconds < REQUEST_SECONDS + SOON
    assert len(jobs_of(site)) == 1


def jobs_of(site: Site) -> list[str]:
    with site.database.reading() as session:
        return [row.id for row in session.execute(text("SELECT id FROM jobs"))]


def test_dear_requests_keep_nobody_waiting_but_who_makes_them(site: Site) -> None:
    mine, yours = (keyring.make_in(site.database, owner)[1] for owner in ("me", "you"))
    theirs = jobs.long_curve(site.database, EPOCHS, owner="me")
    own = jobs.submit(site.database, "you")
    site.environment["PLATEAU_AUTH"] = "keys"
    with site.api() as client, ThreadPoolExecutor(PICTURES) as threads:
        asked = [
            threads.submit(
                timed, client, "GET", f"/v1/jobs/{theirs}/{what}", headers=keyring.bearer(mine)
            )
            for what in ("curves.png", "curves", "curves.csv") * (PICTURES // 3)
        ]
        processes.wait_for("a first picture", lambda: any(each.done() for each in asked))
        while not all(each.done() for each in asked):
            headers = keyring.bearer(yours)
            look_around(client, own, headers=headers)
            body = {"headers": headers, "json": spec()}
            assert timed(client, "POST", "/v1/jobs", **body)[0] < SOON
            # Its owner's turn comes before all the others of the first one.
            seconds, status = timed(client, "GET", f"/v1/jobs/{own}/curves.png", headers=headers)
            assert (status, seconds < 2 * SOON) == (200, True)
    assert {each.result()[1] for each in asked} <= {200, 429, 503}


def test_keys_that_do_not_exist_are_bounded_before_they_are_looked_for(site: Site) -> None:
    """Who has a key that does goes on meanwhile."""
    token = keyring.make_in(site.database, "me")[1]
    job_id = jobs.submit(site.database, "me")
    site.environment |= {"PLATEAU_AUTH": "keys", "PLATEAU_REQUESTS_PER_SECOND": "1000"}
    with site.api() as client, ThreadPoolExecutor(1) as threads:
        look_around(client, job_id, headers=keyring.bearer(token))
        began = time.monotonic()
        asked = threads.submit(strangers, str(client.base_url.netloc, "ascii"))
        while not asked.done():
            look_around(client, job_id, headers=keyring.bearer(token))
        found = asked.result()
        seconds = time.monotonic() - began
    assert set(found) == {401, 429}
    assert found.count(401) <= STRANGERS_PER_SECOND * (2 + seconds) + 1


def strangers(netloc: str) -> list[int]:
    """The answers to unknown keys, one after another, until a hundred were refused unread."""
    connection = http.client.HTTPConnection(netloc)
    found: list[int] = []
    while found.count(429) < 100 and len(found) < STRANGERS:
        token = f"plateau_{ULID()}_{secrets.token_urlsafe(32)}"
        connection.request("GET", "/v1/jobs", headers=keyring.bearer(token))
        answer = connection.getresponse()
        answer.read()
        found.append(answer.status)
    connection.close()
    return found


def test_a_broker_that_is_frozen_does_not_slow_readiness(site: Site) -> None:
    with silent_server() as port:
        site.environment["PLATEAU_BROKER_URL"] = f"redis://127.0.0.1:{port}/0"
        with site.api() as client, ThreadPoolExecutor(30) as threads:
            asked = [threads.submit(timed, client, "GET", "/readyz") for _ in range(60)]
            assert {each.result()[1] for each in asked} == {200}
            assert max(each.result()[0] for each in asked) < SOON
            assert client.get("/readyz").json()["broker"] == "unreachable"


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of something that takes connections and says nothing, as a frozen process does."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield int(listener.getsockname()[1])
