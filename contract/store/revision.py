"""Which schema this code was written for, and whether the database has it."""

from sqlalchemy import Connection, text

from contract.errors import Unavailable

# The head of `migrations/versions`.
REVISION = "0009"
_SECONDS = 5


class OtherSchema(Unavailable):
    """The database is at another revision: what is written to it might not be what it should."""

    title = "The database's schema is another version's"


def check(connection: Connection) -> None:
    """Raises OtherSchema, with what to do."""
    if (found := _revision(connection)) == REVISION:
        return
    newer = found is not None and found.isdecimal() and found > REVISION
    remedy = "start the version that goes with it" if newer else "run python -m migrations"
    raise OtherSchema(
        f"the database's schema is at revision {found or 'nothing'}, expected {REVISION}: {remedy}",
        _SECONDS,
    )


def _revision(connection: Connection) -> str | None:
    """None for a database without tables."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
