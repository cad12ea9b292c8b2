"""Jobs in short rows: a route is stored once for all jobs that have it, and what changes stands together. The end of a
call changes no index of the ledger.

An update logs a row from the first column that differs to the last one. The state stood before the route, so that each
step of a job logged the route again; the prompt of a route alone was more than the rest of the row.
"""

from __future__ import annotations

from typing import Any

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# No release before had hosts of two versions together, and the columns of a table have one order for all of them.
oldest_code = "0015"

accepted = {
    "jobs: index made without CONCURRENTLY": "the table is new",
    "call_costs: index made without CONCURRENTLY": "hosts of the version before have stopped",
}

# The columns of a route are not referred to by a foreign key: each photo of a slot would lock the same row.
_ROUTES = """
create table photochanger.job_routes (
    id uuid primary key,
    route jsonb not null,
    used_at timestamptz not null
);
insert into photochanger.job_routes (id, route, used_at)
select distinct on (id) id, route, now()
from (select {route_id} as id, route from photochanger.jobs) as given
"""

# 128 bits of a sum of the text. The service makes the same kind of sum of a text of its own: an id is never computed
# again, so a route may be stored twice, under two ids.
_ROUTE_ID = "left(encode(sha256(convert_to(route::text, 'UTF8')), 'hex'), 32)::uuid"

# First what is written once, then what a worker changes, the end, and what follows it.
_COLUMNS = """
    id uuid not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    slot_id text not null,
    source text not null,
    route_provider text not null,
    route_id uuid not null,
    photo jsonb not null,
    payload_key text not null,
    sha256 text not null,
    access_token text not null,
    metadata jsonb not null,
    idempotency_key text,
    trace text,
    held_by uuid,
    state text not null,
    attempt integer not null default 0,
    provider_job_entry integer,
    acquired_at timestamptz,
    lease_until timestamptz,
    worker text,
    places text[] not null default '{}'::text[],
    provider_job_reference text,
    finalized_at timestamptz,
    failure_reason text,
    error_code text,
    error_detail text,
    provider_id text,
    operation_id text,
    result jsonb,
    result_stem text,
    result_expires_at timestamptz,
    late_call_until timestamptz,
    answered_at timestamptz,
    abandoned_at timestamptz,
    asked_at timestamptz,
    hidden_at timestamptz,
    result_purged_at timestamptz,
    erased_at timestamptz,
    forgotten_at timestamptz
"""

# As before: a row above 2 kB moves what a guest has entered out of line, and nothing that its readers need.
_MAIN = (
    "slot_id",
    "source",
    "state",
    "route_provider",
    "photo",
    "payload_key",
    "sha256",
    "access_token",
    "idempotency_key",
    "trace",
    "worker",
    "failure_reason",
    "error_code",
    "error_detail",
    "provider_id",
    "operation_id",
    "provider_job_reference",
    "result",
    "result_stem",
    "places",
)

# No query has a condition on these, and their samples are long.
_WITHOUT_STATISTICS = ("photo", "payload_key", "access_token", "metadata", "trace", "error_detail", "result")

_INDEXES = """
create index jobs_live on photochanger.jobs (expires_at) where finalized_at is null;
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
create index jobs_results on photochanger.jobs (finalized_at, id)
    where result_stem is not null and result_purged_at is null;
create index jobs_hidden on photochanger.jobs (finalized_at, id) where hidden_at is not null;
create index jobs_created on photochanger.jobs (created_at, id);
create index jobs_slot_created on photochanger.jobs (slot_id, created_at, id);
create index jobs_tests on photochanger.jobs (slot_id, created_at, id) where source = 'test';
create index jobs_finalized on photochanger.jobs (finalized_at, id) where finalized_at is not null;
create index jobs_failed on photochanger.jobs (created_at, id) where failure_reason is not null
"""

# The index had the amounts in it, so the end of a call wrote an entry in every index of the ledger; its own page has
# room for it.
_LEDGER = """
drop index photochanger.call_costs_at;
create index call_costs_at on photochanger.call_costs (at);
alter table photochanger.call_costs set (fillfactor = 80)
"""

# Sums are updated with each fold; a page that has room for it writes no index.
_SUMS = ("stats_quarters", "stats_hours", "stats_days", "stats_spans")

_LEDGER_BEFORE = """
drop index photochanger.call_costs_at;
create index call_costs_at on photochanger.call_costs (at) include (slot_id, usd_micros, charged);
alter table photochanger.call_costs reset (fillfactor)
"""

# Routes are stored before the lock, in the order of their ids: two batches with the same new routes wait for each other
# in one direction only. A route that was used within a day is read, not locked. No other one is ever deleted (PRUNE).
_STORE_JOBS = """
create or replace function photochanger.store_jobs(batch jsonb)
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
    insert into photochanger.job_routes (id, route, used_at)
        select distinct on (given.route_id) given.route_id, given.route, clock_timestamp()
        from jsonb_to_recordset(batch) as given (route_id uuid, route jsonb)
        where not exists (
            select from photochanger.job_routes
            where job_routes.id = given.route_id and used_at > clock_timestamp() - interval '1 day'
        )
        order by given.route_id
        on conflict (id) do update set used_at = excluded.used_at;
    perform pg_advisory_xact_lock(5093200002);
    moment := clock_timestamp();  -- a condition on a volatile function would read the whole index
    select count(*), min(expires_at) into live, soonest
        from photochanger.jobs
        where finalized_at is null and expires_at > moment;
    for item in
        select *
        from jsonb_to_recordset(batch) as fields (
            id uuid, slot_id text, source text, created_at timestamptz, expires_at timestamptz, route_id uuid,
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
                id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo, payload_key,
                sha256, access_token, metadata, idempotency_key, trace, held_by
            ) values (
                item.id, item.slot_id, item.source, 'pending', item.created_at, item.expires_at, item.route_id,
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


def upgrade() -> None:
    """Copy the jobs to a table with the new columns. It takes about a minute for a million of them."""
    op.execute("lock table photochanger.jobs, photochanger.media_objects in access exclusive mode")
    op.execute(_ROUTES.format(route_id=_ROUTE_ID))
    op.execute(
        f"create table photochanger.new_jobs ({_COLUMNS}) with (fillfactor = 70, toast_tuple_target = 128, "
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"
    )
    storage = [f"alter column {name} set storage main" for name in _MAIN]
    statistics = [f"alter column {name} set statistics 0" for name in _WITHOUT_STATISTICS]
    op.execute(f"alter table photochanger.new_jobs {', '.join(storage + statistics)}")
    kept = ", ".join(name for name in _names() if name != "route_id")
    op.execute(
        f"insert into photochanger.new_jobs (route_id, {kept}) "
        f"select {_ROUTE_ID}, {kept} from photochanger.jobs order by created_at, id"
    )
    op.execute("alter table photochanger.media_objects drop constraint media_objects_job_id_fkey")
    op.execute("drop table photochanger.jobs")
    op.execute("alter table photochanger.new_jobs rename to jobs")
    op.execute("alter table photochanger.jobs add constraint jobs_pkey primary key (id)")
    op.execute(_INDEXES)
    op.execute(
        "alter table photochanger.media_objects add constraint media_objects_job_id_fkey "
        "foreign key (job_id) references photochanger.jobs (id) on delete cascade"
    )
    op.execute("analyze photochanger.jobs")
    op.execute(_LEDGER)
    for table in _SUMS:
        op.execute(f"alter table photochanger.{table} set (fillfactor = 60)")
    op.execute(_STORE_JOBS)
    # Only code from before 0013 called it, which cannot use this schema.
    op.execute("drop function photochanger.enqueue(jsonb)")


def downgrade() -> None:
    """Give each job its route again. The order of the columns stays."""
    op.execute("alter table photochanger.jobs add column route jsonb, add column inline_preview bytea")
    op.execute(
        "update photochanger.jobs set route = kept.route from photochanger.job_routes as kept where kept.id = route_id"
    )
    op.execute("alter table photochanger.jobs alter column route set not null, drop column route_id")
    op.execute("create index jobs_preview on photochanger.jobs (finalized_at) where inline_preview is not null")
    op.execute("drop function photochanger.store_jobs(jsonb)")
    op.execute(_of("0013")._STORE_JOBS)
    held = _of("0005")
    op.execute(
        held._ENQUEUE.format(
            joined=", asked_at = null, held_by = item.held_by",
            fields=", held_by uuid, asked uuid[]",
            held=held._HELD.lstrip("\n"),
            column=", held_by",
            value=", item.held_by",
        )
    )
    op.execute("drop table photochanger.job_routes")
    op.execute(_LEDGER_BEFORE)
    for table in _SUMS:
        op.execute(f"alter table photochanger.{table} reset (fillfactor)")


def _names() -> list[str]:
    """The names of the columns, in their order."""
    return [line.split()[0] for line in _COLUMNS.strip().splitlines()]


def _of(older: str) -> Any:
    """The module of an older migration, which has the text of a function."""
    environment: Any = op.get_context().environment_context
    return environment.script.get_revision(older).module
