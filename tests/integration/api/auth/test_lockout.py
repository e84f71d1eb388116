"""A key that ends while something of it is open: that ends too, within seconds."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlmodel import col, select, update

from api.auth import tokens
from contract.store.clock import now
from contract.store.database import Database
from contract.store.tables import ApiKey, Dataset
from tests import jobs, keyring, processes, sweeps
from tests.integration.api.jobs.test_polls import slowly
from tests.keyring import bearer
from tests.served import Api, looking_for, problem, serving, settings_for
from tests.sse import Connection, connected

# By when all that is open must have ended; a look comes every 2 s.
SECONDS = 5.0


def revoke(database: Database, key_id: str) -> None:
    with database.writing() as session:
        tokens.revoke(session, key_id)


def expire(database: Database, key_id: str) -> None:
    with database.writing() as session:
        session.execute(update(ApiKey).where(col(ApiKey.id) == key_id).values(expires_at=now(-1)))


ENDS = pytest.mark.parametrize("end", [revoke, expire])
End = Callable[[Database, str], None]


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with serving(settings_for(database_url, tmp_path, auth="keys")) as api:
        yield api


def key(api: Api, owner: str = "me") -> tuple[str, dict[str, str]]:
    id_, token = keyring.make_in(api.database, owner)
    return id_, bearer(token)


def opened(api: Api, path: str, head: dict[str, str]) -> AbstractContextManager[Connection]:
    return connected(api.client.base_url, path, Authorization=head["Authorization"])


@ENDS
def test_a_stream_breaks_off_and_its_client_is_not_let_in_again(api: Api, end: End) -> None:
    mine, other = key(api), key(api)
    held = jobs.running(api.database, owner="me")
    path = f"/v1/jobs/{held.job_id}/events"
    with opened(api, path, mine[1]) as stream, opened(api, path, other[1]) as another:
        for each in (stream, another):
            each.read_until(b"event: status")
        end(api.database, mine[0])
        began = time.monotonic()
        stream.read_to_the_end()
        assert time.monotonic() - began < SECONDS
        assert stream.whole, "it was closed, not cut"
        assert "event: end" not in stream.text
        assert "the key was revoked, or has expired" in stream.text
        jobs.record(api.database, held, 1)
        another.read_until(b"event: epoch")
    again = api.client.get(path, headers={**mine[1], "Accept": "text/event-stream"})
    assert problem(again, 401)["type"] == "/problems/unauthorized"


@ENDS
@pytest.mark.parametrize("kind", ["job", "results", "sweep"])
def test_a_wait_is_answered_with_401(api: Api, end: End, kind: str) -> None:
    id_, head = key(api)
    job = f"/v1/jobs/{jobs.submit(api.database, 'me')}"
    sweep = api.client.post("/v1/sweeps", json=sweeps.body(), headers=head).json()["urls"]["self"]
    path = {"job": job, "results": f"{job}/results", "sweep": sweep}[kind]
    feed = api.app.state.feed
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(slowly, api, f"{path}?wait=60", head)
        processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
        end(api.database, id_)
        told = problem(answer.result(SECONDS), 401)
    assert told["type"] == "/problems/unauthorized"
    assert feed.listeners == 0
    assert not api.app.state.streams.keys


@ENDS
def test_an_upload_is_refused_that_was_under_way(api: Api, end: End) -> None:
    id_, head = key(api)
    streams = api.app.state.streams

    def lines() -> Iterator[bytes]:
        yield b"a,b\n" + b"1,x\n2,y\n" * 50
        processes.wait_for("it to be under way", lambda: streams.keys == {id_})
        end(api.database, id_)
        processes.wait_for("the key to be missed", lambda: missed(api), seconds=SECONDS)
        yield b"1,x\n"

    answer = api.client.post(
        "/v1/datasets?name=x&label=b",
        content=lines(),
        headers={**head, "Content-Type": "text/csv"},
    )
    assert problem(answer, 401)["type"] == "/problems/unauthorized"
    with api.database.reading() as session:
        assert session.exec(select(Dataset)).all() == []


def missed(api: Api) -> bool:
    return any(place.lost for place in api.app.state.streams.places)


def test_who_asks_again_costs_one_statement_however_much_is_open(api: Api) -> None:
    keys = [key(api) for _ in range(5)]
    job = f"/v1/jobs/{jobs.submit(api.database, 'me')}?wait=60"
    feed = api.app.state.feed
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(slowly, api, job, keys[n % 5][1]) for n in range(20)]
        processes.wait_for("all to wait", lambda: feed.listeners == 20)
        with looking_for(api, "FROM api_keys") as statements:
            revoke(api.database, keys[0][0])
            locked_out = [answer.result(SECONDS).status_code for answer in answers[::5]]
        assert locked_out == [401] * 4
        assert 1 <= len(statements) <= 3
        jobs.cancel(api.database, job.removeprefix("/v1/jobs/").removesuffix("?wait=60"))
        others = [answer for number, answer in enumerate(answers) if number % 5]
        assert {answer.result().status_code for answer in others} == {200}


def test_a_database_that_is_away_locks_nobody_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, head = key(api)
    id_ = jobs.submit(api.database, "me")
    asked: list[int] = []

    def away(*_: object) -> set[str]:
        asked.append(1)
        raise ConnectionError("away")

    feed = api.app.state.feed
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(slowly, api, f"/v1/jobs/{id_}?wait=60", head)
        processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
        with monkeypatch.context() as patch:
            patch.setattr(tokens, "ended", away)
            processes.wait_for("two looks in vain", lambda: len(asked) == 2)
            assert not answer.done()
        jobs.cancel(api.database, id_)
        assert answer.result(SECONDS).status_code == 200
