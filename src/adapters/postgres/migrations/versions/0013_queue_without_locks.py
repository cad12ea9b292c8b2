"""Enqueueing without a lock over a wait for the disk, and wake-ups for idle workers only."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Not logged: what it holds is of use for seconds, and a crash of the server ends the connections that it belongs to.
# Rows are updated in place and never pile up, so that choosing a worker reads a page or two.
_IDLE_WORKERS = """
create unlogged table photochanger.idle_workers (
    channel text primary key,
    idle_since timestamptz,
    seen_at timestamptz not null
) with (fillfactor = 50)
"""

# Its first value is used up here: `last_value` of a new sequence does not change with the first `nextval`.
_UNCLAIMED = ("create sequence photochanger.unclaimed_wake_ups", "select nextval('photochanger.unclaimed_wake_ups')")

# The body of `enqueue`, which hosts of the version before go on to call, without its NOTIFY. Both count under one lock.
_STORE_JOBS = """
create function photochanger.store_jobs(batch jsonb)
    returns table (verdict text, job_id uuid, free_at timestamptz)
    language plpgsql
as $$
declare
    item record;
    holder uuid;
    live bigint;
    soonest timestamptz;
    moment timestamptz;
begin
    perform pg_advisory_xact_lock(5093200002);
    moment := clock_timestamp();  -- a condition on a volatile function would read the whole index
    select count(*), min(expires_at) into live, soonest
        from photochanger.jobs
        where finalized_at is null and expires_at > moment;
    for item in
        select *
        from jsonb_to_recordset(batch) as fields (
            id uuid, slot_id text, source text, created_at timestamptz, expires_at timestamptz, route jsonb,
            route_provider text, photo jsonb, payload_key text, sha256 text, access_token text, metadata jsonb,
            idempotency_key text, trace text, max_active bigint, held_by uuid, asked uuid[]
        )
    loop
        holder := null;
        if item.idempotency_key is not null then
            update photochanger.jobs set idempotency_key = null, late_call_until = null
                where slot_id = item.slot_id and idempotency_key = item.idempotency_key
                    and finalized_at is not null and result_stem is null
                    and coalesce(late_call_until <= clock_timestamp(), true);
            select id into holder from photochanger.jobs
                where slot_id = item.slot_id and idempotency_key = item.idempotency_key;
        end if;
        if holder is null then
            update photochanger.jobs set abandoned_at = null, asked_at = null, held_by = item.held_by
                where id = (
                    select id from photochanger.jobs
                    where slot_id = item.slot_id and sha256 = item.sha256 and abandoned_at is not null
                        and (
                            (expires_at > clock_timestamp() and (finalized_at is null or state = 'succeeded'))
                            or (result_stem is null and late_call_until > clock_timestamp())
                        )
                    order by created_at desc
                    limit 1
                )
                returning id into holder;
            if holder is not null then
                insert into photochanger.processing_logs (job_id, at, event) values (holder, now(), 'joined');
            end if;
        end if;
        if holder is not null then
            verdict := 'existing'; job_id := holder; free_at := null;
        elsif item.held_by is not null and item.asked is not null
            and exists (
                select from photochanger.jobs
                where slot_id = item.slot_id and sha256 = item.sha256 and finalized_at is null
                    and held_by <> item.held_by and expires_at > clock_timestamp() and id <> all(item.asked)
            )
            and not exists (select from photochanger.jobs where id = item.id)
        then
            verdict := 'held'; job_id := item.id; free_at := null;
        elsif live >= item.max_active and not exists (select from photochanger.jobs where id = item.id) then
            verdict := 'full'; job_id := item.id; free_at := soonest;
        else
            insert into photochanger.jobs (
                id, slot_id, source, state, created_at, expires_at, route, route_provider, photo, payload_key,
                sha256, access_token, metadata, idempotency_key, trace, held_by
            ) values (
                item.id, item.slot_id, item.source, 'pending', item.created_at, item.expires_at, item.route,
                item.route_provider, item.photo, item.payload_key, item.sha256, item.access_token, item.metadata,
                item.idempotency_key, item.trace, item.held_by
            ) on conflict (id) do nothing;
            if found then
                insert into photochanger.processing_logs (job_id, at, event)
                    values (item.id, item.created_at, 'received');
                live := live + 1;
            end if;
            verdict := 'stored'; job_id := item.id; free_at := null;
        end if;
        return next;
    end loop;
end
$$;
"""

# At most as many workers as there are jobs, those first that have been idle the longest. Where they are too few, the
# counter says so to those that become idle: they read it once they are in the table. The second look finds those that
# have read it before.
_WAKE_WORKERS = """
create function photochanger.wake_workers(jobs bigint)
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

# Three transactions. The jobs are counted and stored under the lock, and workers are woken under that of NOTIFY,
# without a wait for the disk. The last transaction holds no lock; its commit waits for the disk, also for the first.
_ENQUEUE_JOBS = """
create procedure photochanger.enqueue_jobs(batch jsonb, inout verdicts jsonb)
    language plpgsql
as $$
declare
    stored bigint;
    existing bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    select
        jsonb_agg(
            jsonb_build_array(verdict, job_id, coalesce(extract(epoch from free_at - clock_timestamp()), 1))
            order by number
        ),
        count(*) filter (where verdict = 'stored'),
        count(*) filter (where verdict = 'existing')
        into verdicts, stored, existing
        from photochanger.store_jobs(batch) with ordinality as answers (verdict, job_id, free_at, number);
    commit;
    if stored > 0 then
        perform set_config('synchronous_commit', 'off', true);
        perform photochanger.wake_workers(stored);
        commit;
    end if;
    if stored + existing > 0 then
        perform pg_logical_emit_message(true, 'photochanger', '');
    end if;
end
$$;
"""

# A job that has waited for longer than a wake-up takes has lost it, or its worker: that one has died.
_ANNOUNCE_IDLE = """
create procedure photochanger.announce_idle(own_channel text, inout unclaimed bigint, inout waits boolean)
    language plpgsql
as $$
begin
    if own_channel is not null then
        insert into photochanger.idle_workers as idle (channel, idle_since, seen_at)
            values (own_channel, clock_timestamp(), clock_timestamp())
            on conflict (channel) do update
                set idle_since = coalesce(idle.idle_since, excluded.idle_since), seen_at = excluded.seen_at;
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
    """Add the table and the routines. Hosts of the version before go on with `enqueue` and its broadcast."""
    statements = (_IDLE_WORKERS, *_UNCLAIMED, _STORE_JOBS, _WAKE_WORKERS, _ENQUEUE_JOBS, _ANNOUNCE_IDLE)
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    op.execute("drop procedure photochanger.announce_idle(text, bigint, boolean)")
    op.execute("drop procedure photochanger.enqueue_jobs(jsonb, jsonb)")
    op.execute("drop function photochanger.wake_workers(bigint)")
    op.execute("drop function photochanger.store_jobs(jsonb)")
    op.execute("drop sequence photochanger.unclaimed_wake_ups")
    op.execute("drop table photochanger.idle_workers")
