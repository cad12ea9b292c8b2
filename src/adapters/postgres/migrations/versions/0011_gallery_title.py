"""The title of a slot's gallery."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Hosts of the version before keep what it holds."""
    op.execute("alter table photochanger.slots add column gallery_title text")


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table photochanger.slots drop column gallery_title")
