"""Worker processes and when each told of itself the last time."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("""
        create table photochanger.workers (
            name text primary key,
            host text not null,
            pid integer not null,
            concurrency integer not null,
            running integer not null,
            version text not null,
            started_at timestamptz not null,
            seen_at timestamptz not null
        ) with (fillfactor = 50)
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("drop table photochanger.workers")
