"""The wait for a job's next event, and all the ways in which it ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi import Request

from api import news
from api.connection import while_connected
from api.feed import Feed
from contract.database import Database
from tests import jobs, processes
from tests.served import Api, serving, settings_for
from tests.sse import connected

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


def add_long_poll(api: Api, job_id: str, answered: list[int | None]) -> None:
    """GET /wait answers when the job has had its second event."""

    async def wait(request: Request) -> int | None:
        seq = await while_connected(request, request.app.state.feed.changed(job_id, 1, LONG))
        answered.append(seq)
        return seq

    api.app.add_api_route("/wait", wait)


def test_a_client_that_hangs_up_ends_its_wait_and_no_other(sqlite_url: str, tmp_path: Path) -> None:
    answered: list[int | None] = []
    with serving(settings_for(sqlite_url, tmp_path)) as api:
        feed, url = api.app.state.feed, api.client.base_url
        id_ = jobs.submit(api.database)
        add_long_poll(api, id_, answered)
        with connected(url, "/wait") as patient:
            with connected(url, "/wait"):
                processes.wait_for("two to wait", lambda: feed.listeners == 2)
            processes.wait_for("one to give up", lambda: feed.listeners == 1)
            assert answered == [None]
            jobs.cancel(api.database, id_)
            patient.read_to_the_end()
        assert patient.received.endswith(b"\r\n\r\n2")
        assert answered == [None, 2]
        assert feed.listeners == 0


def test_open_waits_do_not_keep_the_server(sqlite_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with serving(settings_for(sqlite_url, tmp_path)) as api:
            add_long_poll(api, jobs.submit(api.database), [])
            waiting = stack.enter_context(connected(api.client.base_url, "/wait"))
            feed = api.app.state.feed
            processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
        waiting.read_to_the_end()
    assert waiting.status == 200
    assert waiting.received.endswith(b"\r\n\r\nnull")
