"""Idle workers with several free places: one announcement is good for as many jobs."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# How many further jobs may wake the worker. Hosts of the version before announce one place each time, and are woken for
# one job: their rows are idle or not, whatever number is in them.
_PLACES = "alter table photochanger.idle_workers add column places integer not null default 1"

# As before, but a worker that has more places stays idle. It is the last one then, so that jobs are spread.
_WAKE_WORKERS = """
create or replace function photochanger.wake_workers(jobs bigint)
    returns void
    language plpgsql
as $$
declare
    missing bigint := jobs;
    woken bigint;
begin
    for look in 1..2 loop
        with chosen as (
            select channel from photochanger.idle_workers
            where idle_since is not null and seen_at > clock_timestamp() - interval '10 s'
            order by idle_since
            limit missing
            for update skip locked
        ),
        claimed as (
            update photochanger.idle_workers
            set places = idle_workers.places - 1,
                idle_since = case when idle_workers.places > 1 then clock_timestamp() end
            from chosen
            where idle_workers.channel = chosen.channel
            returning idle_workers.channel
        )
        select count(*) into woken from claimed cross join lateral pg_notify(claimed.channel, '');
        missing := missing - woken;
        exit when missing = 0 or look = 2;
        perform nextval('photochanger.unclaimed_wake_ups');
    end loop;
end
$$;
"""

_WAKE_WORKERS_BEFORE = """
create or replace function photochanger.wake_workers(jobs bigint)
    returns void
    language plpgsql
as $$
declare
    missing bigint := jobs;
    woken bigint;
begin
    for look in 1..2 loop
        with chosen as (
            select channel from photochanger.idle_workers
            where idle_since is not null and seen_at > clock_timestamp() - interval '10 s'
            order by idle_since
            limit missing
            for update skip locked
        ),
        claimed as (
            update photochanger.idle_workers set idle_since = null
            from chosen
            where idle_workers.channel = chosen.channel
            returning idle_workers.channel
        )
        select count(*) into woken from claimed cross join lateral pg_notify(claimed.channel, '');
        missing := missing - woken;
        exit when missing = 0 or look = 2;
        perform nextval('photochanger.unclaimed_wake_ups');
    end loop;
end
$$;
"""

_ANNOUNCE_IDLE = """
create procedure photochanger.announce_idle(
    own_channel text, free_places integer, inout unclaimed bigint, inout waits boolean
)
    language plpgsql
as $$
begin
    if own_channel is not null then
        insert into photochanger.idle_workers as idle (channel, idle_since, seen_at, places)
            values (own_channel, clock_timestamp(), clock_timestamp(), free_places)
            on conflict (channel) do update
                set idle_since = coalesce(idle.idle_since, excluded.idle_since), seen_at = excluded.seen_at,
                    places = excluded.places;
        commit;
    end if;
    select last_value into unclaimed from photochanger.unclaimed_wake_ups;
    waits := exists (
        select from photochanger.jobs
        where finalized_at is null and expires_at > clock_timestamp() and (
            (state = 'pending' and created_at < clock_timestamp() - interval '200 ms')
            or lease_until <= clock_timestamp()
        )
    );
end
$$;
"""


def upgrade() -> None:
    """Add the column and the procedure, and choose by places. Hosts of the version before go on with theirs."""
    for statement in (_PLACES, _WAKE_WORKERS, _ANNOUNCE_IDLE):
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    op.execute("drop procedure photochanger.announce_idle(text, integer, bigint, boolean)")
    op.execute(_WAKE_WORKERS_BEFORE)
    op.execute("alter table photochanger.idle_workers drop column places")
