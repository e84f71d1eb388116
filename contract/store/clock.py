"""The database's clock, for every time that is stored or compared: hosts' clocks disagree."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, and_, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UTCDateTime(TypeDecorator[datetime]):
    """Aware in Python, `timestamptz` in Postgres, ISO text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """The time in UTC. Raises ValueError for one without a time zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"expected a time with a time zone, received {value!r}: attach UTC")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """The time in UTC; SQLite gives it back without a zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class now(FunctionElement[datetime]):
    """`now()`, or `now(seconds)` for a time that far in the future (negative: the past)."""

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(literal(float(seconds)))


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: Any, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    # %f has three decimals where SQLAlchemy's stored format has six.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(now, "postgresql")
def _postgresql(element: now, compiler: Any, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    # Not CURRENT_TIMESTAMP, which stands still within a transaction that waited for a lock.
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


def recent(column: Any, seconds: float) -> ColumnElement[bool]:
    """Whether `column` is a time of the last `seconds`. One that lies further ahead is not: it was
    written before the clock was set back."""
    return and_(column > now(-seconds), column < now(seconds))


def read(session: Session) -> datetime:
    """The time by the database's clock."""
    at: datetime = session.connection().execute(_NOW).scalar_one()
    return at


_NOW = select(now())
