"""What all tables have in common: how constraints are named, and JSON that keeps every number."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, Dialect, MetaData
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from contract.numbers import encode


class Base(SQLModel):
    """Constraint names are fixed, so that migrations can name them on both databases."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Document(TypeDecorator[Any]):
    """JSON whose non-finite numbers are strings: SQLite turns NaN to NULL, Postgres refuses it."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return encode(value)


def document(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(Document, nullable=nullable))
