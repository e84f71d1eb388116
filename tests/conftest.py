"""Databases and brokers for the tests, and the folder with MNIST where there is one."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
import redis

# Before TensorFlow, which brings a SQLite of its own: what is loaded after it would take that.
from contract.store import sqlite
from tests import services

assert sqlite.DRIVER.sqlite_version_info, "it is loaded"
# Loaded machines are slow machines: a time limit per example would fail at random.
hypothesis.settings.register_profile("plateau", deadline=None, print_blob=True)
hypothesis.settings.load_profile("plateau")

DATA_DIR = pytest.StashKey[str | None]()


def pytest_configure(config: pytest.Config) -> None:
    """Forget PLATEAU_* of the environment: a test must never reach the user's own database."""
    config.stash[DATA_DIR] = os.environ.get("PLATEAU_DATA_DIR")
    for name in [name for name in os.environ if name.startswith("PLATEAU_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs in one process: a file's tests, and all that train in the tests' own process.

    So what a file sets up is set up once, and TensorFlow warms up once.
    """
    for item in items:
        module = item.getparent(pytest.Module)
        assert module is not None
        trains = any(hasattr(module.obj, name) for name in ("keras", "tf"))
        item.add_marker(pytest.mark.xdist_group("tensorflow" if trains else module.nodeid))


@pytest.fixture(scope="session")
def mnist_dir(pytestconfig: pytest.Config) -> Path:
    """The folder that PLATEAU_DATA_DIR named, if mnist.npz is in it."""
    named = pytestconfig.stash[DATA_DIR]
    if named is None:
        pytest.skip("needs real MNIST: set PLATEAU_DATA_DIR to a folder with mnist.npz")
    if not (Path(named) / "mnist.npz").is_file():
        pytest.skip(f"needs real MNIST: there is no mnist.npz in PLATEAU_DATA_DIR ({named})")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Server]:
    with services.running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: services.Server) -> str:
    """A Redis with nothing in it."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.Server]:
    with services.running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: services.Server) -> Iterator[str]:
    """A Postgres database with nothing in it."""
    with services.fresh_database(postgres_server, f"test_{uuid4().hex}") as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'plateau.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test twice: on an empty SQLite and on an empty Postgres."""
    return str(request.getfixturevalue(f"{request.param}_url"))
