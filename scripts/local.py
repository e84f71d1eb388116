"""API and worker as processes on this machine, on the settings of the environment."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from api.auth import tokens
from api.auth.caller import keys_needed
from api.jobs import live_workers
from contract.settings import Settings
from contract.store.database import Database
from scripts.children import Child, kept

START_SECONDS = 60.0


class NotStarted(Exception):
    """A process ended instead of getting ready; it has said why."""


@contextmanager
def running(settings: Settings, logs: Path | None = None) -> Iterator[None]:
    """API and worker: migrated, started, ready, kept alive; stopped at the end.

    With `logs`, a folder, they write to api.log and worker.log there. Raises NotStarted.
    """
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    _check_port(settings)
    _migrate(logs)
    with (
        Child("api", logs and logs / "api.log") as api,
        Child("worker", logs and logs / "worker.log") as worker,
    ):
        _wait_until_ready(settings, api, worker)
        with kept([api, worker]):
            yield


@contextmanager
def client(settings: Settings) -> Iterator[httpx.Client]:
    """Of the API, with a key where it wants one. Raises NotStarted where the API breaks off."""
    headers = _authorization(settings)
    # An API that was killed is there again in some seconds.
    transport = httpx.HTTPTransport(retries=5)
    try:
        with httpx.Client(
            base_url=base_url(settings), headers=headers, timeout=60, transport=transport
        ) as client:
            yield client
    except httpx.TransportError as error:
        raise NotStarted(f"the API broke off: {error}") from error


def base_url(settings: Settings) -> str:
    """Where the API is reached from this machine."""
    host = _local(settings)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _authorization(settings: Settings) -> dict[str, str]:
    """The header that the API wants, with a new key that holds for a day; none with keys off."""
    if not keys_needed(settings):
        return {}
    with _opened(settings) as database, database.writing() as session:
        _, token = tokens.create(session, "demo", name="make demo", scopes=["submit"], days=1)
    return {"Authorization": f"Bearer {token}"}


def _check_port(settings: Settings) -> None:
    """Another Plateau on the port would answer in the place of ours."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((_local(settings), settings.port)) == 0:
            raise NotStarted(
                f"port {settings.port} is in use: end what listens there, "
                "or set PLATEAU_PORT to a free port"
            )


def _local(settings: Settings) -> str:
    return "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host


def _migrate(logs: Path | None) -> None:
    command = [sys.executable, "-m", "migrations"]
    output = subprocess.run(command, check=False, capture_output=logs is not None)
    if output.returncode != 0:
        sys.stderr.buffer.write(output.stderr or b"")
        raise NotStarted("the database could not be brought to the current schema")


def _wait_until_ready(settings: Settings, api: Child, worker: Child) -> None:
    """Until the API answers and its worker has registered."""
    deadline = time.monotonic() + START_SECONDS
    while not (_answers(settings) and _has_worker(settings)):
        for child in (api, worker):
            if child.exit_status is not None:
                raise NotStarted(f"{child.module} ended with status {child.exit_status}")
        if time.monotonic() > deadline:
            raise NotStarted(f"not ready after {START_SECONDS:.0f} s")
        time.sleep(0.1)


def _answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{base_url(settings)}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _has_worker(settings: Settings) -> bool:
    with _opened(settings) as database, database.looking() as connection:
        return bool(live_workers.alive(connection, settings))


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        database.dispose()
