"""The two kinds of transaction, and the database's clock."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlmodel import col, select

from contract.store import database as store_database
from contract.store import sqlite as store_sqlite
from contract.store.clock import now
from contract.store.database import Database
from contract.store.tables import Job, Worker
from tests import jobs

WRITES = 50


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with jobs.empty_database(database_url) as database:
        yield database


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    with jobs.empty_database(sqlite_url) as database:
        yield database


@pytest.fixture(params=["WAL", "TRUNCATE"])
def journal_mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    mode: str = request.param
    monkeypatch.setattr(store_database, "JOURNAL_MODE", mode)
    return mode


def pragma(database: Database, name: str) -> object:
    with database.reading() as session:
        return session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()


def statements(database: Database) -> list[str]:
    """What goes to the database from now on."""
    sent: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement),
    )
    return sent


class TestSQLite:
    def test_settings_that_keep_commits(self, sqlite: Database) -> None:
        assert pragma(sqlite, "synchronous") == 2  # FULL
        assert pragma(sqlite, "foreign_keys") == 1
        assert pragma(sqlite, "busy_timeout") == 10_000
        assert pragma(sqlite, "journal_mode") == store_sqlite.JOURNAL_MODE.lower()

    @pytest.mark.parametrize(
        ("version", "mode"),
        [
            ((3, 40, 1), "TRUNCATE"),
            ((3, 44, 5), "TRUNCATE"),
            ((3, 44, 6), "WAL"),
            ((3, 45, 0), "TRUNCATE"),
            ((3, 50, 6), "TRUNCATE"),
            ((3, 50, 7), "WAL"),
            ((3, 51, 2), "TRUNCATE"),
            ((3, 51, 3), "WAL"),
            ((3, 52, 0), "WAL"),
            ((4, 0, 0), "WAL"),
        ],
    )
    def test_wal_only_where_it_loses_nothing(
        self, version: tuple[int, int, int], mode: str
    ) -> None:
        assert store_sqlite.journal_mode(version) == mode

    def test_says_so_where_wal_would_lose_commits(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(store_database, "JOURNAL_MODE", "TRUNCATE")
        with caplog.at_level(logging.INFO):
            Database(sqlite_url).dispose()
        assert f"SQLite {store_sqlite.DRIVER.sqlite_version} has the WAL-reset bug" in caplog.text

    def test_writers_lock_before_they_read(self, sqlite: Database) -> None:
        with sqlite.writing():
            pass  # looks at the schema first, as it does once a second
        sent = statements(sqlite)
        with sqlite.writing() as session:
            session.exec(select(Job)).all()
        with sqlite.reading() as session:
            session.exec(select(Job)).all()
        assert [statement for statement in sent if statement.startswith("BEGIN")] == [
            "BEGIN IMMEDIATE",
            "BEGIN",
        ]

    def test_makes_the_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "folder" / "jobs.db"
        with jobs.empty_database(f"sqlite:///{file}"):
            assert file.is_file()

    def test_a_row_of_no_job_is_refused(self, sqlite: Database) -> None:
        with pytest.raises(DBAPIError, match="FOREIGN KEY"), sqlite.writing() as session:
            session.add(jobs.result("job_nowhere"))

    @pytest.mark.parametrize("kind", ["threads", "processes"])
    def test_four_writers_never_meet_a_locked_database(
        self, sqlite_url: str, journal_mode: str, kind: str
    ) -> None:
        """Each reads, then writes: what fails at once in a transaction that began as a reader."""
        with jobs.empty_database(sqlite_url) as database:
            job_id = jobs.submit(database)
            if kind == "threads":
                four_threads(sqlite_url, job_id)
            else:
                four_processes(sqlite_url, job_id, journal_mode)
            assert jobs.stored(database, job_id).epoch == 4 * WRITES

    def test_a_deferred_writer_would_meet_one(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reason for BEGIN IMMEDIATE, shown: without it the test above fails."""
        with jobs.empty_database(sqlite_url) as database:
            job_id = jobs.submit(database)
        monkeypatch.setattr(store_database, "_begin_sqlite", begin_deferred)
        with pytest.raises(OperationalError, match="database is locked"):
            four_threads(sqlite_url, job_id)


def begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def four_threads(url: str, job_id: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: write_many(url, job_id), range(4)))


def four_processes(url: str, job_id: str, mode: str) -> None:
    code = (
        "from contract.store import database\n"
        f"database.JOURNAL_MODE = {mode!r}\n"
        "from tests.integration.contract.store.test_database import write_many\n"
        f"write_many({url!r}, {job_id!r})"
    )
    root = Path(store_database.__file__).parents[2]
    command = [sys.executable, "-c", code]
    writers = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE) for _ in range(4)]
    said = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, said


def write_many(url: str, job_id: str) -> None:
    """Count a job's epoch up, in transactions that read before they write."""
    database = Database(url)
    try:
        for _ in range(WRITES):
            with database.writing() as session:
                session.get_one(Job, job_id).epoch += 1
            with database.reading() as session:
                session.exec(select(Job)).all()
    finally:
        database.dispose()


class TestTransactions:
    def test_writing_commits(self, database: Database) -> None:
        job_id = jobs.submit(database)
        assert jobs.stored(database, job_id).id == job_id

    def test_writing_rolls_back_when_an_exception_passes(self, database: Database) -> None:
        job_id = jobs.submit(database)

        def change_and_fail() -> None:
            with database.writing() as session:
                session.get_one(Job, job_id).name = "changed"
                session.flush()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            change_and_fail()
        assert jobs.stored(database, job_id).name == "small"

    def test_reading_sees_one_state(self, database: Database) -> None:
        """A page of a job with its epochs must not mix two moments."""
        job_id = jobs.submit(database)
        with database.reading() as session:
            epochs = select(Job.epoch).where(col(Job.id) == job_id)
            first = session.exec(epochs).one()
            if database.engine.dialect.name == "postgresql":  # SQLite's writer would wait for us
                held = jobs.claim(database, job_id)
                assert held is not None
                assert jobs.record(database, held, 1)
            assert session.exec(epochs).one() == first

    def test_reading_writes_nothing(self, database: Database) -> None:
        job_id = jobs.submit(database)
        with database.reading() as session:
            session.get_one(Job, job_id).name = "changed"
        assert jobs.stored(database, job_id).name == "small"

    def test_postgres_refuses_to_write_while_reading(self, postgres_url: str) -> None:
        with (
            jobs.empty_database(postgres_url) as database,
            database.reading() as session,
            pytest.raises(DBAPIError, match="read-only"),
        ):
            session.connection().execute(text("DELETE FROM jobs"))

    def test_postgres_does_not_wait_for_ever(self, postgres_url: str) -> None:
        with jobs.empty_database(postgres_url) as database, database.reading() as session:
            names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            show = [text(f"SHOW {name}") for name in names]
            assert [session.connection().scalar(each) for each in show] == ["30s", "10s", "5s"]

    @pytest.mark.parametrize("url", ["mysql://host/name", "mssql+pyodbc://host/name"])
    def test_other_databases_are_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"must be sqlite:// or postgresql://, received m"):
            Database(url)


class TestClock:
    def test_is_aware_and_right(self, database: Database) -> None:
        with database.reading() as session:
            at = session.exec(select(now())).one()
        assert at.utcoffset() == timedelta(0)
        assert abs(at - datetime.now(UTC)) < timedelta(seconds=5)

    @pytest.mark.parametrize("seconds", [60.0, 0.25, -45.5, 1e-6, 1e6])
    def test_reaches_forward_and_back(self, database: Database, seconds: float) -> None:
        with database.reading() as session:
            at, then = session.exec(select(now(), now(seconds))).one()
        # SQLite counts milliseconds, Postgres' clock goes on between the two.
        assert abs(then - at - timedelta(seconds=seconds)) < timedelta(milliseconds=200)

    def test_compares_with_what_is_stored(self, database: Database) -> None:
        with database.writing() as session:
            for name, seconds in (("past", -0.002), ("future", 3600)):
                at = session.exec(select(now(seconds))).one()
                session.add(worker(name, at))
        with database.reading() as session:
            before = select(Worker.id).where(col(Worker.heartbeat_at) < now())
            after = select(Worker.id).where(col(Worker.heartbeat_at) > now(60))
            assert session.exec(before).all() == ["past"]
            assert session.exec(after).all() == ["future"]

    @pytest.mark.parametrize("microsecond", [0, 1, 999, 1000, 500_000, 999_999])
    def test_keeps_microseconds(self, database: Database, microsecond: int) -> None:
        at = datetime(2026, 2, 28, 23, 59, 59, microsecond, tzinfo=UTC)
        assert stored_and_read(database, at) == at

    def test_understands_other_time_zones(self, database: Database) -> None:
        at = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        read = stored_and_read(database, at)
        assert read == at
        assert read.utcoffset() == timedelta(0)

    def test_refuses_a_time_without_a_zone(self, database: Database) -> None:
        with pytest.raises(StatementError, match="expected a time with a time zone"):
            stored_and_read(database, datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test

    def test_does_not_stand_still_within_a_transaction(self, postgres_url: str) -> None:
        """A writer that waited for a lock must not set a lease that has begun long ago."""
        with jobs.empty_database(postgres_url) as database, database.reading() as session:
            moments: list[Callable[[], datetime]] = [lambda: session.exec(select(now())).one()] * 2
            first, second = (moment() for moment in moments)
        assert first < second


def worker(name: str, at: datetime) -> Worker:
    return Worker(
        id=name, host="h", pid=1, devices=[], queues=[], slots=1, started_at=at, heartbeat_at=at
    )


def stored_and_read(database: Database, at: datetime) -> datetime:
    with database.writing() as session:
        session.add(worker("one", at))
    with database.reading() as session:
        return session.get_one(Worker, "one").heartbeat_at


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """Whoever is first changes its journal mode; the others wait."""
    with ThreadPoolExecutor(8) as threads:
        for number in range(40):
            url = f"sqlite:///{tmp_path}/{number}.db"
            databases = [Database(url) for _ in range(8)]
            list(threads.map(_ask, databases))


def _ask(database: Database) -> None:
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.dispose()
