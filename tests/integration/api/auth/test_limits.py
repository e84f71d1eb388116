"""Limits of keys and owners: on real databases, and as the API answers them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ulid import ULID

from api.auth.caller import ANYONE, Caller
from api.auth.quotas import check_queue, check_storage
from contract.errors import PlateauError, TooManyBytes, TooManyJobs
from contract.settings import Settings
from contract.store import clock
from contract.store.database import Database
from contract.store.tables import Dataset
from tests import jobs, keyring
from tests.keyring import ask
from tests.served import problem, serving, settings_for

ME = Caller("me", frozenset(["submit"]), "key")
YOU = Caller("you", frozenset(["submit"]), "key")
SETTINGS = Settings(max_queued_jobs=5, max_stored_bytes=1000)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


def submit(database: Database, caller: Caller) -> str:
    with database.writing() as session:
        check_queue(session, caller, SETTINGS, 1)
        return jobs.queue(session, jobs.experiment(), owner=caller.owner)


def store(database: Database, caller: Caller, size: int) -> None:
    with database.writing() as session:
        check_storage(session, caller, SETTINGS, size)
        session.add(
            Dataset(
                id=f"dataset_{ULID()}", owner=caller.owner, name="own", facts={}, report={},
                key="k", sha256="0" * 64, bytes=size, created_at=clock.read(session),
            )
        )  # fmt: skip


def test_the_queue_of_an_owner_is_limited(database: Database) -> None:
    ids = [submit(database, ME) for _ in range(5)]
    with pytest.raises(TooManyJobs) as refused:
        submit(database, ME)
    assert int(refused.value.headers["Retry-After"]) > 0
    for said in ("me may have 5 jobs", "PLATEAU_MAX_QUEUED_JOBS", "has 5"):
        assert said in str(refused.value)
    submit(database, YOU)
    assert jobs.claim(database, ids[0])
    jobs.cancel(database, ids[1])
    for _ in range(2):
        submit(database, ME)
    with pytest.raises(TooManyJobs):
        submit(database, ME)


def test_what_an_owner_stores_is_limited(database: Database) -> None:
    store(database, ME, 600)
    store(database, YOU, 900)
    with pytest.raises(TooManyBytes) as refused:
        store(database, ME, 401)
    assert int(refused.value.headers["Retry-After"]) > 0
    for said in ("me may store 1,000 bytes", "PLATEAU_MAX_STORED_BYTES", "has 600", "401 more"):
        assert said in str(refused.value)
    store(database, ME, 400)


def test_many_at_once_get_no_further(database: Database) -> None:
    """What was counted is still true when the row is stored."""

    def attempt(number: int) -> bool:
        try:
            if number % 2:
                submit(database, ME)
            else:
                store(database, YOU, 250)  # what I store bounds my jobs too
        except PlateauError:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        accepted = list(threads.map(attempt, range(48)))
    assert (sum(accepted[1::2]), sum(accepted[::2])) == (5, 4)


def test_while_keys_are_off_there_is_no_limit(database: Database) -> None:
    for _ in range(6):
        submit(database, ANYONE)
        store(database, ANYONE, 1000)


def test_a_key_that_asks_too_fast_is_told_to_wait(sqlite_url: str, tmp_path: Path) -> None:
    """So slowly do these buckets fill that the test's own time does not count."""
    settings = settings_for(sqlite_url, tmp_path, auth="keys", requests_per_second=0.002)
    with serving(settings) as api:
        mine, other = (keyring.make(api, "me") for _ in range(2))
        assert ask(api, "nonsense", "/v1/jobs").status_code == 401
        assert ask(api, mine, "/v1/jobs").status_code == 200
        refused = ask(api, mine, "/v1/jobs")
        told = problem(refused, 429)
        assert told["type"] == "/problems/too-many-requests"
        assert "0.002 requests a second, 1 at once" in told["detail"]
        assert "PLATEAU_REQUESTS_PER_SECOND" in told["detail"]
        assert 1 <= int(refused.headers["retry-after"]) <= 500
        assert ask(api, mine, "/v1/jobs", "POST", content=b"{").status_code == 429
        assert ask(api, mine, "/healthz").status_code == 200
        assert ask(api, other, "/v1/jobs").status_code == 200


def test_a_request_counts_once(sqlite_url: str, tmp_path: Path) -> None:
    """Though who asks is asked before the body is read, and again by the handler."""
    settings = settings_for(sqlite_url, tmp_path, auth="keys", requests_per_second=2.5)
    with serving(settings) as api:
        token = keyring.make(api, "me")
        bodies = [jobs.experiment().model_dump(mode="json", exclude_unset=True)] * 5
        answers = [ask(api, token, "/v1/jobs", "POST", json=body) for body in bodies]
        assert [answer.status_code for answer in answers] == [202] * 5
