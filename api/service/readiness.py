"""Whether the service can do its work: found out aside, and answered from memory.

Who asks waits for no database, broker or thread that others keep busy.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from contract.store import revision
from contract.store.database import Database, damaged
from contract.store.revision import OtherSchema
from contract.store.tables import TABLES

if TYPE_CHECKING:
    from celery import Celery

T = TypeVar("T")
Broker = Literal["embedded", "reachable", "unreachable"]

_BROKER_SECONDS = 1
# Within this, what was found counts as what is; who asks later waits a little for a new look.
_FRESH_SECONDS, _PATIENCE_SECONDS = 1.0, 0.08
# Of a look that does not come back, what was found before counts for so long.
_STALE_SECONDS = 5.0


class NotServing(Exception):
    """Why the service cannot do its work, and what to do."""


class Look(Generic[T]):
    """Calls `find` in a thread of its own, one call at a time, and remembers what it returned."""

    def __init__(self, name: str, find: Callable[[], T]) -> None:
        self._find = find
        self._thread = ThreadPoolExecutor(1, name)
        self._found: T | None = None
        self._at = -float("inf")
        self._look: asyncio.Future[T] | None = None

    async def latest(self, holds: Callable[[T], bool] = lambda _: True) -> T | None:
        """What was found last, at once or nearly so; None where that is long ago.

        What does not hold is looked at anew, however fresh it is.
        """
        fresh = time.monotonic() - self._at < _FRESH_SECONDS
        if not fresh or self._found is None or not holds(self._found):
            if self._look is None:
                self._begin()
            if self._look is not None:
                await asyncio.wait({self._look}, timeout=_PATIENCE_SECONDS)
        return self._found if time.monotonic() - self._at < _STALE_SECONDS else None

    def close(self) -> None:
        """Begin no more looks; the one under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self._look = asyncio.get_running_loop().run_in_executor(self._thread, self._find)
        self._look.add_done_callback(self._end)

    def _end(self, look: "asyncio.Future[T]") -> None:
        self._look = None
        with suppress(Exception, asyncio.CancelledError):
            self._found, self._at = look.result(), time.monotonic()


class Readiness:
    """That of one app."""

    def __init__(self, database: Database, broker: "Celery | None") -> None:
        self._database = Look("readiness", lambda: _fault(database))
        self._broker = Look("broker", lambda: _broker_state(broker))

    async def check(self) -> Broker:
        """The state of the broker. Raises NotServing, with the reason, where no job can be taken
        in; that costs no more than a tenth of a second, whatever is out of order."""
        fault, broker = await asyncio.gather(
            self._database.latest(lambda found: not found), self._broker.latest()
        )
        if fault is None:
            raise NotServing("the database does not answer, or only slowly")
        if fault:
            raise NotServing(fault)
        return broker or "unreachable"

    def close(self) -> None:
        self._database.close()
        self._broker.close()


def _fault(database: Database) -> str:
    """What keeps the service from its work; nothing, if it is empty."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
        with database.looking() as connection:
            revision.check(connection)
            # Damage mostly shows where something is read.
            connection.execute(select(func.max(TABLES["jobs"].c.id))).all()
    except OtherSchema as error:
        return str(error)
    except (DBAPIError, PoolTimeout) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return f"the database {'is damaged' if damaged(error) else 'does not answer'}: {cause}"
    except OSError as error:
        return f"this process cannot open files: {error}"
    if database.damage is not None:
        return f"the database is damaged: {database.damage}"
    return ""


def _broker_state(app: "Celery | None") -> Broker:
    """`app` is None for the broker inside the worker."""
    if app is None:
        return "embedded"
    # Late, as Celery: see api.jobs.notify.
    from kombu.exceptions import OperationalError as BrokerAway

    try:
        with app.connection_for_write(connect_timeout=_BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_SECONDS)
    except (BrokerAway, OSError):
        return "unreachable"
    return "reachable"
