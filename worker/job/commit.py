"""Transactions that wait for a database that is away, for as long as waiting makes sense."""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from contract.store.database import Database
from contract.store.transient_faults import passes

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0


class Lost(Exception):
    """The job is someone else's now, or we can no longer show that it is ours."""


def told(error: Exception) -> str:
    """What the error says, without the statement that met it."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


def commit(
    database: Database,
    change: Callable[[Session], bool],
    *,
    name: str,
    patience_seconds: float,
    gone: threading.Event,
) -> None:
    """Commit `change`, trying again until the database answers, time is up, or `gone` is set.

    Raises Lost then, and when `change` returns False.
    """
    deadline = time.monotonic() + patience_seconds
    while not gone.is_set() and time.monotonic() < deadline:
        try:
            with database.writing() as session:
                if change(session):
                    return
        except Exception as error:
            if not passes(error):
                raise
            log.warning("%s: the database is away, will try again: %s", name, told(error))
            gone.wait(_PAUSE_SECONDS)
            continue
        break
    raise Lost(name)
