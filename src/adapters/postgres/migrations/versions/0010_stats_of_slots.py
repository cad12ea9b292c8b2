"""Sums of statistics by slot and day: figures of all slots apart, over long ranges."""

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and fill it from the sums by quarter hour."""
    op.execute("""
        create table photochanger.stats_slot_days (
            slot_id text not null,
            day timestamptz not null,
            provider_id text not null,
            outcome text not null,
            bucket smallint not null,
            count bigint not null,
            primary key (day, slot_id, provider_id, outcome, bucket)
        )
    """)
    op.execute("""
        insert into photochanger.stats_slot_days (slot_id, day, provider_id, outcome, bucket, count)
        select slot_id, date_trunc('day', start, 'UTC'), provider_id, outcome, bucket, sum(count)
        from photochanger.stats_quarters
        group by 1, 2, 3, 4, 5
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("drop table photochanger.stats_slot_days")
