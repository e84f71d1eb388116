"""The wait for a job's next event, and all the ways in which it ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from api.jobs import news
from api.jobs.event_feed import Feed
from contract.store.database import Database
from tests import jobs, processes
from tests.served import Api, serving, settings_for
from tests.sse import Connection, connected

T = TypeVar("T")
# Longer than any test may take.
LONG = 600.0
NOWHERE = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def on_feed(database: Database, body: Callable[[Feed], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(LONG / 10), Feed(database).running() as feed:
            return await body(feed)

    return asyncio.run(run())


def test_what_has_happened_already_is_told_at_once(database: Database) -> None:
    held = jobs.running(database)
    assert on_feed(database, lambda feed: feed.changed(held.job_id, 1, LONG)) == 2
    assert on_feed(database, lambda feed: feed.changed(held.job_id, 0, LONG)) == 2


def test_all_who_wait_are_told_what_happens(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when there are more jobs than one statement asks for."""
    monkeypatch.setattr(news, "_AT_ONCE", 3)
    ids = [jobs.submit(database) for _ in range(8)]

    async def body(feed: Feed) -> list[int | None]:
        waiting = [asyncio.create_task(feed.changed(id_, 1, LONG)) for id_ in [*ids, *ids]]
        for id_ in ids:
            await asyncio.to_thread(jobs.cancel, database, id_)
        return await asyncio.gather(*waiting)

    assert on_feed(database, body) == [2] * 16


def test_a_wait_ends_when_its_time_is_up(database: Database) -> None:
    id_ = jobs.submit(database)
    began = time.monotonic()
    assert on_feed(database, lambda feed: feed.changed(id_, 1, 0.4)) is None
    assert time.monotonic() - began >= 0.4


def test_nobody_waits_for_what_will_not_come(database: Database) -> None:
    id_ = jobs.submit(database)
    jobs.cancel(database, id_)
    assert on_feed(database, lambda feed: feed.changed(id_, 2, LONG)) is None
    assert on_feed(database, lambda feed: feed.changed(NOWHERE, 0, LONG)) is None


def test_a_server_that_stops_ends_all_waits(database: Database) -> None:
    id_ = jobs.submit(database)

    async def body(feed: Feed) -> list[int | None]:
        waiting = [asyncio.create_task(feed.changed(id_, 1, LONG)) for _ in range(3)]
        while feed.listeners < 3:
            await asyncio.sleep(0)
        feed.close()
        return [*await asyncio.gather(*waiting), await feed.changed(id_, 1, LONG)]

    assert on_feed(database, body) == [None] * 4


def long_poll(api: Api, job_id: str) -> AbstractContextManager[Connection]:
    return connected(api.client.base_url, f"/v1/jobs/{job_id}?wait=60")


def test_a_client_that_hangs_up_ends_its_wait_and_no_other(api: Api) -> None:
    feed = api.app.state.feed
    id_ = jobs.submit(api.database)
    with long_poll(api, id_) as patient:
        with long_poll(api, id_):
            processes.wait_for("two to wait", lambda: feed.listeners == 2)
        processes.wait_for("one to give up", lambda: feed.listeners == 1)
        jobs.cancel(api.database, id_)
        patient.read_to_the_end()
    assert b'"status":"cancelled"' in patient.received
    assert feed.listeners == 0


def test_open_waits_do_not_keep_the_server(sqlite_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with serving(settings_for(sqlite_url, tmp_path)) as api:
            waiting = stack.enter_context(long_poll(api, jobs.submit(api.database)))
            feed = api.app.state.feed
            processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
        waiting.read_to_the_end()
    assert waiting.status == 200
    assert b'"status":"queued"' in waiting.received
