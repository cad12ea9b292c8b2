"""The trace context of a job, which the enqueueing function stores with it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COLUMN = "alter table photochanger.jobs add column trace text"

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
            select id into holder from photochanger.jobs
                where slot_id = item.slot_id and idempotency_key = item.idempotency_key;
        end if;
        if holder is null then
            update photochanger.jobs set abandoned_at = null
                where id = (
                    select id from photochanger.jobs
                    where slot_id = item.slot_id and sha256 = item.sha256 and abandoned_at is not null
                        and expires_at > clock_timestamp() and (finalized_at is null or state = 'succeeded')
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
$$
"""


def _without_trace(function: str) -> str:
    """The function as it was before."""
    return function.replace(" trace text,", "").replace(", item.trace", "").replace(", trace\n", "\n")


def upgrade() -> None:
    """Add the column, then let the function fill it."""
    op.execute(_COLUMN)
    op.execute(_ENQUEUE)


def downgrade() -> None:
    """The function as it was, then the table."""
    op.execute(_without_trace(_ENQUEUE))
    op.execute("alter table photochanger.jobs drop column trace")
