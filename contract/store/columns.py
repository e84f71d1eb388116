"""What all tables have in common: how constraints are named, and JSON that keeps every number."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, Dialect, Index, MetaData, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from contract.store.numbers import encode


class Base(SQLModel):
    """Constraint names are fixed, so that migrations can name them on both databases."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# For statements of whole columns, which cost a fraction of those of objects.
TABLES = Base.metadata.tables


class Document(TypeDecorator[Any]):
    """JSON whose non-finite numbers are strings: SQLite turns NaN to NULL, Postgres refuses it."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        """With strings in the place of numbers that are not finite."""
        return encode(value)


def document(*, nullable: bool = True) -> Any:
    """A column of JSON, NULL for None."""
    return Field(default=None, sa_column=Column(Document, nullable=nullable))


def listed(*columns: str) -> Index:
    """For lists in the order of ids, which leave out the runs of proofs: there are many more."""
    return partial("parent_id IS NULL", *columns, "id")


def partial(condition: str, *columns: str) -> Index:
    """Of the jobs that meet the condition alone."""
    where, name = text(condition), "_".join(("ix_jobs", *columns))
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)
