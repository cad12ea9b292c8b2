"""The fingerprint of the secret key that the hosts of this database use."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = """
create table photochanger.secret_key (
    one_row boolean primary key default true check (one_row),
    fingerprint text not null
)
"""


def upgrade() -> None:
    """Add the table; the first host that starts fills it. Hosts of the version before do not know it."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop the table."""
    op.execute("drop table photochanger.secret_key")
