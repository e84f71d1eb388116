"""An index by which what ended since a look at retention is found without all that ended before."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("ix_jobs_finished_at_id", "jobs", ["finished_at", "id"])
