"""The keys of providers, sealed."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        create table photochanger.provider_secrets (
            provider_id text primary key,
            sealed text not null,
            changed_at timestamptz not null,
            changed_by text not null
        )
    """)


def downgrade() -> None:
    """Drop it, keys included."""
    op.execute("drop table photochanger.provider_secrets")
