"""The API in this process, on a port of loopback: real HTTP without the start of a process."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
from fastapi import FastAPI
from sqlalchemy import event

from api.app import create_app
from api.server import Server, configuration
from contract.settings import Settings
from contract.store.database import Database
from migrations.upgrade import upgrade
from tests import processes


@dataclass(frozen=True)
class Api:
    """A client of the API, and the database behind it, to act as the worker."""

    client: httpx.Client
    database: Database
    settings: Settings
    app: FastAPI

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a GET that must succeed."""
        return self._answer(self.client.get(path, params=query), 200)

    def post(self, path: str, status: int = 202, **body: Any) -> dict[str, Any]:
        """The JSON of a POST that must be answered with `status`."""
        return self._answer(self.client.post(path, json=body or None), status)

    def refused(
        self, path: str, status: int, method: str = "GET", query: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The problem of a request that must be answered with `status`."""
        return problem(self.client.request(method, path, params=query), status)

    def _answer(self, answer: httpx.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = strict_json(answer)
        return told


def strict_json(answer: httpx.Response) -> Any:
    """Refuses the NaN that Python's own parser accepts."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON: {answer.text}")

    return json.loads(answer.text, parse_constant=refuse)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer, which must be a problem (RFC 9457) with `status`."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = strict_json(answer)
    assert told["status"] == status
    assert told["type"].startswith("/problems/")
    assert told["title"]
    assert told["detail"]
    return told


@contextmanager
def looking_for(api: Api, words: str) -> Iterator[list[str]]:
    """The API's statements from now on that have `words` in them."""
    found: list[str] = []

    def note(*arguments: Any) -> None:
        if words in arguments[2]:
            found.append(arguments[2])

    engine = api.app.state.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def serving(settings: Settings, *, migrated: bool = True) -> Iterator[Api]:
    """The API on `settings`, but for host and port, and on a database at head unless told."""
    if migrated:
        upgrade(settings.database_url)
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(configuration(app, settings))
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    port = listener.getsockname()[1]
    database = Database(settings.database_url)
    try:
        processes.wait_for("the API", lambda: server.started)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Api(client, database, settings, app)
    finally:
        server.should_exit = True
        thread.join()
        database.dispose()


def settings_for(url: str, folder: Path, **changes: Any) -> Settings:
    return Settings(database_url=url, var_dir=folder, **changes)
