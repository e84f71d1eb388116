"""How far the database's clock has jumped ahead since this worker began to watch it."""

import time
from collections.abc import Callable
from datetime import datetime

from contract.store import clock
from contract.store.database import Database


class Drift:
    """What is deleted for its age is deleted by the slower of two clocks: the database's, and
    `elapsed` since the first question. A host that sleeps counts as one whose clock jumped."""

    def __init__(self, database: Database, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._elapsed = elapsed
        self._first: tuple[datetime, float] | None = None

    def ahead(self) -> float:
        """Seconds, never negative."""
        with self._database.reading() as session:
            at = clock.read(session)
        mine = self._elapsed()
        began, then = self._first = self._first or (at, mine)
        return max(0.0, (at - began).total_seconds() - (mine - then))
