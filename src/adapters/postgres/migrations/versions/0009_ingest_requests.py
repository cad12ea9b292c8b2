"""The last request of each slot, as it came in."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("""
        create table photochanger.ingest_requests (
            slot_id text primary key,
            received_at timestamptz not null,
            request jsonb not null
        ) with (fillfactor = 50)
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("drop table photochanger.ingest_requests")
