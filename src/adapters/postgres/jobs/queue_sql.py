"""The queue's statements, each one round trip; a batch is one JSON parameter.

None holds a lock that others wait for while it waits for the disk: what takes one commits without that wait.
"""

from __future__ import annotations

from .rows import JOB_COLUMNS, ROUTE

ENQUEUE = "call photochanger.enqueue_jobs(%(batch)s::jsonb, null)"
"""Three transactions; a list of verdict, job id and seconds to wait for each job of the batch."""

LOCK_PLACES = "select pg_advisory_xact_lock(5093200003)"
"""Held while permits are counted and taken."""

GET_JOBS = f"select {JOB_COLUMNS} from photochanger.jobs where id = any(%(ids)s)"

# A claim needs no wait for the disk of its own. What follows from it, an entry in the ledger or the end of the job,
# waits for all that was written before. Until then a crash of the server makes the job pending again; the name of the
# worker distinguishes it from the next one, whose attempt has the same number.
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
select taken.* from taken cross join no_wait order by created_at, id
"""

_NO_WAIT = "no_wait as materialized (select set_config('synchronous_commit', 'off', true))"

# Where more jobs wait than are taken, workers look again as soon as they have a place.
ACQUIRE = f"""
with picked as (
    select id, false as keeps_place from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
        and id <> all(%(running)s::uuid[])
    order by created_at, id
    limit %(n)s
    for update skip locked
),
left_over as (
    select from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
        and id <> all(%(running)s::uuid[])
    order by created_at, id
    offset %(n)s limit 1
),
no_wait as materialized (
    select set_config('synchronous_commit', 'off', true),
        (select nextval('photochanger.unclaimed_wake_ups') from left_over)
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
        expires_at - now() < (expires_at - created_at) / 2
            and jsonb_array_length({ROUTE} -> 'entries') > 1 as may_try_another,
        row_number() over (partition by route_provider order by created_at, id) as number
    from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
        and id <> all(%(running)s::uuid[])
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
{_NO_WAIT},
{_TAKE}
"""

# A job's need is the least of its entries'; an entry that nothing is known of needs nothing. See routing.capacity.
ACQUIRE_URGENT = f"""
with picked as (
    select id, false as keeps_place from photochanger.jobs
    where finalized_at is null and expires_at > now() and state = 'pending' and (
        (route_provider = any(%(local)s) and coalesce(({ROUTE} ->> 'skipped')::int, 0) > 0)
        or (
            expires_at < now() + %(longest)s * interval '1 s' + (expires_at - created_at) * %(finishing)s
            and provider_job_reference is null
            and extract(epoch from expires_at - now()) < (
                select min(case when coalesce(need, 0) = 0 then 0 else least(
                    need + extract(epoch from expires_at - created_at) * %(finishing)s,
                    extract(epoch from expires_at - created_at) * %(fresh)s
                ) end)
                from jsonb_array_elements({ROUTE} -> 'entries') as entry,
                    cast(%(needs)s::jsonb -> (entry ->> 'provider_id') ->> (entry ->> 'operation_id') as float8)
                        as need
            )
        )
    )
    order by created_at, id
    limit %(n)s
    for update skip locked
),
{_NO_WAIT},
{_TAKE}
"""

LOAD = """
with live as (
    select id, created_at, expires_at, acquired_at, route_id, state = 'pending' or lease_until <= now() as waits
    from photochanger.jobs
    where finalized_at is null and expires_at > now()
    order by created_at, id
    limit %(max_jobs)s
),
routes as (
    select id,
        (
            select array_agg(array[entry ->> 'provider_id', entry ->> 'operation_id'] order by number)
            from jsonb_array_elements(route -> 'entries') with ordinality as entries (entry, number)
        ) as entries
    from photochanger.job_routes
    where id in (select route_id from live)
),
ended as (
    select state, attempt, provider_id, operation_id, acquired_at, finalized_at, id
    from photochanger.jobs
    where finalized_at > now() - %(since)s
    order by finalized_at desc, id desc
    limit %(max_finished)s
)
select 'live' as kind, created_at as at, routes.entries,
    extract(epoch from expires_at - created_at)::float8 as span,
    extract(epoch from expires_at - now())::float8 as remaining,
    case when not waits then greatest(extract(epoch from now() - acquired_at), 0)::float8 end as running,
    null as usage
from live join routes on routes.id = live.route_id
union all
select 'ended', finalized_at, array[array[provider_id, operation_id]],
    greatest(extract(epoch from finalized_at - acquired_at), 0)::float8, null, null, null
from ended
where state = 'succeeded' and attempt = 1 and acquired_at is not null
union all
select 'count', now(), null, count(*), null, null, null
from photochanger.jobs
where finalized_at is null and expires_at > now()
union all
select 'worker', seen_at, null, concurrency, null, null, null
from photochanger.workers
where seen_at > now() - %(silent_after)s
union all
select 'provider', now(), array[array[provider_id]], null, null, null, usage::text
from photochanger.provider_usage
order by kind, at
"""

MAY_JOIN = """
select exists (
    select from photochanger.jobs
    where slot_id = %(slot_id)s and idempotency_key = %(key)s
        and (finalized_at is null or result_stem is not null or late_call_until > clock_timestamp())
) or exists (
    select from photochanger.jobs
    where slot_id = %(slot_id)s and abandoned_at is not null and expires_at > clock_timestamp()
        and (finalized_at is null or state = 'succeeded')
) as found
"""

RENEW = """
update photochanger.jobs
set lease_until = now() + %(lease)s
from unnest(%(ids)s::uuid[], %(attempts)s::int[], %(workers)s::text[]) as mine (id, attempt, worker)
where jobs.id = mine.id and jobs.attempt = mine.attempt and jobs.worker = mine.worker and jobs.state = 'processing'
returning jobs.id
"""

NOTE_REFERENCE = """
with noted as (
    update photochanger.jobs set provider_job_reference = %(reference)s, provider_job_entry = %(entry)s
    where id = %(id)s and attempt = %(attempt)s and worker = %(worker)s and state = 'processing'
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'reference', jsonb_build_object('attempt', %(attempt)s::int) from noted
)
select id from noted
"""

# A job that times out keeps its idempotency key where a picture may come later; another job takes the key where none
# has come, and no worker has a call.
_RESCUED_LATER = f"({ROUTE} -> 'late_rescue')::boolean"

# The lease with which a job times out, where its worker may still have a call that late rescue waits for.
_LATE_CALL = f"""
    case when jobs.state = 'processing' and jobs.lease_until > now() and {_RESCUED_LATER}
        then jobs.lease_until end
"""

# Whether a job is live is asked of an expression: on `finalized_at is null` the planner would read all live jobs, not
# one by id. The state does not say it, as a newer version may have further ones.
# The second branch of `ours` recognises an earlier run of the same call whose answer was lost with the connection. It
# is a subquery, not a join, so that it reads by id, and only for ends that are not done: a join may scan the table.
# `waits_alone` is the process that holds a job, where no other one has a client that waits for it: any may have joined
# it by an idempotency key. Ends without a picture are for all processes: workers give up their calls.
# The lock in `outbox` leaves out a webhook that is being removed concurrently: a reference to it would fail, and with
# it the end of the job.
FINALIZE = f"""
with given as (
    select (item ->> 'number')::int as number, item ->> 'counted_as' as counted_as,
        nullif(item -> 'audit', 'null') as audit, item -> 'attempts' as attempts, fields.*
    from jsonb_array_elements(%(batch)s::jsonb) as item,
        jsonb_populate_record(null::photochanger.jobs, item) as fields
),
done as (
    update photochanger.jobs
    set state = given.state, finalized_at = given.finalized_at, failure_reason = given.failure_reason,
        error_code = given.error_code, error_detail = given.error_detail, provider_id = given.provider_id,
        operation_id = given.operation_id, result = given.result, result_stem = given.result_stem,
        result_expires_at = given.result_expires_at,
        late_call_until = case when given.state = 'timed_out' then {_LATE_CALL} end,
        idempotency_key = case
            when given.result is not null or (given.state = 'timed_out' and {_RESCUED_LATER})
                then jobs.idempotency_key
        end,
        worker = null, lease_until = null
    from given
    where jobs.id = given.id
        and coalesce(jobs.finalized_at, 'infinity') = 'infinity'  -- by id: not the index of all live jobs
        and (
            given.attempt is null
            or (given.attempt = jobs.attempt and given.worker = jobs.worker and jobs.state = 'processing')
        )
    returning given.number, jobs.id, jobs.slot_id, jobs.source, jobs.created_at, given.finalized_at, given.state,
        given.attempt, given.provider_id, given.counted_as, given.audit, given.attempts,
        case when given.attempt is not null and given.state = 'succeeded' and jobs.idempotency_key is null
            then jobs.held_by end as waits_alone
),
audited as (
    insert into photochanger.audit_log (id, at, action, actor, address, target, detail)
    select entry.id, entry.at, entry.action, entry.actor, entry.address, entry.target, entry.detail
    from done, jsonb_populate_record(null::photochanger.audit_log, done.audit) as entry
    where done.audit is not null
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, at, event, detail
    from (
        select done.number, entry.place, done.id, least((value ->> 'at')::timestamptz, done.finalized_at) as at,
            value ->> 'event' as event, value -> 'detail' as detail
        from done, jsonb_array_elements(done.attempts) with ordinality as entry (value, place)
        union all
        select number, null, id, finalized_at, 'finalized', jsonb_build_object('state', state, 'attempt', attempt)
        from done
    ) as lines
    order by number, place nulls last
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
ours as (
    select number, waits_alone from done
    union all
    select number, null from given
    where number not in (select number from done)
        and (
            select case
                when given.result_stem is null then jobs.finalized_at = given.finalized_at and jobs.state = given.state
                else jobs.result_stem = given.result_stem
            end
            from photochanger.jobs where jobs.id = given.id
        )
)
select number, waits_alone from ours
"""

# A job whose late call was given up, and whose photo has come again since its deadline, has another job in its place.
# Its end may have been recorded only after that one had come.
RESCUE = """
with rescued as (
    update photochanger.jobs
    set result = %(result)s::jsonb, result_stem = %(stem)s, result_expires_at = %(expires_at)s, result_purged_at = null,
        late_call_until = null
    where id = %(id)s and state = 'timed_out' and result_stem is not distinct from %(replaces)s
        and erased_at is null and forgotten_at is null
        and (
            late_call_until is not null
            or not exists (
                select from photochanger.jobs as later
                where later.slot_id = jobs.slot_id and later.sha256 = jobs.sha256 and later.id <> jobs.id
                    and later.created_at >= least(jobs.finalized_at, jobs.expires_at)
                    and (later.finalized_at is null or later.result_stem is not null)
            )
        )
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event)
    select id, now(), 'rescued' from rescued
)
select id from rescued
union all
select id from photochanger.jobs where id = %(id)s and state = 'timed_out' and result_stem = %(stem)s
"""

KEEP_LATE_CALL = """
update photochanger.jobs set late_call_until = now() + %(lease)s
where id = %(id)s and attempt = %(attempt)s and late_call_until is not null
returning id
"""

END_LATE_CALL = """
update photochanger.jobs
set late_call_until = null, idempotency_key = case when result_stem is not null then idempotency_key end
where id = %(id)s and attempt = %(attempt)s and late_call_until is not null
returning id
"""

RELEASE = """
with released as (
    update photochanger.jobs set state = 'pending', worker = null, lease_until = null
    where id = %(id)s and attempt = %(attempt)s and worker = %(worker)s and state = 'processing'
    returning id
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'released', jsonb_build_object('attempt', %(attempt)s::int) from released
)
select id from released
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
        error_detail = %(error_detail)s, late_call_until = {_LATE_CALL},
        idempotency_key = case when {_RESCUED_LATER} then jobs.idempotency_key end,
        worker = null, lease_until = null
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
)
select * from ended
"""

DEPTH = """
select state, route_provider, count(*) as held from photochanger.jobs where finalized_at is null group by 1, 2
"""
