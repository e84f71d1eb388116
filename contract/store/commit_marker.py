"""Whether anything was committed since one last asked: a short question that saves longer ones."""

import threading
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

# To open a connection to a host that is away takes seconds, in which all others who ask wait.
_AWAY_SECONDS = 1.0
# SQLite counts the commits of other connections than the one that asks. Postgres tells which
# transactions are seen: of those that write, each that ends changes it.
_QUESTIONS = {
    "sqlite": "PRAGMA data_version",
    "postgresql": "SELECT pg_current_snapshot()::text",
}


class Changes:
    """Of one database, by whatever process: some microseconds on SQLite, a round trip on Postgres.

    It has a connection of its own, which is idle between two questions and never writes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._question = _QUESTIONS[engine.dialect.name]
        self._local = engine.dialect.name == "sqlite"
        self._connection: Any = None  # the driver's own
        self._opened = 0
        self._away_until = 0.0
        self._lock = threading.Lock()

    def state(self) -> str | None:
        """Equal to an earlier answer only if nothing was committed in between.

        None where the database does not answer: ask it what you wanted to know, it will say why.
        """
        with self._lock:
            if self._connection is None and time.monotonic() < self._away_until:
                return None
            try:
                return self._ask()
            except (DBAPIError, self._engine.dialect.loaded_dbapi.Error):
                self._close()
                return None

    def close(self) -> None:
        """Give up the connection; the next question opens another."""
        with self._lock:
            self._close()

    def _ask(self) -> str:
        if self._connection is None:
            self._connection = self._open()
        ((state,),) = self._connection.execute(self._question).fetchall()
        # SQLite's connections each count for themselves.
        return f"{self._opened}:{state}"

    def _open(self) -> Any:
        try:
            pooled = self._engine.raw_connection()
        except Exception:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise
        pooled.detach()
        connection = pooled.dbapi_connection
        assert connection is not None, "it was opened a moment ago"
        self._engine.dialect.set_isolation_level(connection, "AUTOCOMMIT")
        if self._local:
            connection.execute("PRAGMA busy_timeout=0")  # a file that is busy does not answer
        self._opened += 1
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._engine.dialect.loaded_dbapi.Error):
                connection.close()
