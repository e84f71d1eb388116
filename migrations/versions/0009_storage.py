"""What jobs store, in bytes, and which of them have files left that no row names."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# {"model": {"bytes": 123, ...}, ...} of each job that succeeded.
_KEPT = {
    "sqlite": "SELECT sum(json_extract(kept.value, '$.bytes')) "
    "FROM results, json_each(results.artifacts) AS kept",
    "postgresql": "SELECT sum((kept.value ->> 'bytes')::bigint) "
    "FROM results, json_each(results.artifacts) AS kept",
}


def upgrade() -> None:
    """A job that has ended names no checkpoint any more: what is left of them is found by that."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(
            sa.Column("stored_bytes", sa.BigInteger(), nullable=False, server_default="0")
        )
        jobs.add_column(
            sa.Column("uncleared", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    kept = f"{_KEPT[op.get_context().dialect.name]} WHERE results.job_id = jobs.id"
    op.execute(
        f"UPDATE jobs SET checkpoint = NULL, stored_bytes = coalesce(({kept}), 0) "
        "WHERE status IN ('succeeded', 'failed', 'cancelled')"
    )
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("stored_bytes", server_default=None)
        jobs.alter_column("uncleared", server_default=None)
    _index("stored_bytes > 0", "owner", "stored_bytes")
    _index("uncleared", "id")


def _index(condition: str, *columns: str) -> None:
    where, name = sa.text(condition), "_".join(("ix_jobs", *columns))
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)
