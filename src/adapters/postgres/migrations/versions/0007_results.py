"""Results: lists over all slots, and which ones galleries do not show."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add column and indexes. Hosts of the version before do not know the column: their galleries show everything."""
    op.execute("alter table photochanger.jobs add column hidden_at timestamptz")
    op.execute("""
        create index jobs_results on photochanger.jobs (finalized_at, id)
        where result_stem is not null and result_purged_at is null
    """)
    op.execute("create index jobs_hidden on photochanger.jobs (finalized_at, id) where hidden_at is not null")


def downgrade() -> None:
    """Drop them; galleries show every result again."""
    op.execute("drop index photochanger.jobs_hidden")
    op.execute("drop index photochanger.jobs_results")
    op.execute("alter table photochanger.jobs drop column hidden_at")
