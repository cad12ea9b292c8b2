"""An index of test runs: a slot has few of them among many jobs of guests."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute("create index jobs_tests on photochanger.jobs (slot_id, created_at, id) where source = 'test'")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index photochanger.jobs_tests")
