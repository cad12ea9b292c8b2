"""The queue's statements. Each is one round trip and one transaction; a batch is one JSON parameter."""

from __future__ import annotations

from .rows import JOB_COLUMNS

ENQUEUE = """
select verdict, job_id, coalesce(extract(epoch from free_at - clock_timestamp()), 1)::float8
from photochanger.enqueue(%(batch)s::jsonb)
"""

LOCK_PLACES = "select pg_advisory_xact_lock(5093200003)"
"""Held while permits are counted and taken."""

GET_JOBS = f"select {JOB_COLUMNS} from photochanger.jobs where id = any(%(ids)s)"

_TAKE = f"""
taken as (
    update photochanger.jobs
    set state = 'processing', attempt = attempt + 1, worker = %(worker)s, lease_until = now() + %(lease)s,
        acquired_at = coalesce(acquired_at, now()),
        places = case when picked.keeps_place then array[route_provider || '/0'] else '{{}}'::text[] end
    from picked
    where jobs.id = picked.id
    returning {JOB_COLUMNS}
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'acquired', jsonb_build_object('worker', worker, 'attempt', attempt) from taken
)
select * from taken order by created_at, id
"""

ACQUIRE = f"""
with picked as (
    select id, false as keeps_place from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
    order by created_at, id
    limit %(n)s
    for update skip locked
),
{_TAKE}
"""

ACQUIRE_WITHIN_LIMITS = f"""
with allowed as (
    select key as route_provider, value::int as most from jsonb_each_text(%(limits)s::jsonb)
),
busy as (
    select split_part(place, '/', 1) as route_provider, count(*) as held
    from photochanger.jobs cross join unnest(places) as place
    where finalized_at is null and state = 'processing' and lease_until > now()
    group by 1
),
ranked as (
    select id, route_provider,
        jsonb_array_length(route -> 'entries') > 1
            and expires_at - now() < (expires_at - created_at) / 2 as may_try_another,
        row_number() over (partition by route_provider order by created_at, id) as number
    from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
),
picked as (
    select jobs.id, coalesce(ranked.number <= allowed.most - coalesce(busy.held, 0), false) as keeps_place
    from photochanger.jobs
    join ranked using (id)
    left join allowed on allowed.route_provider = ranked.route_provider
    left join busy on busy.route_provider = ranked.route_provider
    where (allowed.most is null or ranked.number <= allowed.most - coalesce(busy.held, 0) or ranked.may_try_another)
        and jobs.finalized_at is null and (jobs.state = 'pending' or jobs.lease_until <= now())
    order by jobs.created_at, jobs.id
    limit %(n)s
    for update of jobs skip locked
),
{_TAKE}
"""

RENEW = """
update photochanger.jobs
set lease_until = now() + %(lease)s
from unnest(%(ids)s::uuid[], %(attempts)s::int[]) as mine (id, attempt)
where jobs.id = mine.id and jobs.attempt = mine.attempt and jobs.state = 'processing'
returning jobs.id
"""

NOTE_REFERENCE = """
with noted as (
    update photochanger.jobs set provider_job_reference = %(reference)s, provider_job_entry = %(entry)s
    where id = %(id)s and attempt = %(attempt)s and state = 'processing'
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'reference', jsonb_build_object('attempt', %(attempt)s::int) from noted
)
select id from noted
"""

# The second branch of `ours` recognises an earlier run of the same call whose answer was lost with the connection. It
# is a subquery, not a join, so that it reads by id, and only for ends that are not done: a join may scan the table.
# The lock in `outbox` leaves out a webhook that is being removed concurrently: a reference to it would fail, and with
# it the end of the job.
FINALIZE = """
with given as (
    select (item ->> 'number')::int as number, item ->> 'counted_as' as counted_as,
        nullif(item -> 'audit', 'null') as audit, fields.*
    from jsonb_array_elements(%(batch)s::jsonb) as item,
        jsonb_populate_record(null::photochanger.jobs, item) as fields
),
done as (
    update photochanger.jobs
    set state = given.state, finalized_at = given.finalized_at, failure_reason = given.failure_reason,
        error_code = given.error_code, error_detail = given.error_detail, provider_id = given.provider_id,
        operation_id = given.operation_id, result = given.result, result_stem = given.result_stem,
        result_expires_at = given.result_expires_at,
        idempotency_key = case when given.result is null then null else jobs.idempotency_key end,
        worker = null, lease_until = null
    from given
    where jobs.id = given.id and jobs.finalized_at is null
        and (given.attempt is null or (given.attempt = jobs.attempt and jobs.state = 'processing'))
    returning given.number, jobs.id, jobs.slot_id, jobs.source, jobs.created_at, given.finalized_at, given.state,
        given.attempt, given.provider_id, given.counted_as, given.audit
),
audited as (
    insert into photochanger.audit_log
    select entry.* from done, jsonb_populate_record(null::photochanger.audit_log, done.audit) as entry
    where done.audit is not null
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, finalized_at, 'finalized', jsonb_build_object('state', state, 'attempt', attempt) from done
),
counted as (
    insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
    select slot_id, finalized_at, coalesce(provider_id, ''), counted_as,
        case when state = 'succeeded' then floor(extract(epoch from finalized_at - created_at) * 1000)::bigint end
    from done where source <> 'test'
),
outbox as (
    insert into photochanger.webhook_deliveries (slot_id, job_id, created_at, next_at)
    select webhooks.slot_id, done.id, now(), now()
    from done join photochanger.webhooks on webhooks.slot_id = done.slot_id
    where done.source <> 'test'
    for key share of webhooks
),
notified as (
    select pg_notify('photochanger_finalized', string_agg(id::text, ',')) from done having count(*) > 0
),
ours as (
    select number from done
    union all
    select number from given
    where number not in (select number from done)
        and (
            select case
                when given.result_stem is null then jobs.finalized_at = given.finalized_at and jobs.state = given.state
                else jobs.result_stem = given.result_stem
            end
            from photochanger.jobs where jobs.id = given.id
        )
)
select ours.number from ours left join notified on true
"""

RESCUE = """
with rescued as (
    update photochanger.jobs
    set result = %(result)s::jsonb, result_stem = %(stem)s, result_expires_at = %(expires_at)s, result_purged_at = null
    where id = %(id)s and state = 'timed_out' and result_stem is not distinct from %(replaces)s
        and erased_at is null and forgotten_at is null
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event)
    select id, now(), 'rescued' from rescued
)
select id from rescued
"""

RELEASE = """
with released as (
    update photochanger.jobs set state = 'pending', worker = null, lease_until = null
    where id = %(id)s and attempt = %(attempt)s and state = 'processing'
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'released', jsonb_build_object('attempt', %(attempt)s::int) from released
),
notified as (
    select pg_notify('photochanger_work', '') from released
)
select released.id from released left join notified on true
"""

ABANDON = """
with abandoned as (
    update photochanger.jobs set abandoned_at = now()
    where id = %(id)s and answered_at is null
    returning id
)
insert into photochanger.processing_logs (job_id, at, event)
select id, now(), 'abandoned' from abandoned
"""

RELEASE_EXPIRED = f"""
with late as (
    select id from photochanger.jobs
    where finalized_at is null and expires_at <= now()
    order by created_at
    limit %(limit)s
    for update skip locked
),
ended as (
    update photochanger.jobs
    set state = 'timed_out', finalized_at = now(), failure_reason = 'timeout', error_code = %(error_code)s,
        error_detail = %(error_detail)s, idempotency_key = null, worker = null, lease_until = null
    from late
    where jobs.id = late.id
    returning {JOB_COLUMNS}
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, finalized_at, 'finalized', jsonb_build_object('state', state) from ended
),
counted as (
    insert into photochanger.stats_ended (slot_id, at, provider_id, outcome)
    select slot_id, finalized_at, coalesce(provider_id, ''), 'timeouts' from ended where source <> 'test'
),
outbox as (
    insert into photochanger.webhook_deliveries (slot_id, job_id, created_at, next_at)
    select webhooks.slot_id, ended.id, now(), now()
    from ended join photochanger.webhooks on webhooks.slot_id = ended.slot_id
    where ended.source <> 'test'
    for key share of webhooks
),
notified as (
    select pg_notify('photochanger_finalized', string_agg(id::text, ',')) from ended having count(*) > 0
)
select ended.* from ended left join notified on true
"""

DEPTH = """
select state, route_provider, count(*) as held from photochanger.jobs where finalized_at is null group by 1, 2
"""
