"""Keys over HTTP: who needs one, which are taken, and what their scopes allow."""

import re
from typing import Any

import httpx
import pytest
from sqlmodel import col, update

from api.auth.caller import authenticated
from api.auth.tokens import Scope
from contract.store import clock
from contract.store.tables import ApiKey
from tests import jobs, keyring
from tests.integration.api.http.test_odd_requests import raw
from tests.integration.api.jobs.test_jobs import NOWHERE, add_worker, spec
from tests.keyring import ask, bearer
from tests.served import Api, problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def token(keyed: Api) -> str:
    return keyring.make(keyed, "me")


def challenge(answer: httpx.Response) -> str:
    told = problem(answer, 401)
    assert told["type"] == "/problems/unauthorized"
    assert "python -m api.keys create" in told["detail"]
    return str(answer.headers["www-authenticate"])


def test_every_route_but_the_public_ones_wants_a_key(keyed: Api) -> None:
    """Those that come later too: the routes are the application's own."""
    seen = 0
    for method, route in keyring.guarded(keyed.app):
        assert route.dependant is not None, f"{route.path} is not served by FastAPI"
        asked = {each.call for each in route.dependant.dependencies}
        assert authenticated in asked, f"{method} {route.path} does not ask who calls"
        path = re.sub(r"\{\w+\}", NOWHERE, route.path or "")
        for content in (b"", b"{", b" " * 2_000_000):
            for headers in ({}, JSON, bearer("wrong")):
                answer = keyed.client.request(method, path, content=content, headers=headers)
                challenge(answer)
        seen += 1
    assert seen >= 15


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
def test_health_and_documentation_are_public(keyed: Api, path: str) -> None:
    assert ask(keyed, None, path).status_code == 200


def test_the_description_tells_of_the_key(keyed: Api) -> None:
    told = keyed.get("/openapi.json")
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert told["paths"]["/v1/jobs"]["post"]["security"] == [{"key": []}]
    assert "security" not in told["paths"]["/healthz"]["get"]


def test_without_a_key_the_challenge_names_no_fault(keyed: Api) -> None:
    assert challenge(ask(keyed, None, "/v1/jobs")) == 'Bearer realm="Plateau"'


@pytest.mark.parametrize(
    "sent",
    [
        "", "Bearer", "Bearer ", "Basic bWU6bWU=", "{}", "Token {}", "Bearer {} x",
        "Bearer {},{}", "Bearer {}x", "Bearer x{}", "Bearer plateau_{}",
        "Bearer \xe9", "Bearer {}\xe9", "Bearer \0",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(keyed: Api, token: str, sent: str) -> None:
    value = sent.replace("{}", token).encode("latin-1")
    answer = raw(keyed, [b"GET /v1/jobs HTTP/1.1", b"Host: localhost", b"Authorization: " + value])
    if answer.status_code != 400:  # a NUL is no HTTP
        assert 'error="invalid_token"' in challenge(answer)


def test_every_character_of_a_token_counts(keyed: Api, token: str) -> None:
    assert ask(keyed, token, "/v1/jobs").status_code == 200
    for place, character in enumerate(token):
        other = token[:place] + ("B" if character == "A" else "A") + token[place + 1 :]
        assert ask(keyed, other, "/v1/jobs").status_code == 401, place
    assert ask(keyed, token.lower(), "/v1/jobs").status_code == 401
    assert ask(keyed, token[:-1], "/v1/jobs").status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_written_as_one_likes(keyed: Api, token: str, scheme: str) -> None:
    answer = keyed.client.get("/v1/jobs", headers={"Authorization": f"{scheme} {token}"})
    assert answer.status_code == 200


def test_two_tokens_are_none(keyed: Api, token: str) -> None:
    headers = [("Authorization", f"Bearer {each}") for each in (token, keyring.make(keyed, "you"))]
    assert 'error="invalid_token"' in challenge(keyed.client.get("/v1/jobs", headers=headers))


def test_a_token_in_the_address_is_not_looked_at(keyed: Api, token: str) -> None:
    for name in ("access_token", "token", "key", "api_key", "authorization"):
        challenge(ask(keyed, None, f"/v1/recipes?{name}={token}"))


def test_a_revoked_key_and_an_unknown_one_are_told_the_same(keyed: Api) -> None:
    id_, token = keyring.make_in(keyed.database, "me")
    assert ask(keyed, token, "/v1/jobs").status_code == 200
    change(keyed, id_, revoked_at=clock.now())
    revoked = ask(keyed, token, "/v1/jobs")
    assert 'error="invalid_token"' in challenge(revoked)
    with keyed.database.writing() as session:
        session.delete(session.get_one(ApiKey, id_))
    unknown = ask(keyed, token, "/v1/jobs")
    assert 'error="invalid_token"' in challenge(unknown)
    assert keyring.plain(unknown) == keyring.plain(revoked)


def test_an_expired_key_is_told_so(keyed: Api) -> None:
    id_, token = keyring.make_in(keyed.database, "me", days=1)
    assert ask(keyed, token, "/v1/jobs").status_code == 200
    change(keyed, id_, expires_at=clock.now(-0.01))
    expired = ask(keyed, token, "/v1/jobs")
    assert 'error="invalid_token"' in challenge(expired)
    assert "expired" in expired.json()["detail"]
    change(keyed, id_, revoked_at=clock.now())
    assert "expired" not in ask(keyed, token, "/v1/jobs").json()["detail"]


def change(keyed: Api, key_id: str, **values: Any) -> None:
    with keyed.database.writing() as session:
        session.execute(update(ApiKey).where(col(ApiKey.id) == key_id).values(**values))


def test_the_database_has_no_token(keyed: Api, token: str) -> None:
    with keyed.database.reading() as session:
        row = session.get_one(ApiKey, f"key_{token.split('_')[1]}")
    assert token[-43:] not in str(row.model_dump())
    assert len(row.sha256) == 64


@pytest.mark.parametrize(
    ("scopes", "reads", "submits"),
    [((), 403, 403), (("read",), 200, 403), (("submit",), 200, 202), (("admin",), 200, 202)],
)
def test_scopes_imply_those_before_them(
    keyed: Api, scopes: tuple[Scope, ...], reads: int, submits: int
) -> None:
    id_, token = keyring.make_in(keyed.database, "me")
    change(keyed, id_, scopes=list(scopes))
    assert ask(keyed, token, "/v1/jobs").status_code == reads
    assert ask(keyed, token, "/v1/jobs", "POST", json=spec()).status_code == submits


def test_nothing_is_changed_without_the_scope_submit(keyed: Api) -> None:
    reader = keyring.make(keyed, "me", "read")
    for method, route in keyring.guarded(keyed.app):
        if method in ("GET", "HEAD"):
            continue
        path = re.sub(r"\{\w+\}", jobs.submit(keyed.database, "me"), route.path or "")
        answer = ask(keyed, reader, path, method, content=b"{", headers=JSON)
        told = problem(answer, 403)
        assert told["type"] == "/problems/forbidden"
        assert "the scope submit; yours has read" in told["detail"]
        assert 'error="insufficient_scope", scope="submit"' in answer.headers["www-authenticate"]


def test_where_workers_run_is_for_admins(keyed: Api) -> None:
    add_worker(keyed, 1, "cpu")

    def place(*scopes: Scope) -> tuple[Any, Any]:
        answer = ask(keyed, keyring.make(keyed, "me", *scopes), "/v1/workers")
        (worker,) = answer.json()["data"]
        return worker["host"], worker["pid"]

    assert place("read") == place("submit") == (None, None)
    assert place("admin") == ("here", 1)


def test_on_loopback_whoever_asks_is_local(api: Api) -> None:
    """With keys off a key that is sent is not looked at."""
    own, other = (jobs.submit(api.database, owner) for owner in ("local", "you"))
    for headers in (
        {},
        bearer(keyring.make(api, "you", "read")),
        bearer("x"),
        {"Authorization": ""},
    ):
        listed = api.client.get("/v1/jobs", headers=headers).json()["data"]
        assert own in [job["id"] for job in listed]
        assert other not in [job["id"] for job in listed]
        assert api.client.post("/v1/jobs", json=spec(), headers=headers).status_code == 202
