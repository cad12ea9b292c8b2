"""Ingest keys: one for each booth."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLE = """
create table photochanger.ingest_keys (
    id uuid primary key,
    name text not null unique,
    digest text not null unique,
    created_at timestamptz not null,
    created_by text not null,
    used_at timestamptz,
    used_slot_id text,
    used_address text
)
"""


def upgrade() -> None:
    """Add the table. Hosts of the version before do not know it."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop the table; its booths need the ingest password again."""
    op.execute("drop table photochanger.ingest_keys")
