"""The last check of each provider's service."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Hosts of the version before do not know it."""
    op.execute("""
        create table photochanger.provider_checks (
            provider_id text primary key,
            checked_at timestamptz not null,
            result jsonb not null
        ) with (fillfactor = 50)
    """)


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table photochanger.provider_checks")
