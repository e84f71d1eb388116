"""Keys for tests, and every route that they are for."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from api.auth import tokens
from api.auth.tokens import Scope
from contract.store.database import Database
from tests.served import Api

# What may be seen without a key; docs are pages about the service, not of it.
PUBLIC = ("/healthz", "/readyz", "/openapi.json", "/docs")
HOME = "/"
_REQUEST = re.compile(r"\breq_[0-9A-Z]{26}\b")


def make(api: Api, owner: str, *scopes: Scope, days: int | None = None) -> str:
    """The token of a new key, for `submit` unless told."""
    return make_in(api.database, owner, *scopes, days=days)[1]


def make_in(
    database: Database, owner: str, *scopes: Scope, days: int | None = None
) -> tuple[str, str]:
    """(id, token) of a new key."""
    with database.writing() as session:
        key, token = tokens.create(session, owner, name="", scopes=scopes or ["submit"], days=days)
    return key.id, token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(api: Api, token: str | None, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    """The answer to who has `token`; `more` as httpx takes it."""
    headers = more.pop("headers", {}) | (bearer(token) if token else {})
    return api.client.request(method, path, headers=headers, **more)


def plain(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    """Body and headers, without what is another one for each request."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    headers = {name: _REQUEST.sub("", value) for name, value in headers.items()}
    return _REQUEST.sub("", answer.text), headers


def guarded(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """(method, route) of everything but what is named public."""
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        if path != HOME and not any(f"{path}/".startswith(f"{public}/") for public in PUBLIC):
            for method in sorted(route.methods or {"GET"}):
                yield method, route
