"""The servers that other tests stand on are real, empty at the start, and new enough."""

from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from tests import services


def test_each_test_gets_an_empty_database(database_url: str) -> None:
    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE first (n INTEGER)"))
            connection.execute(text("INSERT INTO first VALUES (1)"))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT n FROM first")) == 1
    finally:
        engine.dispose()


def test_postgres_is_as_new_as_the_newest_wheel(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    try:
        with engine.connect() as connection:
            number = int(connection.scalars(text("SHOW server_version_num")).one())
    finally:
        engine.dispose()
    assert number // 10_000 >= 16


def test_postgres_asks_for_its_password(postgres_server: services.Server) -> None:
    engine = create_engine(make_url(postgres_server.url).set(password="wrong"))
    with pytest.raises(Exception, match="password authentication failed"):
        engine.connect()


def test_postgres_databases_are_dropped(postgres_server: services.Server) -> None:
    with services.fresh_database(postgres_server, "passing") as url:
        engine = create_engine(url)
        engine.connect().close()  # the pool keeps it open, and the drop must not wait for it
    with pytest.raises(Exception, match='database "passing" does not exist'):
        create_engine(url).connect()
    with pytest.raises(Exception, match=r"closed|terminat"):
        engine.connect().execute(text("SELECT 1"))
    engine.dispose()


def test_redis_is_empty_and_keeps_what_it_accepts(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.dbsize() == 0
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_redis_writes_survive_a_restart(tmp_path: Path) -> None:
    with services.running_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        server.process.kill()
        server.process.wait()
    with services.running_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_a_redis_that_cannot_start_says_why(tmp_path: Path) -> None:
    command = (*services.REDIS_COMMAND, "--maxmemory-policy", "nonsense")
    with pytest.raises(RuntimeError, match="nonsense"), services.running_redis(tmp_path, command):
        pass


def test_stopped_servers_are_gone(tmp_path: Path) -> None:
    with services.running_redis(tmp_path) as server:
        assert server.process.poll() is None
    assert server.process.returncode == 0
