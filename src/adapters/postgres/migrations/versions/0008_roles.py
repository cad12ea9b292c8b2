"""Roles of administrators: who had all permissions becomes an owner; the last sign-in."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BEFORE = (
    "array['slots:read', 'slots:write', 'settings:read', 'settings:write', 'media:read', 'media:write', "
    "'jobs:read', 'jobs:write', 'stats:read']"
)
_NEW = "array['admins:read', 'admins:write']"


def upgrade() -> None:
    """Add the column and the permissions. Hosts of the version before cannot read administrators with those."""
    op.execute("alter table photochanger.admins add column last_login_at timestamptz")
    op.execute(f"update photochanger.admins set permissions = permissions || {_NEW} where permissions @> {_BEFORE}")


def downgrade() -> None:
    """Drop the column and the permissions."""
    removed = "array_remove(array_remove(permissions, 'admins:read'), 'admins:write')"
    op.execute(f"update photochanger.admins set permissions = {removed} where permissions && {_NEW}")
    op.execute("alter table photochanger.admins drop column last_login_at")
