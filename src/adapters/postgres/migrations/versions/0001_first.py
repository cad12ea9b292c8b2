"""The first schema: slots, jobs and their log, media objects, settings, statistics, and the enqueueing function."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create table photochanger.slots (
    id text primary key,
    name text not null,
    active boolean not null,
    route jsonb not null,
    version integer not null,
    max_upload_bytes bigint,
    gallery_open_until timestamptz,
    updated_at timestamptz
);

create table photochanger.jobs (
    id uuid primary key,
    slot_id text not null,
    source text not null,
    state text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    route jsonb not null,
    route_provider text not null,
    photo jsonb not null,
    payload_key text not null,
    sha256 text not null,
    access_token text not null,
    metadata jsonb not null,
    idempotency_key text,
    attempt integer not null default 0,
    worker text,
    lease_until timestamptz,
    acquired_at timestamptz,
    finalized_at timestamptz,
    failure_reason text,
    error_code text,
    error_detail text,
    provider_id text,
    operation_id text,
    provider_job_reference text,
    result jsonb,
    result_stem text,
    result_expires_at timestamptz,
    result_purged_at timestamptz,
    abandoned_at timestamptz,
    answered_at timestamptz,
    inline_preview bytea
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create index jobs_live on photochanger.jobs (created_at) where finalized_at is null;
create index jobs_live_payload on photochanger.jobs (payload_key) where finalized_at is null;
create unique index jobs_idempotency on photochanger.jobs (slot_id, idempotency_key)
    where idempotency_key is not null;
create index jobs_abandoned on photochanger.jobs (slot_id, sha256) where abandoned_at is not null;
create index jobs_result_stem on photochanger.jobs (result_stem)
    where result_stem is not null and result_purged_at is null;
create index jobs_result_expiry on photochanger.jobs (result_expires_at)
    where result_stem is not null and result_purged_at is null;
create index jobs_recent_results on photochanger.jobs (slot_id, finalized_at)
    where result_stem is not null and result_purged_at is null;
create index jobs_preview on photochanger.jobs (finalized_at) where inline_preview is not null;

create table photochanger.processing_logs (
    id bigint generated always as identity primary key,
    job_id uuid not null,
    at timestamptz not null,
    event text not null,
    detail jsonb not null default '{}'::jsonb
);
create index processing_logs_job on photochanger.processing_logs (job_id);

create table photochanger.media_objects (
    id uuid primary key,
    job_id uuid references photochanger.jobs (id) on delete cascade,
    media_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    mime text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    removed_at timestamptz
);
create index media_objects_job on photochanger.media_objects (job_id) where removed_at is null;
create index media_objects_key on photochanger.media_objects (media_key) where removed_at is null;
create index media_objects_expiry on photochanger.media_objects (expires_at) where removed_at is null;

create table photochanger.app_settings (
    id smallint primary key,
    settings jsonb not null default '{}'::jsonb,
    ingest_password jsonb
);
insert into photochanger.app_settings (id) values (1);

create table photochanger.stats_hourly (
    slot_id text not null,
    hour timestamptz not null,
    outcome text not null,
    count bigint not null,
    primary key (slot_id, hour, outcome)
) with (fillfactor = 50);
"""

# A function, because the lock has to be held before the statement that counts takes its snapshot: within one
# statement the count would not see what was committed while it waited for the lock (ADR 0002).
_ENQUEUE = """
create function photochanger.enqueue(batch jsonb)
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
            idempotency_key text, max_active bigint
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
                sha256, access_token, metadata, idempotency_key
            ) values (
                item.id, item.slot_id, item.source, 'pending', item.created_at, item.expires_at, item.route,
                item.route_provider, item.photo, item.payload_key, item.sha256, item.access_token, item.metadata,
                item.idempotency_key
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


def upgrade() -> None:
    """Make everything."""
    op.execute(_TABLES)
    op.execute(_ENQUEUE)


def downgrade() -> None:
    """Remove everything, data included."""
    op.execute("drop function photochanger.enqueue(jsonb)")
    for table in ("stats_hourly", "app_settings", "media_objects", "processing_logs", "jobs", "slots"):
        op.execute(f"drop table photochanger.{table}")
