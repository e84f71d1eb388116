"""GET with `wait`: of sweeps, proofs and comparisons, and of what there is at a job's end."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests import jobs, keyring, processes, proofs, sweeps
from tests.integration.api.jobs.test_polls import SOON_SECONDS, slowly
from tests.keyring import bearer
from tests.served import Api, looking_for, problem, serving, settings_for


@dataclass
class Watched:
    """What is waited for, at `path`, and what happens to it then, the last of which ends it."""

    path: str
    changes: list[Callable[[], object]]


def sweep(api: Api) -> Watched:
    id_ = api.post("/v1/sweeps", **sweeps.body())["id"]
    first, second = sweeps.runs(api.database, id_)
    return Watched(
        f"/v1/sweeps/{id_}",
        [
            lambda: sweeps.train(api.database, first.id, 0.5),
            lambda: sweeps.reach(api.database, second.id, 0.5),
            lambda: api.post(f"/v1/sweeps/{id_}/cancel", 200),
        ],
    )


def repairs(api: Api) -> Watched:
    id_ = proofs.diagnosed(api.database)
    told = api.post(f"/v1/jobs/{id_}/repairs")
    run = told["trials"][0]["runs"][0]["job"]
    return Watched(
        f"/v1/jobs/{id_}/repairs",
        [
            lambda: jobs.cancel(api.database, run),
            lambda: api.post(f"/v1/jobs/{id_}/repairs/cancel", 200),
        ],
    )


def comparison(api: Api) -> Watched:
    first, second = jobs.submit(api.database), jobs.running(api.database, name="other")

    def stop() -> None:
        with api.database.writing() as session:
            assert jobs.succeed(session, second)

    return Watched(
        f"/v1/compare?jobs={first},{second.job_id}",
        [
            lambda: jobs.record(api.database, second, 1),
            lambda: jobs.cancel(api.database, first),
            lambda: jobs.cancel(api.database, second.job_id),
            stop,
        ],
    )


def waiting_on(path: str, seconds: float | str = 60) -> str:
    return f"{path}{'&' if '?' in path else '?'}wait={seconds}"


@contextmanager
def begun(api: Api, path: str, *tags: str) -> Iterator["Future[httpx.Response]"]:
    """A wait, once the API has begun it."""
    headers = [("If-None-Match", tag) for tag in tags]
    feed = api.app.state.feed
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(slowly, api, waiting_on(path), headers)
        processes.wait_for("the wait to begin", lambda: feed.listeners > 0)
        yield answer


@pytest.mark.parametrize("kind", [sweep, repairs, comparison])
class TestChanges:
    @pytest.mark.parametrize("known", [True, False], ids=["with its tag", "without"])
    def test_each_ends_a_wait_and_nothing_else_does(
        self, api: Api, kind: Callable[[Api], Watched], known: bool
    ) -> None:
        watched = kind(api)
        for change in watched.changes:
            had = api.client.get(watched.path)
            tag = had.headers["etag"]
            assert api.client.get(watched.path, headers={"If-None-Match": tag}).status_code == 304
            with begun(api, watched.path, *([tag] if known else [])) as answer:
                with looking_for(api, "events") as looks:
                    jobs.submit(api.database)  # another's change is none
                    processes.wait_for("a look", partial(bool, looks))
                assert not answer.done()
                change()
                told = answer.result(SOON_SECONDS)
            assert told.status_code == 200
            assert told.headers["etag"] != tag
            assert told.content != had.content
        ended = api.client.get(waiting_on(watched.path))
        assert ended.elapsed.total_seconds() < SOON_SECONDS, "nothing more will come"

    def test_who_has_an_old_one_does_not_wait(
        self, api: Api, kind: Callable[[Api], Watched]
    ) -> None:
        watched = kind(api)
        old = api.client.get(watched.path).headers["etag"]
        watched.changes[0]()
        answer = api.client.get(waiting_on(watched.path), headers={"If-None-Match": old})
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() < SOON_SECONDS

    def test_when_the_time_is_up_nothing_is_new(
        self, api: Api, kind: Callable[[Api], Watched]
    ) -> None:
        path = kind(api).path
        tag = api.client.get(path).headers["etag"]
        answer = api.client.get(waiting_on(path, 0.4), headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.elapsed.total_seconds() >= 0.4

    @pytest.mark.parametrize("wait", ["-1", "61", "inf", "nan", "x", ""])
    def test_what_is_no_time(self, api: Api, kind: Callable[[Api], Watched], wait: str) -> None:
        answer = api.client.get(waiting_on(kind(api).path, wait))
        assert [each["parameter"] for each in problem(answer, 422)["errors"]] == ["wait"]


@pytest.mark.parametrize("what", ["results", "diagnosis", "model", "scaling"])
def test_what_comes_with_the_end_is_waited_for(api: Api, what: str) -> None:
    held = jobs.running(api.database)
    path = f"/v1/jobs/{held.job_id}/{what}"
    early = api.client.get(waiting_on(path, 0.4))
    assert problem(early, 409)["type"] == "/problems/not-ready"
    assert early.elapsed.total_seconds() >= 0.4
    with begun(api, path) as answer:
        for epoch in (1, 2):
            jobs.record(api.database, held, epoch)
            assert not answer.done()
        jobs.cancel(api.database, held.job_id)
        with api.database.writing() as session:
            assert jobs.succeed(session, held)
        ended = answer.result(SOON_SECONDS)
    assert ended.status_code == (200 if what in ("results", "diagnosis") else 404)


def test_waits_for_many_sweeps_are_one_statement(api: Api) -> None:
    """Each look of the feed costs as much for ten of them as for one."""
    paths = [sweep(api).path for _ in range(10)]
    feed = api.app.state.feed
    with ThreadPoolExecutor(len(paths)) as threads:
        answers = [threads.submit(slowly, api, waiting_on(path)) for path in paths]
        processes.wait_for("all to wait", lambda: feed.listeners == len(paths))
        with looking_for(api, "FROM sweeps") as looks:
            jobs.submit(api.database)
            processes.wait_for("a look", partial(bool, looks))
        assert all(statement.count("sum(") == 1 for statement in looks)
        assert len(looks) < 5
        for path in paths:
            api.post(f"{path}/cancel", 200)
        assert {answer.result().json()["status"] for answer in answers} == {"cancelled"}


def test_all_waits_count_as_streams(sqlite_url: str, tmp_path: Path) -> None:
    with serving(settings_for(sqlite_url, tmp_path, auth="keys", max_streams=1)) as api:
        key = bearer(keyring.make(api, "me"))
        id_ = jobs.submit(api.database, "me")
        made = api.client.post("/v1/sweeps", json=sweeps.body(), headers=key).json()["urls"]["self"]
        feed = api.app.state.feed
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(slowly, api, waiting_on(made), key)
            processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
            for path in (made, f"/v1/jobs/{id_}/results"):
                told = problem(api.client.get(waiting_on(path), headers=key), 429)
                assert told["type"] == "/problems/too-many-streams"
            assert api.client.post(f"{made}/cancel", headers=key).status_code == 200
            assert answer.result().status_code == 200
        assert api.client.get(waiting_on(made), headers=key).status_code == 200
