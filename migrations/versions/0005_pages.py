"""Indexes that lead to the jobs of a page, and to those ahead in the queue, whatever there is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("status_device_id", "owner_id", "dataset", "verdict"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
    _index("status", "device", "priority")
    _index("owner", "dataset")
    _index("owner", without_parent=True)
    _index("owner", "status", without_parent=True)
    _index("owner", "verdict", without_parent=True)


def _index(*columns: str, without_parent: bool = False) -> None:
    where = sa.text("parent_id IS NULL") if without_parent else None
    name = "_".join(("ix_jobs", *columns, "id"))
    op.create_index(name, "jobs", [*columns, "id"], sqlite_where=where, postgresql_where=where)
