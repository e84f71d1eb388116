"""Sweeps, and the jobs that are their runs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _jobs()
    _sweeps()


def _jobs() -> None:
    """Of what jobs of before took, their epochs tell."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("sweep_id", sa.String()))
        jobs.add_column(sa.Column("cell", sa.Integer()))
        jobs.add_column(
            sa.Column("train_seconds", sa.Float(), nullable=False, server_default="0.0")
        )
    op.execute(
        "UPDATE jobs SET train_seconds = "
        "coalesce((SELECT sum(seconds) FROM epochs WHERE epochs.job_id = jobs.id), 0.0)"
    )
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("train_seconds", server_default=None)
        jobs.create_index("ix_jobs_sweep_id_id", ["sweep_id", "id"])


def _sweeps() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("round", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.JSON(), nullable=False)
            for name in ("base", "uploads", "plan", "cells", "trials", "refused")
        ),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    op.create_index("ix_sweeps_owner_id", "sweeps", ["owner", "id"])
    op.create_index(op.f("ix_sweeps_status"), "sweeps", ["status"])


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)
