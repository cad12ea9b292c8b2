"""Statistics by quarter hour, provider and latency instead of by hour; how far back jobs are kept."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UP = (
    """
    create table photochanger.stats_ended (
        id bigint generated always as identity primary key,
        slot_id text not null,
        at timestamptz not null,
        provider_id text not null,
        outcome text not null,
        latency_ms bigint
    )
    """,
    """
    create table photochanger.stats_quarters (
        slot_id text not null,
        start timestamptz not null,
        provider_id text not null,
        outcome text not null,
        bucket smallint not null,
        count bigint not null,
        primary key (slot_id, start, provider_id, outcome, bucket)
    )
    """,
    "create index stats_quarters_start on photochanger.stats_quarters (start)",
    """
    create table photochanger.stats_hours (
        hour timestamptz not null,
        provider_id text not null,
        outcome text not null,
        bucket smallint not null,
        count bigint not null,
        primary key (hour, provider_id, outcome, bucket)
    )
    """,
    """
    create table photochanger.stats_days (
        start timestamptz not null,
        provider_id text not null,
        outcome text not null,
        bucket smallint not null,
        count bigint not null,
        primary key (start, provider_id, outcome, bucket)
    )
    """,
    "create table photochanger.history (id smallint primary key, jobs_kept_from timestamptz)",
    "insert into photochanger.history (id) values (1)",
    # No job was ever pruned before, so everything can be noted anew; the sweeper folds it.
    """
    insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
    select slot_id, finalized_at, coalesce(provider_id, ''),
        case failure_reason
            when 'timeout' then 'timeouts'
            when 'provider_error' then 'provider_errors'
            when 'cancelled' then 'cancelled'
            when 'invalid_photo' then 'errors'
            when 'storage_error' then 'errors'
            else 'success'
        end,
        case when state = 'succeeded' then floor(extract(epoch from finalized_at - created_at) * 1000)::bigint end
    from photochanger.jobs
    where finalized_at is not null and source <> 'test'
    """,
    "drop table photochanger.stats_hourly",
    # Removing a job looks for its media objects, removed ones too; the index of those that are there does not help.
    "create index media_objects_of_job on photochanger.media_objects (job_id) where job_id is not null",
)

_DOWN = (
    "drop index photochanger.media_objects_of_job",
    """
    create table photochanger.stats_hourly (
        slot_id text not null,
        hour timestamptz not null,
        outcome text not null,
        count bigint not null,
        primary key (slot_id, hour, outcome)
    ) with (fillfactor = 50)
    """,
    """
    insert into photochanger.stats_hourly (slot_id, hour, outcome, count)
    select slot_id, date_trunc('hour', start, 'UTC'), outcome, sum(count)
    from (
        select slot_id, start, outcome, count from photochanger.stats_quarters
        union all
        select slot_id, at, outcome, 1 from photochanger.stats_ended
    ) as counted
    group by 1, 2, 3
    """,
    "drop table photochanger.history",
    "drop table photochanger.stats_days",
    "drop table photochanger.stats_hours",
    "drop table photochanger.stats_quarters",
    "drop table photochanger.stats_ended",
)


def upgrade() -> None:
    """Make the tables and note every ended job in them."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Go back to counts by hour, without providers and latencies."""
    for statement in _DOWN:
        op.execute(statement)
