"""Late calls: a job that timed out keeps its idempotency key while a provider call of it goes on."""

from alembic import op

revision = "0002"
down_revision = "0001"
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
            idempotency_key text, trace text, max_active bigint
        )
    loop
        holder := null;
        if item.idempotency_key is not null then
{free_key}            select id into holder from photochanger.jobs
                where slot_id = item.slot_id and idempotency_key = item.idempotency_key;
        end if;
        if holder is null then
            update photochanger.jobs set abandoned_at = null
                where id = (
                    select id from photochanger.jobs
                    where slot_id = item.slot_id and sha256 = item.sha256 and abandoned_at is not null
                        and {joinable}
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
        elsif live >= item.max_active and not exists (select from photochanger.jobs where id = item.id) then
            verdict := 'full'; job_id := item.id; free_at := soonest;
        else
            insert into photochanger.jobs (
                id, slot_id, source, state, created_at, expires_at, route, route_provider, photo, payload_key,
                sha256, access_token, metadata, idempotency_key, trace
            ) values (
                item.id, item.slot_id, item.source, 'pending', item.created_at, item.expires_at, item.route,
                item.route_provider, item.photo, item.payload_key, item.sha256, item.access_token, item.metadata,
                item.idempotency_key, item.trace
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


_JOINABLE = "expires_at > clock_timestamp() and (finalized_at is null or state = 'succeeded')"

# A photo whose client disconnected joins the late call of its job too.
_JOINABLE_LATE = f"(({_JOINABLE}) or (result_stem is null and late_call_until > clock_timestamp()))"

# A key whose late call has ended without a picture, or has lost its worker, is free.
_FREE_KEY = """
            update photochanger.jobs set idempotency_key = null, late_call_until = null
                where slot_id = item.slot_id and idempotency_key = item.idempotency_key
                    and finalized_at is not null and result_stem is null
                    and coalesce(late_call_until <= clock_timestamp(), true);
"""


def upgrade() -> None:
    """Add the column. Hosts of the version before do not know it, and enqueue by the new function."""
    op.execute("alter table photochanger.jobs add column late_call_until timestamptz")
    op.execute(_ENQUEUE.format(free_key=_FREE_KEY, joinable=_JOINABLE_LATE))


def downgrade() -> None:
    """Restore the function and drop the column."""
    op.execute(_ENQUEUE.format(free_key="", joinable=_JOINABLE))
    op.execute("alter table photochanger.jobs drop column late_call_until")
