"""The broker on a real Redis, in and out of order: a message is never an error, and never long."""

import base64
import json
import logging
import signal
import time
from pathlib import Path

import pytest
import redis
from celery import Celery

from contract.jobs import broker
from contract.settings import Settings
from tests import services


def app_on(url: str) -> Celery:
    return broker.celery_app(Settings(broker_url=url))


def arguments(url: str, queue: str) -> list[object]:
    """What the messages in a queue carry, the oldest first."""
    with redis.Redis.from_url(url) as client:
        messages = [json.loads(message) for message in client.lrange(queue, 0, -1)]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in reversed(messages)]
    return [(args, kwargs) for args, kwargs, _ in bodies]


def seconds_to_ring(app: Celery, job_id: str) -> float:
    start = time.monotonic()
    broker.notify(app, job_id, "any")
    return time.monotonic() - start


def test_carries_the_id_and_nothing_else(redis_url: str) -> None:
    with app_on(redis_url) as app:
        broker.notify(app, "job_1", "any")
        broker.notify(app, "job_2", "gpu")
        broker.notify(app, "job_3", "any")
    assert arguments(redis_url, "plateau.any") == [(["job_1"], {}), (["job_3"], {})]
    assert arguments(redis_url, "plateau.gpu") == [(["job_2"], {})]
    with redis.Redis.from_url(redis_url) as client:
        assert not client.keys("celery-task-meta*")


def test_a_dead_redis_is_logged_in_a_moment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with services.running_redis(tmp_path) as server, app_on(server.url) as app:
        broker.notify(app, "job_1", "any")
        server.process.kill()
        server.process.wait()
        with caplog.at_level(logging.WARNING):
            for job_id in ("job_2", "job_3"):
                assert seconds_to_ring(app, job_id) < 5
                assert f"could not notify a worker of {job_id}, one will find it" in caplog.text


def test_a_redis_that_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    with app_on(f"redis://127.0.0.1:{services.free_port()}/0") as app:
        assert seconds_to_ring(app, "job_1") < 5
    assert "could not notify a worker of job_1" in caplog.text


def test_a_silent_redis_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with services.running_redis(tmp_path) as server, app_on(server.url) as app:
        broker.notify(app, "job_1", "any")
        server.process.send_signal(signal.SIGSTOP)
        try:
            assert seconds_to_ring(app, "job_2") < 10
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert "could not notify a worker of job_2" in caplog.text
        broker.notify(app, "job_3", "any")
        assert (["job_3"], {}) in arguments(server.url, "plateau.any")
