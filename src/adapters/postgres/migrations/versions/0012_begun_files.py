"""Records of the files that were begun, until they have an owner."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Hosts of the version before write files without a record."""
    op.execute("""
    create table photochanger.begun_files (
        media_key text not null,
        begun_at timestamptz not null
    )
    """)


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table photochanger.begun_files")
