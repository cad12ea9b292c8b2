"""Results are found by the job that is in their name: one index less to keep."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the index of result names."""
    op.execute("drop index photochanger.jobs_result_stem")


def downgrade() -> None:
    """Make it again."""
    op.execute("""
        create index jobs_result_stem on photochanger.jobs (result_stem)
            where result_stem is not null and result_purged_at is null
    """)
