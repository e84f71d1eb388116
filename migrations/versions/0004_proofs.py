"""Proofs, and the jobs that are their runs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _jobs()
    _proofs()


def _jobs() -> None:
    with op.batch_alter_table("jobs") as jobs:
        for name in ("parent_id", "proof_id", "trial"):
            jobs.add_column(sa.Column(name, sa.String()))
        jobs.create_index(op.f("ix_jobs_parent_id"), ["parent_id"])
        jobs.create_index("ix_jobs_proof_id_status", ["proof_id", "status"])


def _proofs() -> None:
    op.create_table(
        "proofs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("other_id", sa.String()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("last_round", sa.Boolean(), nullable=False),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON()),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_proofs_job_id")),
        sa.ForeignKeyConstraint(["other_id"], ["jobs.id"], name=op.f("fk_proofs_other_id")),
    )
    op.create_index(op.f("ix_proofs_job_id"), "proofs", ["job_id"])
    op.create_index(op.f("ix_proofs_status"), "proofs", ["status"])


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)
