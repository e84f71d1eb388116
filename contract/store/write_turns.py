"""The order in which the threads of a process write to SQLite."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from contract.store import deadline
from contract.store.sqlite import DRIVER


class WritersTurns:
    """SQLite has one writer at a time. Those of a process take turns here, and hold no connection
    meanwhile: SQLite's own lock wakes nobody, so that who waits for it sleeps and tries again."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._lock = threading.Lock()

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Raises OperationalError, as SQLite does, where it does not come before the deadline."""
        if not self._lock.acquire(timeout=deadline.left(self._most_seconds)):
            busy = DRIVER.OperationalError("database is locked: others wait to write as well")
            raise OperationalError("BEGIN IMMEDIATE", None, busy)
        try:
            yield
        finally:
            self._lock.release()
