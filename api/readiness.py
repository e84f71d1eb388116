"""Whether the service can do its work: the database answers, and its schema is at head."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from celery import Celery

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_BROKER_SECONDS = 1


class NotServing(Exception):
    """Why the service cannot do its work, and what to do."""


@cache
def _head() -> str | None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


def schema_revision(engine: Engine) -> str:
    """The database's revision, which is head. Raises NotServing."""
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise NotServing(f"the database does not answer: {error.orig}") from error
    head = _head()
    if found is None or found != head:
        raise NotServing(
            f"the database's schema is at revision {found or 'nothing'}, expected {head}: "
            "run python -m migrations"
        )
    return found


def broker_state(app: "Celery | None") -> Literal["embedded", "reachable", "unreachable"]:
    """`app` is None for the broker inside the worker."""
    if app is None:
        return "embedded"
    from kombu.exceptions import OperationalError as BrokerAway  # late, as Celery: see api.bell

    try:
        with app.connection_for_write(connect_timeout=_BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_SECONDS)
    except (BrokerAway, OSError):
        return "unreachable"
    return "reachable"
