"""Idempotency-Key over HTTP: one job for one request, however often it comes."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlmodel import func, select

from contract.store.tables import Event, Job
from tests import jobs, keyring
from tests.integration.api.jobs.test_jobs import spec
from tests.keyring import ask
from tests.served import Api, problem, serving, settings_for

KEY = "6f9fd4f2-7c0b-4d1c-9f6a-0d4a3c1f5e11"


def post(api: Api, body: Any, key: str | None = KEY, path: str = "/v1/jobs") -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.post(path, json=body, headers=headers)


def count(api: Api, table: Any = Job) -> int:
    with api.database.reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def test_the_same_request_again_is_the_same_job_as_it_is_now(api: Api) -> None:
    first = post(api, spec(tags=["x"]))
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    held = jobs.claim(api.database, first.json()["id"])
    assert held is not None
    again = post(api, dict(reversed(spec(tags=["x"]).items())))
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json() == api.get(first.headers["location"]) | {
        "findings": first.json()["findings"]
    }
    assert again.json()["status"] == "running"
    assert count(api) == 1


def test_another_request_with_the_same_key_is_refused(api: Api) -> None:
    first = post(api, spec()).json()["id"]
    told = problem(post(api, spec(priority=1)), 409)
    assert told["type"] == "/problems/idempotency-key-reused"
    assert first in told["detail"]
    assert problem(post(api, {"recipe": "relu-raw"}), 409)
    assert post(api, spec(priority=1), f"{KEY}2").status_code == 202
    assert post(api, spec(priority=1), None).status_code == 202
    assert count(api) == 3


def test_a_refused_request_keeps_no_key(api: Api) -> None:
    assert problem(post(api, {**spec(), "device": "tpu"}), 422)
    assert problem(post(api, spec(dataset={"name": "iris"})), 422)
    assert post(api, spec(), path="/v1/jobs?dry_run=true").status_code == 200
    assert count(api) == 0
    assert post(api, spec()).status_code == 202


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
def test_what_is_no_key(api: Api, key: str) -> None:
    answer = api.client.post("/v1/jobs", json=spec(), headers={b"Idempotency-Key": key.encode()})
    told = problem(answer, 422)
    assert told["type"] == "/problems/invalid-parameter"
    assert [fault["parameter"] for fault in told["errors"]] == ["Idempotency-Key"]
    assert count(api) == 0


def test_any_visible_characters_are_a_key(api: Api) -> None:
    for key in ("!", '"quoted"', "~" * 200, "a,b"):
        assert post(api, spec(), key).status_code == 202
        assert post(api, spec(), key).headers["idempotent-replayed"] == "true"
    assert count(api) == 4


def test_a_retry_has_keys_too(api: Api) -> None:
    first = jobs.submit(api.database)
    jobs.cancel(api.database, first)
    path = f"/v1/jobs/{first}/retry"
    again, more = (post(api, None, path=path) for _ in range(2))
    assert again.json()["id"] == more.json()["id"] != first
    assert more.json()["retry_of"] == first
    assert problem(post(api, spec()), 409)
    assert post(api, None, "other", path=path).json()["id"] != again.json()["id"]
    assert count(api) == 3


def test_keys_are_their_owners(keyed: Api) -> None:
    tokens = {owner: keyring.make(keyed, owner) for owner in ("me", "you")}
    headers = {"Idempotency-Key": KEY}

    def asked(owner: str, **changes: Any) -> httpx.Response:
        body = spec(**changes)
        return ask(keyed, tokens[owner], "/v1/jobs", "POST", json=body, headers=headers)

    mine, yours = asked("me"), asked("you", priority=1)
    assert (mine.status_code, yours.status_code) == (202, 202)
    assert asked("me").json()["id"] == mine.json()["id"] != yours.json()["id"]
    assert mine.json()["id"] not in problem(asked("you"), 409)["detail"]


def test_a_full_queue_keeps_nobody_from_a_job_that_is_there(
    sqlite_url: str, tmp_path: Path
) -> None:
    settings = settings_for(sqlite_url, tmp_path, auth="keys", max_queued_jobs=1)
    with serving(settings) as api:
        token = keyring.make(api, "me")
        headers = {"Idempotency-Key": KEY}
        first = ask(api, token, "/v1/jobs", "POST", json=spec(), headers=headers)
        told = problem(ask(api, token, "/v1/jobs", "POST", json=spec()), 429)
        assert told["type"] == "/problems/too-many-jobs"
        retry = f"/v1/jobs/{first.json()['id']}/retry"
        again = ask(api, token, "/v1/jobs", "POST", json=spec(), headers=headers)
        assert again.json() == first.json()
        jobs.cancel(api.database, first.json()["id"])
        assert ask(api, token, retry, "POST").status_code == 202
        assert problem(ask(api, token, retry, "POST"), 429)


REQUESTS = 200


def test_many_at_once_with_one_key_are_one_job(api: Api) -> None:
    body = spec(tags=["x"])
    together = threading.Barrier(REQUESTS)
    limits = httpx.Limits(max_connections=REQUESTS)
    with (
        httpx.Client(base_url=api.client.base_url, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(REQUESTS) as threads,
    ):

        def ask(_: int) -> tuple[int, str, bool]:
            together.wait()
            answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": KEY})
            return answer.status_code, answer.json()["id"], "location" in answer.headers

        told = Counter(threads.map(ask, range(REQUESTS)))
    ((status, id_, located), answers) = told.popitem()
    assert (told, status, answers, located) == (Counter(), 202, REQUESTS, True)
    assert (count(api), count(api, Event)) == (1, 1)
    assert jobs.stored(api.database, id_).name == "small"


def test_only_a_new_job_is_rung_for(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    with serving(settings_for(sqlite_url, tmp_path, broker_url=redis_url)) as api:
        first, _ = (post(api, spec(device="cpu")).json()["id"] for _ in range(2))
        last = post(api, spec(device="cpu"), None).json()["id"]
        with redis.Redis.from_url(redis_url) as client:
            told = [client.blpop("plateau.cpu", timeout=10)[1] for _ in range(2)]
            assert client.llen("plateau.cpu") == 0
        assert sorted(id_ for id_ in (first, last) if any(id_.encode() in r for r in told)) == (
            sorted([first, last])
        )
