"""GET of one job: tags that are never wrong, waits that end in time, and what each costs."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import update

from contract.errors import Conflict
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.store.clock import now
from contract.store.tables import Worker
from tests import jobs, keyring, processes
from tests.integration.api.jobs.test_jobs import NOWHERE, add_worker
from tests.keyring import bearer
from tests.served import Api, looking_for, problem, serving, settings_for

# The feed looks all the time; this is for a busy machine.
SOON_SECONDS = 3.0


def get(api: Api, path: str, *tags: str) -> httpx.Response:
    return api.client.get(path, headers=[("If-None-Match", tag) for tag in tags])


class World:
    """A job, and all that its answer may follow from."""

    def __init__(self, api: Api) -> None:
        jobs.clear(api.database)
        self.api = api
        self.database = api.database
        self.job_id = jobs.submit(api.database, tags=["x"])
        self.held: Claim | None = None
        self.workers = 0

    @property
    def epoch(self) -> int:
        return jobs.stored(self.database, self.job_id).epoch

    def as_worker(self, act: Callable[[Any, Claim], object]) -> None:
        if self.held is not None:
            with self.database.writing() as session:
                act(session, self.held)

    def claim(self) -> None:
        self.held = jobs.claim(self.database, self.job_id) or self.held

    def renew(self, fraction: float) -> None:
        self.as_worker(
            lambda session, held: lifecycle.renew(
                session, held, lease_seconds=60, epoch_fraction=fraction
            )
        )

    def record(self) -> None:
        if self.held is not None and self.epoch < jobs.EPOCHS:
            jobs.record(self.database, self.held, self.epoch + 1)

    def cancel(self) -> None:
        with suppress(Conflict):
            jobs.cancel(self.database, self.job_id)

    def another(self, priority: int) -> None:
        jobs.submit(self.database, priority=priority)

    def hire(self) -> None:
        self.workers += 1
        add_worker(self.api, self.workers, "cpu", "any")

    def silence(self) -> None:
        with self.database.writing() as session:
            session.execute(update(Worker).values(heartbeat_at=now(-3600)))


CHANGES: dict[str, Callable[[World], None]] = {
    "claim": World.claim,
    "half an epoch": lambda world: world.renew(0.5),
    "most of an epoch": lambda world: world.renew(0.75),
    "an epoch": World.record,
    "release": lambda world: world.as_worker(jobs.release),
    "refused": lambda world: world.as_worker(jobs.refuse),
    "crash": lambda world: world.as_worker(jobs.crash),
    "succeed": lambda world: world.as_worker(jobs.succeed),
    "fail": lambda world: world.as_worker(jobs.fail),
    "cancel": World.cancel,
    "stopped": lambda world: world.as_worker(lifecycle.acknowledge_cancel),
    "one ahead": lambda world: world.another(1),
    "one behind": lambda world: world.another(0),
    "a worker": World.hire,
    "silence": World.silence,
}
QUERIES = ("", "?fields=status,progress", "?fields=queue&fields=name", "?fields=spec,tags")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=12))
def test_304_says_that_the_answer_would_be_the_same(api: Api, changes: list[str]) -> None:
    world = World(api)
    paths = [f"/v1/jobs/{world.job_id}{query}" for query in QUERIES]
    had = {path: get(api, path) for path in paths}
    for change in changes:
        CHANGES[change](world)
        for path in paths:
            is_, was = get(api, path), had[path]
            conditional = get(api, path, was.headers["etag"])
            assert conditional.headers["etag"] == is_.headers["etag"]
            if conditional.status_code == 304:
                assert is_.content == was.content, change
            else:
                assert conditional.content == is_.content
                assert is_.content != was.content or "?" in path, change
            had[path] = is_


def test_a_304_is_an_answer_without_a_body(api: Api) -> None:
    path = f"/v1/jobs/{jobs.submit(api.database)}"
    first = get(api, path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for sent in ([tag], [f'"x", W/{tag}'], ['"x"', tag], ["*"]):
        answer = get(api, path, *sent)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "private, no-cache"
        assert "content-type" not in answer.headers
    assert get(api, path, '"x"').content == first.content
    assert problem(get(api, f"/v1/jobs/{NOWHERE}", tag, "*"), 404)


def test_jobs_and_selections_have_tags_of_their_own(api: Api) -> None:
    ids = [jobs.running(api.database).job_id for _ in range(2)]
    paths = [f"/v1/jobs/{id_}{query}" for id_ in ids for query in QUERIES]
    assert len({get(api, path).headers["etag"] for path in paths}) == len(paths)
    one, same = (
        get(api, f"/v1/jobs/{ids[0]}?fields={fields}") for fields in ("name,status", "status,name")
    )
    assert one.headers["etag"] == same.headers["etag"]


def test_a_poll_of_what_has_not_changed_is_one_small_statement(api: Api) -> None:
    path = f"/v1/jobs/{jobs.running(api.database).job_id}"
    tag = get(api, path).headers["etag"]
    jobs.submit(api.database)
    with looking_for(api, "SELECT") as statements:
        assert get(api, path, tag).status_code == 304
    (statement,) = statements
    assert statement.partition("FROM")[0].count(",") < 8
    assert "spec" not in statement


def test_a_worker_that_falls_silent_is_noticed_without_a_commit(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(settings_for(sqlite_url, tmp_path)) as api:
        path = f"/v1/jobs/{jobs.submit(api.database)}?fields=queue"
        almost = api.app.state.settings.lease_seconds - 2
        add_worker(api, 1, "cpu", "any", silent=almost)
        reasons = []

        def silent() -> bool:
            reasons.append(get(api, path).json()["queue"]["reason"])
            return "no worker" in reasons[-1]

        processes.wait_for("it to be missed", silent)
        assert "no worker" not in reasons[0]


class TestFields:
    def test_what_is_named_comes_and_no_more(self, api: Api) -> None:
        id_ = jobs.submit(api.database, tags=["b", "a", "b"])
        whole = api.get(f"/v1/jobs/{id_}")
        for names in (["status"], ["tags", "queue"], ["spec"], ["id"], ["transitions", "urls"]):
            wanted = {name: whole[name] for name in whole if name in {"id", "object", *names}}
            assert api.get(f"/v1/jobs/{id_}", fields=",".join(names)) == wanted
            assert api.get(f"/v1/jobs/{id_}", fields=names) == wanted
            assert api.get("/v1/jobs", fields=",".join(names))["data"] == [wanted]

    def test_a_spec_that_is_not_wanted_is_not_read(self, api: Api) -> None:
        path = f"/v1/jobs/{jobs.submit(api.database)}"
        for asked in (path, "/v1/jobs"):
            with looking_for(api, "spec") as with_spec:
                api.get(asked, fields="status,progress,queue,transitions")
            assert with_spec == []
            with looking_for(api, "spec") as with_spec:
                api.get(asked)
            assert len(with_spec) == 1

    def test_a_name_that_no_member_has(self, api: Api) -> None:
        told = api.refused(
            f"/v1/jobs/{jobs.submit(api.database)}", 422, query={"fields": "status,progres"}
        )
        (fault,) = told["errors"]
        assert fault["parameter"] == "fields"
        assert fault["detail"].endswith('received "progres": did you mean progress?')


def reached(found: Sequence[Any], count: int) -> bool:
    return len(found) >= count


class TestWaiting:
    def test_it_ends_with_the_next_change_and_not_before(self, api: Api) -> None:
        held = jobs.running(api.database)
        path = f"/v1/jobs/{held.job_id}?wait=60"
        tag = get(api, path.partition("?")[0]).headers["etag"]
        for epoch, sent in ((1, []), (2, ["*"])):
            with ThreadPoolExecutor(1) as threads:
                waiting = begun(api, threads, path, *sent)
                with looking_for(api, "jobs.events, jobs.status") as looks:
                    for count in (1, 2):
                        jobs.submit(api.database)  # another's change is none
                        processes.wait_for("a look", partial(reached, looks, count))
                assert not waiting.done()
                assert jobs.record(api.database, held, epoch)
                answer = waiting.result(SOON_SECONDS)
            assert answer.status_code == (304 if sent else 200)
        assert get(api, path, tag).json()["progress"]["epoch"] == 2

    def test_a_cancel_ends_it(self, api: Api) -> None:
        id_ = jobs.submit(api.database)
        tag = get(api, f"/v1/jobs/{id_}").headers["etag"]
        with ThreadPoolExecutor(1) as threads:
            waiting = begun(api, threads, f"/v1/jobs/{id_}?wait=60", tag)
            api.post(f"/v1/jobs/{id_}/cancel", 200)
            answer = waiting.result(SOON_SECONDS)
        assert answer.json()["status"] == "cancelled"
        assert answer.headers["etag"] == get(api, f"/v1/jobs/{id_}").headers["etag"]

    def test_when_its_time_is_up_nothing_is_new(self, api: Api) -> None:
        path = f"/v1/jobs/{jobs.submit(api.database)}"
        first = get(api, path)
        unknown = get(api, f"{path}?wait=0.4")
        known = get(api, f"{path}?wait=0.4", first.headers["etag"])
        assert (unknown.status_code, unknown.content) == (200, first.content)
        assert known.status_code == 304
        assert min(unknown.elapsed.total_seconds(), known.elapsed.total_seconds()) >= 0.4

    def test_nobody_waits_for_what_is_there_or_will_not_come(self, api: Api) -> None:
        held = jobs.running(api.database)
        path = f"/v1/jobs/{held.job_id}"
        old = get(api, path).headers["etag"]
        jobs.record(api.database, held, 1)
        answers = [get(api, f"{path}?wait=60", old)]
        with api.database.writing() as session:
            jobs.succeed(session, held)
        answers += [get(api, f"{path}?wait=60", *tags) for tags in ((), ["*"])]
        assert [answer.status_code for answer in answers] == [200, 200, 304]
        assert max(answer.elapsed.total_seconds() for answer in answers) < SOON_SECONDS
        assert problem(get(api, f"/v1/jobs/{NOWHERE}?wait=60"), 404)

    def test_it_holds_neither_thread_nor_connection(self, api: Api) -> None:
        """More wait than there are of either."""
        waits = 100
        id_, other = (jobs.submit(api.database) for _ in range(2))
        pool: Any = api.app.state.database.engine.pool
        with ThreadPoolExecutor(waits) as threads:
            waiting = [threads.submit(slowly, api, f"/v1/jobs/{id_}?wait=60") for _ in range(waits)]
            feed = api.app.state.feed
            processes.wait_for("all to wait", lambda: feed.listeners == waits)
            answer = get(api, f"/v1/jobs/{other}")
            assert answer.elapsed.total_seconds() < SOON_SECONDS
            processes.wait_for("no connection to be out", lambda: pool.checkedout() == 0)
            jobs.cancel(api.database, id_)
            told = {wait.result().json()["status"] for wait in waiting}
        assert told == {"cancelled"}

    @pytest.mark.parametrize("wait", ["-1", "61", "inf", "nan", "x", ""])
    def test_what_is_no_time(self, api: Api, wait: str) -> None:
        path = f"/v1/jobs/{jobs.submit(api.database)}"
        told = api.refused(path, 422, query={"wait": wait})
        assert [fault["parameter"] for fault in told["errors"]] == ["wait"]


def slowly(api: Api, path: str, headers: Any = None) -> httpx.Response:
    """Over a connection of its own, with time to wait."""
    return httpx.get(f"{api.client.base_url}".rstrip("/") + path, headers=headers, timeout=70)


def begun(api: Api, threads: ThreadPoolExecutor, path: str, *tags: str) -> "Future[httpx.Response]":
    """A wait, once the API has begun it."""
    waiting = threads.submit(slowly, api, path, [("If-None-Match", tag) for tag in tags])
    feed = api.app.state.feed
    processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
    return waiting


def test_waits_count_as_streams(sqlite_url: str, tmp_path: Path) -> None:
    with serving(settings_for(sqlite_url, tmp_path, auth="keys", max_streams=1)) as api:
        key = bearer(keyring.make(api, "me"))
        id_ = jobs.submit(api.database, "me")
        path = f"/v1/jobs/{id_}?wait=60"
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(slowly, api, path, key)
            feed = api.app.state.feed
            processes.wait_for("the wait to begin", lambda: feed.listeners == 1)
            refused = api.client.get(path, headers=key)
            assert problem(refused, 429)["type"] == "/problems/too-many-streams"
            assert int(refused.headers["retry-after"]) > 0
            news = api.client.get(path, headers={**key, "If-None-Match": '"x"'})
            assert news.status_code == 200, "what needs no wait was refused"
            jobs.cancel(api.database, id_)
            assert waiting.result().status_code == 200
        assert api.client.get(path, headers=key).status_code == 200


@pytest.mark.parametrize("query", ["", "?wait=60", "?fields=id"])
def test_anothers_job_is_neither_known_nor_waited_for(keyed: Api, query: str) -> None:
    """Not even by who knows its tag."""
    theirs = bearer(keyring.make(keyed, "you"))
    path = f"/v1/jobs/{jobs.submit(keyed.database, 'you')}{query}"
    tag = keyed.client.get(path.replace("wait=60", "wait=0"), headers=theirs).headers["etag"]
    for sent in ("*", tag):
        mine = {**bearer(keyring.make(keyed, "me")), "If-None-Match": sent}
        assert problem(keyed.client.get(path, headers=mine), 404)["type"] == "/problems/not-found"
