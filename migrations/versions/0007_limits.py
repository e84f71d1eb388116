"""Jobs that a worker could not train, and when each is tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TURN = ["status", "device", "priority", "id"]


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("refusals", sa.Integer(), nullable=False, server_default="0"))
        jobs.add_column(sa.Column("refused_at", sa.DateTime(timezone=True)))
        jobs.add_column(sa.Column("not_before", sa.DateTime(timezone=True)))
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("refusals", server_default=None)
        jobs.drop_index("ix_jobs_status_device_priority_id")
        jobs.create_index("ix_jobs_status_device_priority_id_not_before", [*_TURN, "not_before"])
