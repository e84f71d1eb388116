"""Event streams over real HTTP: each event once and in order, whatever happens to connections."""

import json
import logging
import math
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api.auth import tokens
from api.jobs import event_stream, queries, responses
from api.jobs.event_feed import Told
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.store.tables import Event
from tests import jobs, processes
from tests.jobs import EPOCHS
from tests.served import Api, looking_for, problem, serving, settings_for
from tests.sse import Connection, Message, connected, messages


def path_of(job_id: str) -> str:
    return f"/v1/jobs/{job_id}/events"


def opened(
    api: Api, job_id: str, query: str = "", **options: Any
) -> AbstractContextManager[Connection]:
    return connected(api.client.base_url, path_of(job_id) + query, **options)


def pages(api: Api, job_id: str) -> list[Message]:
    """What a stream should bring of the events stored by now, by the pages."""
    found: list[Message] = []
    more = True
    while more:
        page = api.get(path_of(job_id), limit=100, after=len(found))
        found += [Message(each["type"], each, str(each["seq"])) for each in page["data"]]
        more = page["has_more"]
    return found


def end(job_id: str, status: str) -> Message:
    return Message("end", {"object": "end", "job": job_id, "status": status}, None)


def succeed(api: Api, held: Claim) -> None:
    with api.database.writing() as session:
        jobs.succeed(session, held)


def ended(api: Api) -> str:
    """A job that has run to its end, with five events."""
    held = jobs.running(api.database)
    jobs.record(api.database, held, 1, 2)
    succeed(api, held)
    return held.job_id


NAMES_NO_STREAM = (
    *("", "*/*", "application/json", "text/html, application/xhtml+xml, */*;q=0.8", "image/png"),
    *("text/event-streams, text/event", ",;q=1,,/*,*"),
)
NAMES_A_STREAM = (
    *("text/event-stream", "Text/Event-Stream", "text/event-stream; charset=utf-8"),
    *("image/png, text/event-stream;q=0.1", "text/event-stream, */*"),
    *("application/json;q=0.8, text/event-stream;q=0.9", "text/event-stream;q=0.5, */*;q=0.5"),
    "application/json ; q=0.8,text/event-stream",
)


class TestOpening:
    def test_a_page_remains_what_others_get(self, api: Api) -> None:
        id_ = ended(api)
        for accept in NAMES_NO_STREAM:
            answer = api.client.get(path_of(id_), headers={"Accept": accept})
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["vary"] == "Accept"
            assert len(answer.json()["data"]) == 5

    def test_who_names_a_stream_gets_it(self, api: Api) -> None:
        path = path_of(ended(api))
        for accept in NAMES_A_STREAM:
            answer = api.client.head(path, headers={"Accept": accept})
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8", accept

    def test_a_stream_brings_what_the_pages_bring_and_the_end(self, api: Api) -> None:
        id_ = ended(api)
        with opened(api, id_) as stream:
            stream.read_to_the_end()
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["vary"] == "Accept"
        assert stream.text.startswith("retry: ")
        assert 1000 <= int(stream.text.split("\n")[0].split()[1]) <= 3000
        assert stream.messages == [*pages(api, id_), end(id_, "succeeded")]

    def test_it_starts_after_what_was_seen(self, api: Api) -> None:
        id_ = ended(api)
        told = pages(api, id_)
        for query, last, seen in (("?after=2", None, 2), ("", "3", 3), ("?after=1", "4", 4)):
            headers = {} if last is None else {"last_event_id": last}
            with opened(api, id_, query, **headers) as stream:
                stream.read_to_the_end()
            assert stream.messages == [*told[seen:], end(id_, "succeeded")]

    @pytest.mark.parametrize("last", ["5", "77"])
    def test_nothing_is_left_of_a_job_that_has_ended(self, api: Api, last: str) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        answer = api.client.get(path_of(ended(api)), headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "2147483648", "9" * 5000])
    def test_a_malformed_last_event_id_is_named(self, api: Api, last: str) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        told = problem(api.client.get(path_of(ended(api)), headers=headers), 422)
        assert told["type"] == "/problems/invalid-parameter"
        assert told["errors"][0]["parameter"] == "Last-Event-ID"
        assert told["detail"].startswith("Last-Event-ID: expected")

    def test_what_is_refused_is_a_problem_and_no_stream(self, api: Api) -> None:
        headers = {"Accept": "text/event-stream"}
        nowhere = path_of("job_01ARZ3NDEKTSV4RRFFQ69G5FAV")
        assert problem(api.client.get(nowhere, headers=headers), 404)
        there = path_of(ended(api))
        assert problem(api.client.post(there, headers=headers), 405)
        assert problem(api.client.get(f"{there}?after=x", headers=headers), 422)
        assert api.client.put(there, headers=headers).status_code == 405

    def test_head_is_told_of_a_stream_and_opens_none(self, api: Api) -> None:
        answer = api.client.head(path_of(ended(api)), headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


class TestListening:
    def test_events_come_as_they_happen(self, api: Api) -> None:
        held = jobs.running(api.database)
        with opened(api, held.job_id) as stream:
            stream.read_until(b"id: 2\n\n")
            for epoch in range(1, EPOCHS + 1):
                jobs.record(api.database, held, epoch)
                stream.read_until(b"id: %d\n\n" % (epoch + 2))
            assert stream.messages == pages(api, held.job_id)
            succeed(api, held)
            stream.read_to_the_end()
        assert stream.messages == [*pages(api, held.job_id), end(held.job_id, "succeeded")]

    def test_a_job_that_is_cancelled_in_the_queue_ends_its_streams(self, api: Api) -> None:
        id_ = jobs.submit(api.database)
        with opened(api, id_) as stream:
            stream.read_until(b"id: 1\n\n")
            api.post(f"/v1/jobs/{id_}/cancel", 200)
            stream.read_to_the_end()
        assert stream.messages == [*pages(api, id_), end(id_, "cancelled")]

    def test_a_position_in_the_future_waits_for_it(self, api: Api) -> None:
        held = jobs.running(api.database)
        with opened(api, held.job_id, last_event_id="3") as stream:
            stream.read_until(b"retry: ")
            jobs.record(api.database, held, 1, 2)
            succeed(api, held)
            stream.read_to_the_end()
        assert [message.id for message in stream.messages] == ["4", "5", None]

    def test_silence_is_filled(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
        held = jobs.running(api.database)
        with opened(api, held.job_id) as stream:
            while stream.text.count(": ping\n\n") < 3:
                assert stream.read()
            assert stream.messages == pages(api, held.job_id)

    def test_who_hangs_up_is_forgotten(self, api: Api) -> None:
        held = jobs.running(api.database)
        feed = api.app.state.feed
        with opened(api, held.job_id) as stream, opened(api, held.job_id) as other:
            stream.read_until(b"id: 2\n\n")
            other.read_until(b"id: 2\n\n")
            assert feed.listeners == 2
        processes.wait_for("the streams to end", lambda: feed.listeners == 0)

    def test_a_job_that_is_deleted_ends_its_streams(self, api: Api) -> None:
        held = jobs.running(api.database)
        with opened(api, held.job_id) as stream:
            stream.read_until(b"id: 2\n\n")
            jobs.clear(api.database)
            stream.read_to_the_end()
        assert [message.id for message in stream.messages] == ["1", "2"]


def test_each_is_told_what_it_missed(api: Api) -> None:
    """Wherever it goes on, and however many pages that are."""
    held = jobs.running(api.database)
    jobs.record(api.database, held, *range(1, 500))
    succeed(api, held)
    told = pages(api, held.job_id)
    with ExitStack() as stack:
        listening = [
            (seen, stack.enter_context(opened(api, held.job_id, f"?after={seen}")))
            for seen in range(0, 500, 40)
        ]
        for seen, stream in listening:
            stream.read_to_the_end()
            assert stream.messages == [*told[seen:], end(held.job_id, "succeeded")]


def test_an_event_is_told_as_its_view_has_it(api: Api) -> None:
    held = jobs.running(api.database)
    jobs.record(api.database, held, 1, 2)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    data = {"reason": 'a "line"\r\n\u2028, än \ud83d\ude00', "metrics": {"loss": math.nan}}
    with api.database.writing() as session:
        session.add(Event(job_id=held.job_id, seq=5, type="status", data=data, at=at))
    rows = jobs.events(api.database, held.job_id)
    told = [json.loads(_view(row).model_dump_json()) for row in rows]
    assert api.get(path_of(held.job_id))["data"] == told
    with api.database.looking() as connection:
        blocks = [Told.of(each).block for each in queries.events(connection, held.job_id, 0, 9)]
    assert [message.data for message in messages(b"".join(blocks).decode())] == told
    assert told[-1]["at"] == "2026-01-02T03:04:05Z"


def _view(row: Event) -> responses.Event:
    return responses.Event(job=row.job_id, **row.model_dump(exclude={"job_id"}))


def test_a_slow_client_harms_nobody(api: Api) -> None:
    """It reads nothing until more has happened than buffers hold."""
    held = jobs.running(api.database)
    with opened(api, held.job_id, buffer=4096) as slow, opened(api, held.job_id) as quick:
        for size, times in ((400_000, 20), (10, 60)):
            for _ in range(times):
                held = given_back_and_claimed(api, held, "x" * size)
            quick.read_until(b"id: %d\n\n" % jobs.stored(api.database, held.job_id).events)
        jobs.cancel(api.database, held.job_id)
        with api.database.writing() as session:
            lifecycle.acknowledge_cancel(session, held)
        quick.read_to_the_end()
        with looking_for(api, "FROM events") as looks:
            slow.read_to_the_end()
        told = [*pages(api, held.job_id), end(held.job_id, "cancelled")]
        assert quick.messages == told
        assert slow.messages == told
    assert looks, "the slow one was expected to be behind, and to read pages"


def given_back_and_claimed(api: Api, held: Claim, reason: str) -> Claim:
    with api.database.writing() as session:
        assert lifecycle.release(session, held, reason)
    again = jobs.claim(api.database, held.job_id)
    assert again is not None
    return again


def test_streams_outlive_a_database_that_is_away(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "api.jobs.event_feed")
    held = jobs.running(api.database)
    other = jobs.submit(api.database)
    with opened(api, held.job_id) as stream:
        stream.read_until(b"id: 2\n\n")
        with missing(api, "jobs"):
            _wait_for_log(caplog, "Events cannot be read")
        _wait_for_log(caplog, "Events can be read again")
        with missing(api, "events"), opened(api, other) as behind:
            _wait_for_log(caplog, f"The events of {other} after 0")
            assert behind.read()
        jobs.record(api.database, held, 1)
        succeed(api, held)
        stream.read_to_the_end()
    assert stream.messages == [*pages(api, held.job_id), end(held.job_id, "succeeded")]
    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(errors) == 1


@contextmanager
def missing(api: Api, table: str) -> Iterator[None]:
    """Meanwhile no statement on the table succeeds."""
    with api.database.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        yield
    finally:
        with api.database.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))


def _wait_for_log(caplog: pytest.LogCaptureFixture, words: str) -> None:
    processes.wait_for(f"the log to say: {words}", lambda: words in caplog.text)


def test_open_streams_do_not_keep_the_server(sqlite_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with serving(settings_for(sqlite_url, tmp_path)) as api:
            held = jobs.running(api.database)
            stream = stack.enter_context(opened(api, held.job_id))
            stream.read_until(b"id: 2\n\n")
        stream.read_to_the_end()
    assert stream.whole
    assert stream.text.endswith("connect again with Last-Event-ID\n\n")
    assert [message.id for message in stream.messages] == ["1", "2"]


def test_an_owner_has_so_many_streams_and_no_more(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path, auth="keys", max_streams=2)
    with serving(settings) as api, ExitStack() as stack:
        with api.database.writing() as session:
            _, token = tokens.create(session, "ada", name="x", scopes=["read"], days=1)
        id_ = jobs.submit(api.database, owner="ada")
        key = f"Bearer {token}"
        for _ in range(2):
            stream = stack.enter_context(opened(api, id_, Authorization=key))
            stream.read_until(b"id: 1\n\n")
        headers = {"Accept": "text/event-stream", "Authorization": key}
        refused = api.client.get(path_of(id_), headers=headers)
        assert problem(refused, 429)["type"] == "/problems/too-many-streams"
        assert int(refused.headers["retry-after"]) > 0
        stream.socket.close()
        feed = api.app.state.feed
        processes.wait_for("the stream to end", lambda: feed.listeners == 1)
        with opened(api, id_, Authorization=key) as again:
            again.read_until(b"id: 1\n\n")
        assert problem(api.client.get(path_of(id_), headers={"Accept": headers["Accept"]}), 401)


CLIENTS = 20
JOBS = 5


@pytest.mark.parametrize("cuts", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_cut_streams_bring_every_event_exactly_once(api: Api, cuts: int) -> None:
    """Cut after any byte, in the head, within an event or between two, while jobs go on."""
    held = [jobs.running(api.database) for _ in range(JOBS)]
    seen = Cuts(cuts)
    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        writing = threads.submit(write_until, seen, api, held)
        following = [
            (held[number % JOBS].job_id, threads.submit(follow, api, held[number % JOBS], seen))
            for number in range(CLIENTS)
        ]
        writing.result()
        brought = [(job_id, each.result()) for job_id, each in following]
    stored = {claim.job_id: pages(api, claim.job_id) for claim in held}
    for job_id, found in brought:
        jobs.check(api.database, job_id)
        assert found == stored[job_id]
    assert seen.made >= cuts


class Cuts:
    """How many there were; `enough` is set when there were as many as wanted."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.made = 0
        self.enough = threading.Event()
        self._lock = threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self.made += 1
            if self.made >= self.wanted:
                self.enough.set()


def write_until(seen: Cuts, api: Api, held: list[Claim]) -> None:
    """An epoch of each job now and then until there were enough cuts, and then its end."""
    for epoch in count(1):
        for claim in held:
            jobs.record(api.database, claim, epoch)
        if seen.enough.wait(0.05):
            break
    for claim in held:
        succeed(api, claim)


def follow(api: Api, held: Claim, seen: Cuts) -> list[Message]:
    """All events of a job, by as many connections as it takes."""
    chance = random.Random(f"{held.job_id}{threading.get_ident()}")
    messages: list[Message] = []
    while True:
        headers = {"last_event_id": messages[-1].id or ""} if messages else {}
        with opened(api, held.job_id, **headers) as stream:
            cut_at = chance.randrange(2500)
            while len(stream.received) < cut_at and stream.read(cut_at - len(stream.received)):
                pass
        if len(stream.received) == cut_at:
            seen.one_more()
        messages += stream.messages
        if stream.received.startswith(b"HTTP/1.1 204"):
            return messages
        if messages and messages[-1].event == "end":
            return messages[:-1]
