"""One engine per process, and the two kinds of transaction: `reading` and `writing`."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from contract.store import deadline, revision
from contract.store.commit_marker import Changes
from contract.store.sqlite import DRIVER, JOURNAL_MODE
from contract.store.write_turns import WritersTurns

log = logging.getLogger(__name__)

# The longest wait for others who write, where no deadline comes before.
BUSY_SECONDS = 10
# More than there are threads that ask at once (`api.http.threads`): who only reads never waits for
# a connection. Those beyond the first are closed after use.
_POOL = {"pool_size": 10, "max_overflow": 30, "pool_timeout": BUSY_SECONDS}
# How long what was found of the schema holds.
_SCHEMA_SECONDS = 1.0
_POSTGRES_DISK_FULL = "53100"


def disk_full(error: Exception) -> bool:
    """Whether a statement failed because the database has no room left on its disk."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return (
        getattr(cause, "sqlite_errorcode", None) == DRIVER.SQLITE_FULL
        or getattr(cause, "sqlstate", None) == _POSTGRES_DISK_FULL
    )


def damaged(error: Exception) -> bool:
    """Whether a statement failed because the file of a SQLite database is not what it was."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # an extended code names its kind there
    return code in (DRIVER.SQLITE_CORRUPT, DRIVER.SQLITE_NOTADB)


class Database:
    """Sessions on one database. Only the edge (a request, a step of the worker) opens them.

    Raises ValueError for a URL of any other database than SQLite and Postgres.
    """

    def __init__(self, url: str) -> None:
        kind = make_url(url).get_backend_name()
        if kind not in _OPEN:
            raise ValueError(f"the database must be sqlite:// or postgresql://, received {kind}://")
        self.engine = _OPEN[kind](url)
        self._reader = self.engine.execution_options(**_READER[kind])
        self._glancer = self.engine.execution_options(**_GLANCER[kind])
        self._writer = self.engine.execution_options(writes=True)
        self._turns = WritersTurns(BUSY_SECONDS) if kind == "sqlite" else None
        self._schema_holds_until = 0.0
        # What was met of a file that is damaged: it stays so for as long as it is open.
        self.damage: str | None = None
        self.changes = Changes(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and is rolled back at the end."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """`reading` without the objects of a session, which cost more than a short statement."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """`looking` for a single SELECT, which sees one state without a transaction around it.

        BEGIN and ROLLBACK cost a poll more than what it reads. Each further SELECT would see
        another state.
        """
        with self._glancer.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when an exception passes through.

        Raises OtherSchema, and OperationalError where others write until the deadline.
        """
        self.check_schema()
        with (
            self._turns.mine() if self._turns else nullcontext(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def check_schema(self) -> None:
        """Someone may upgrade the database while older processes still run. Raises OtherSchema."""
        if time.monotonic() >= self._schema_holds_until:
            with self.looking() as connection:
                revision.check(connection)
            self._schema_holds_until = time.monotonic() + _SCHEMA_SECONDS

    def dispose(self) -> None:
        """Close all connections that nobody uses."""
        self.changes.close()
        self.engine.dispose()


def _postgres(url: str) -> Engine:
    connect_args = {
        # Who waits for a lock of a process that froze in mid-transaction gets it in time.
        "options": "-c statement_timeout=30000 -c lock_timeout=10000 -c timezone=UTC"
        " -c idle_in_transaction_session_timeout=5000",
        "connect_timeout": 10,
        # The server's own timeouts say nothing when the network is gone; a worker must notice
        # well before its lease runs out.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 15_000,
    }
    engine = create_engine(url, pool_pre_ping=True, connect_args=connect_args, **_POOL)
    event.listen(engine, "begin", _begin_postgres)
    return engine


def _begin_postgres(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    if writes and (seconds := deadline.left(BUSY_SECONDS)) < BUSY_SECONDS:
        # 0 would be no limit at all.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}")


def _sqlite(url: str) -> Engine:
    path = make_url(url).database
    in_a_file = bool(path) and path != ":memory:"
    if path and in_a_file:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if JOURNAL_MODE != "WAL":
        log.info(
            "SQLite %s has the WAL-reset bug (fixed in 3.51.3): journal_mode %s is used instead",
            DRIVER.sqlite_version,
            JOURNAL_MODE,
        )
    pool = _POOL if in_a_file else {}  # one in memory has a pool of its own kind
    engine = create_engine(url, module=DRIVER, connect_args={"timeout": BUSY_SECONDS}, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _set_journal_mode(connection)


def _set_journal_mode(connection: Any) -> None:
    """SQLite waits for no lock here, whatever the busy_timeout: of several processes that open a
    new file at once, all but one would fail."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode={JOURNAL_MODE}")
        except DRIVER.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == DRIVER.SQLITE_BUSY  # or an extended code of it
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    _set_busy_timeout(connection, deadline.left(BUSY_SECONDS))
    if options.get("writes", False):
        # A deferred transaction that turns writer fails at once, in spite of busy_timeout.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif not options.get("glances", False):
        connection.exec_driver_sql("BEGIN")


def _set_busy_timeout(connection: Connection, seconds: float) -> None:
    """In steps of 100 ms, where it is another than the connection's last one.

    The time that is left of a request differs each time by a little, and a statement costs as much
    as the SELECT that follows it.
    """
    milliseconds = math.ceil(seconds * 10) * 100
    if connection.info.get("busy_timeout", BUSY_SECONDS * 1000) != milliseconds:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")
        connection.info["busy_timeout"] = milliseconds


_OPEN = {"sqlite": _sqlite, "postgresql": _postgres}
# A deferred transaction of SQLite sees one state as it is.
_READER: dict[str, dict[str, Any]] = {
    "sqlite": {},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
_GLANCER: dict[str, dict[str, Any]] = {
    "sqlite": {"glances": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
