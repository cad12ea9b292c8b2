"""Held photos: which process has the request that waits for a job, and whether it was asked if its client is there.

And the clocks of workers, as their heartbeats report them.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ENQUEUE = """
create or replace function photochanger.enqueue(batch jsonb)
    returns table (verdict text, job_id uuid, free_at timestamptz)
    language plpgsql
as $$
declare
    item record;
    holder uuid;
    live bigint;
    soonest timestamptz;
    stored boolean := false;
begin
    perform pg_advisory_xact_lock(5093200002);
    select count(*), min(expires_at) into live, soonest
        from photochanger.jobs
        where finalized_at is null and expires_at > clock_timestamp();
    for item in
        select *
        from jsonb_to_recordset(batch) as fields (
            id uuid, slot_id text, source text, created_at timestamptz, expires_at timestamptz, route jsonb,
            route_provider text, photo jsonb, payload_key text, sha256 text, access_token text, metadata jsonb,
            idempotency_key text, trace text, max_active bigint{fields}
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
            update photochanger.jobs set abandoned_at = null{joined}
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
{held}        elsif live >= item.max_active and not exists (select from photochanger.jobs where id = item.id) then
            verdict := 'full'; job_id := item.id; free_at := soonest;
        else
            insert into photochanger.jobs (
                id, slot_id, source, state, created_at, expires_at, route, route_provider, photo, payload_key,
                sha256, access_token, metadata, idempotency_key, trace{column}
            ) values (
                item.id, item.slot_id, item.source, 'pending', item.created_at, item.expires_at, item.route,
                item.route_provider, item.photo, item.payload_key, item.sha256, item.access_token, item.metadata,
                item.idempotency_key, item.trace{value}
            ) on conflict (id) do nothing;
            if found then
                insert into photochanger.processing_logs (job_id, at, event)
                    values (item.id, item.created_at, 'received');
                live := live + 1;
                stored := true;
            end if;
            verdict := 'stored'; job_id := item.id; free_at := null;
        end if;
        return next;
    end loop;
    if stored then
        perform pg_notify('photochanger_work', '');
    end if;
end
$$;
"""

# A live job of the same photo that the request of another process waits for, but for those in `asked`. A repeat of an
# enqueue that was executed finds its own job.
_HELD = """
        elsif item.held_by is not null and item.asked is not null
            and exists (
                select from photochanger.jobs
                where slot_id = item.slot_id and sha256 = item.sha256 and finalized_at is null
                    and held_by <> item.held_by and expires_at > clock_timestamp() and id <> all(item.asked)
            )
            and not exists (select from photochanger.jobs where id = item.id)
        then
            verdict := 'held'; job_id := item.id; free_at := null;
"""


def upgrade() -> None:
    """Add the columns. Hosts of the version before do not know them: their requests are not asked for."""
    op.execute("alter table photochanger.jobs add column held_by uuid, add column asked_at timestamptz")
    op.execute("alter table photochanger.workers add column clock_ahead_seconds double precision")
    op.execute(
        "create index jobs_held on photochanger.jobs (slot_id, sha256) "
        "where finalized_at is null and held_by is not null"
    )
    op.execute(
        _ENQUEUE.format(
            joined=", asked_at = null, held_by = item.held_by",
            fields=", held_by uuid, asked uuid[]",
            held=_HELD.lstrip("\n"),
            column=", held_by",
            value=", item.held_by",
        )
    )


def downgrade() -> None:
    """Restore the function and drop the columns."""
    op.execute(_ENQUEUE.format(joined="", fields="", held="", column="", value=""))
    op.execute("drop index photochanger.jobs_held")
    op.execute("alter table photochanger.jobs drop column held_by, drop column asked_at")
    op.execute("alter table photochanger.workers drop column clock_ahead_seconds")
