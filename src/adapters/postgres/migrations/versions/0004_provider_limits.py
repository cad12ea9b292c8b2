"""What all workers share about providers, the places of calls under way, and whose reference a job carries."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the columns."""
    op.execute("""
        create table photochanger.provider_usage (
            provider_id text primary key,
            usage jsonb not null
        ) with (fillfactor = 50)
    """)
    op.execute("alter table photochanger.jobs add column places text[] not null default '{}'")
    op.execute("alter table photochanger.jobs add column provider_job_entry integer")


def downgrade() -> None:
    """Take them away."""
    op.execute("alter table photochanger.jobs drop column provider_job_entry")
    op.execute("alter table photochanger.jobs drop column places")
    op.execute("drop table photochanger.provider_usage")
