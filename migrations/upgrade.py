"""Brings a database from whatever it is to the newest schema, all of it or nothing."""

from pathlib import Path
from typing import Any, NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select

from contract.store.sqlite import DRIVER

FOLDER = Path(__file__).parent
# Long enough for another upgrade to finish; an upgrade that waits for more is better stopped.
WAIT_SECONDS = 60
_ADVISORY_LOCK = int.from_bytes(b"plateau", "big")


class Upgrade(NamedTuple):
    """The revisions that a database was found at (None: it was empty) and left at."""

    before: str | None
    after: str


def upgrade(url: str) -> Upgrade:
    """Upgrade the database at `url` in one transaction; makes the folder of a SQLite file.

    Upgrades that run at once wait for each other: the first does the work, the others find it
    done. Raises CommandError when the database is at a revision that this code does not know.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _lock(connection)
            before = revision(connection)
            command.upgrade(config(connection), "head")
            after = revision(connection)
    finally:
        engine.dispose()
    if after is None:
        raise RuntimeError(f"expected revisions in {FOLDER / 'versions'}, found none")
    return Upgrade(before, after)


def config(connection: Connection) -> Config:
    """What Alembic needs to know; there is no alembic.ini."""
    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return settings


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        options = f"-c lock_timeout={WAIT_SECONDS * 1000}"
        return create_engine(url, connect_args={"options": options})
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, module=DRIVER, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _leave_begin_to_us)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _leave_begin_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    """Lock the file: Python's own BEGIN comes too late, and leaves DDL outside."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
