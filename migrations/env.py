"""Alembic loads this file by its path, within the transaction that upgrade.py opened."""

from alembic import context

from contract.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a column by copying its table
)
with context.begin_transaction():
    context.run_migrations()
