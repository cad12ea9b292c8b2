"""Sums of statistics by slot, of days and weeks: figures of all slots apart, over long ranges."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and fill it from the sums by quarter hour."""
    op.execute("""
        create table photochanger.stats_spans (
            slot_id text not null,
            start timestamptz not null,
            days smallint not null,
            provider_id text not null,
            outcome text not null,
            bucket smallint not null,
            count bigint not null,
            primary key (start, days, slot_id, provider_id, outcome, bucket)
        )
    """)
    op.execute("""
        insert into photochanger.stats_spans (slot_id, start, days, provider_id, outcome, bucket, count)
        select slot_id, date_bin(days * interval '1 day', start, '2001-01-01 UTC'), days,
            provider_id, outcome, bucket, sum(count)
        from photochanger.stats_quarters cross join (values (1), (7)) as span (days)
        group by 1, 2, 3, 4, 5, 6
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("drop table photochanger.stats_spans")
