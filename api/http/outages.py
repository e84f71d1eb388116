"""What is answered while the database is away, or the process is out of files: 503, or 507."""

import errno
import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.http.problems import plateau_error
from contract.errors import StorageFull, Unavailable
from contract.store.database import damaged, disk_full

log = logging.getLogger(__name__)

# The second where Postgres gave up on a transaction that we had frozen over.
_AWAY = (OperationalError, InternalError, PoolTimeout)
_NO_SUCH_TABLE = "42P01"  # Postgres' word for it; SQLite's is an OperationalError
_SECONDS = 5


def install(app: FastAPI) -> None:
    """Let `app` answer so, where a route meets such an error."""
    app.add_exception_handler(DBAPIError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(OSError, _no_more_files)


def _database_away(request: Request, error: Exception) -> JSONResponse:
    """Raises what is a fault of ours."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if damaged(error):
        request.app.state.database.damage = str(cause)
    elif not isinstance(error, _AWAY) and getattr(cause, "sqlstate", "") != _NO_SUCH_TABLE:
        raise error
    log.error("%s %s: %s", request.method, request.scope["path"], error)
    if disk_full(error):
        return plateau_error(request, StorageFull("the disk of the database has no room left"))
    detail = "The database does not answer, or has no tables yet; /readyz says why. Try again."
    return plateau_error(request, Unavailable(detail, _SECONDS))


def _no_more_files(request: Request, error: Exception) -> JSONResponse:
    """Raises any other OSError."""
    if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
        raise error
    log.error("%s %s: %s", request.method, request.scope["path"], error)
    detail = "The server has as many files and connections open as it may. Try again."
    return plateau_error(request, Unavailable(detail, _SECONDS))
