"""The schema: slots, jobs, media, settings, administration, statistics, workers, and the enqueue function."""

import re

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
    ingest_password jsonb,
    updated_at timestamptz,
    stats_reset_at timestamptz
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
    inline_preview bytea,
    places text[] not null default '{}',
    provider_job_entry integer,
    trace text,
    erased_at timestamptz,
    forgotten_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create index jobs_live on photochanger.jobs (created_at) where finalized_at is null;
create index jobs_live_payload on photochanger.jobs (payload_key) where finalized_at is null;
create unique index jobs_idempotency on photochanger.jobs (slot_id, idempotency_key)
    where idempotency_key is not null;
create index jobs_abandoned on photochanger.jobs (slot_id, sha256) where abandoned_at is not null;
create index jobs_result_expiry on photochanger.jobs (result_expires_at)
    where result_stem is not null and result_purged_at is null;
create index jobs_without_result on photochanger.jobs (finalized_at)
    where finalized_at is not null and result_stem is null and forgotten_at is null;
create index jobs_erased on photochanger.jobs (erased_at) where erased_at is not null and forgotten_at is null;
create index jobs_recent_results on photochanger.jobs (slot_id, finalized_at)
    where result_stem is not null and result_purged_at is null;
create index jobs_preview on photochanger.jobs (finalized_at) where inline_preview is not null;
create index jobs_created on photochanger.jobs (created_at, id);
create index jobs_slot_created on photochanger.jobs (slot_id, created_at, id);
create index jobs_finalized on photochanger.jobs (finalized_at, id) where finalized_at is not null;
create index jobs_failed on photochanger.jobs (created_at, id) where failure_reason is not null;

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
-- Removing a job looks for its media objects, removed ones included.
create index media_objects_of_job on photochanger.media_objects (job_id) where job_id is not null;
create index media_objects_key on photochanger.media_objects (media_key) where removed_at is null;
create index media_objects_expiry on photochanger.media_objects (expires_at) where removed_at is null;

create table photochanger.app_settings (
    id smallint primary key,
    settings jsonb not null default '{}'::jsonb,
    ingest_password jsonb,
    version integer not null default 1
);
insert into photochanger.app_settings (id) values (1);

create table photochanger.provider_secrets (
    provider_id text primary key,
    sealed text not null,
    changed_at timestamptz not null,
    changed_by text not null
);

create table photochanger.provider_usage (
    provider_id text primary key,
    usage jsonb not null
) with (fillfactor = 50);

create table photochanger.admins (
    username text primary key,
    password_hash text not null,
    password_digest text,
    permissions text[] not null,
    created_at timestamptz not null,
    tokens_from timestamptz not null,
    disabled_at timestamptz
);

create table photochanger.audit_log (
    id uuid primary key,
    at timestamptz not null,
    action text not null,
    actor text not null,
    address text,
    target text,
    detail jsonb not null default '{}'
);
create index audit_log_at on photochanger.audit_log (at, id);
create index audit_log_action on photochanger.audit_log (action, at);

create table photochanger.signing_keys (
    id text primary key,
    sealed text not null,
    created_at timestamptz not null,
    retired_at timestamptz
);
create unique index signing_keys_current on photochanger.signing_keys ((true)) where retired_at is null;

create table photochanger.password_failures (
    key text primary key,
    since timestamptz not null,
    failures integer not null
) with (fillfactor = 50);
create index password_failures_since on photochanger.password_failures (since);

create table photochanger.revoked_tokens (
    token_id text primary key,
    expires_at timestamptz not null,
    revoked_at timestamptz not null default clock_timestamp()
);
create index revoked_tokens_revoked_at on photochanger.revoked_tokens (revoked_at);

create table photochanger.template_media (
    id uuid primary key,
    media_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    mime text not null,
    width integer not null,
    height integer not null,
    name text not null,
    created_at timestamptz not null,
    created_by text not null
);

create table photochanger.slot_templates (
    slot_id text not null references photochanger.slots (id) on delete cascade,
    setting_key text not null,
    media_id uuid not null references photochanger.template_media (id),
    primary key (slot_id, setting_key)
);
create index slot_templates_media on photochanger.slot_templates (media_id);

create table photochanger.webhooks (
    slot_id text primary key references photochanger.slots (id) on delete cascade,
    url text not null,
    key_id text not null,
    sealed_secret text not null,
    changed_at timestamptz not null,
    changed_by text not null
);

create table photochanger.webhook_deliveries (
    id uuid primary key default gen_random_uuid(),
    slot_id text not null references photochanger.webhooks (slot_id) on delete cascade,
    job_id uuid not null,
    state text not null default 'pending',
    created_at timestamptz not null,
    next_at timestamptz not null,
    attempts integer not null default 0,
    last_status integer,
    last_error text,
    ended_at timestamptz
) with (fillfactor = 70);
create index webhook_deliveries_due on photochanger.webhook_deliveries (next_at) where state = 'pending';
create index webhook_deliveries_list on photochanger.webhook_deliveries (created_at, id);
create index webhook_deliveries_ended on photochanger.webhook_deliveries (ended_at) where ended_at is not null;

create table photochanger.stats_ended (
    id bigint generated always as identity primary key,
    slot_id text not null,
    at timestamptz not null,
    provider_id text not null,
    outcome text not null,
    latency_ms bigint
);

create table photochanger.stats_quarters (
    slot_id text not null,
    start timestamptz not null,
    provider_id text not null,
    outcome text not null,
    bucket smallint not null,
    count bigint not null,
    primary key (slot_id, start, provider_id, outcome, bucket)
);
create index stats_quarters_start on photochanger.stats_quarters (start);

create table photochanger.stats_hours (
    hour timestamptz not null,
    provider_id text not null,
    outcome text not null,
    bucket smallint not null,
    count bigint not null,
    primary key (hour, provider_id, outcome, bucket)
);

create table photochanger.stats_days (
    start timestamptz not null,
    provider_id text not null,
    outcome text not null,
    bucket smallint not null,
    count bigint not null,
    primary key (start, provider_id, outcome, bucket)
);

create table photochanger.stats_spans (
    slot_id text not null,
    start timestamptz not null,
    days smallint not null,
    provider_id text not null,
    outcome text not null,
    bucket smallint not null,
    count bigint not null,
    primary key (start, days, slot_id, provider_id, outcome, bucket)
);

create table photochanger.workers (
    name text primary key,
    host text not null,
    pid integer not null,
    concurrency integer not null,
    running integer not null,
    version text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null
) with (fillfactor = 50);

create table photochanger.ingest_requests (
    slot_id text primary key,
    received_at timestamptz not null,
    request jsonb not null
) with (fillfactor = 50);

create table photochanger.history (id smallint primary key, jobs_kept_from timestamptz);
insert into photochanger.history (id) values (1);
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
$$;
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(_TABLES)
    op.execute(_ENQUEUE)


def downgrade() -> None:
    """Drop everything, data included."""
    op.execute("drop function photochanger.enqueue(jsonb)")
    tables = re.findall(r"create table (\S+)", _TABLES)
    op.execute(f"drop table {', '.join(tables)}")
