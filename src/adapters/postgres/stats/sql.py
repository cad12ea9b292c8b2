"""The SQL of statistics: reading cells, folding finished jobs into sums, rebuilding the sums (ADR 23)."""

from __future__ import annotations

# Folding, rebuilding and pruning jobs hold this lock until the end of their transaction.
TRY_LOCK = "select pg_try_advisory_xact_lock(5093200004)"
LOCK = "select pg_advisory_xact_lock(5093200004)"

WITHOUT_LIMITS = """
select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
    case when current_setting('transaction_timeout', true) is not null
        then set_config('transaction_timeout', '0', true) end
"""

# The generic plan, which a prepared statement gets after some uses, is several times slower.
PLAN_FOR_THIS = "set local plan_cache_mode = force_custom_plan"

SLOT_CELLS = """
select width_bucket(start, %(bounds)s::timestamptz[]) - 1 as period, provider_id, outcome, bucket,
    sum(count)::bigint as count
from (
    select start, provider_id, outcome, bucket, count
    from photochanger.stats_quarters
    where slot_id = %(slot_id)s and start >= %(first)s and start < %(last)s
    union all
    select at, provider_id, outcome, coalesce(width_bucket(latency_ms, %(buckets)s::bigint[]), -1), 1
    from photochanger.stats_ended
    where slot_id = %(slot_id)s and at >= %(first)s and at < %(last)s
) as counted
where %(provider_id)s::text is null or provider_id = %(provider_id)s
group by 1, 2, 3, 4
"""

# All slots together: whole days of 24 hours, the remaining hours, and quarters of the hours that a bound splits.
ALL_CELLS = """
select width_bucket(start, %(bounds)s::timestamptz[]) - 1 as period, provider_id, outcome, bucket,
    sum(count)::bigint as count
from (
    select start, provider_id, outcome, bucket, count
    from photochanger.stats_days
    where start = any(%(days)s::timestamptz[])
    union all
    select hour, provider_id, outcome, bucket, count
    from photochanger.stats_hours
    where hour = any(%(hours)s::timestamptz[])
    union all
    select quarters.*
    from unnest(%(cut)s::timestamptz[]) as cut (hour)
    cross join lateral (
        select start, provider_id, outcome, bucket, count
        from photochanger.stats_quarters
        where start >= hour and start < hour + interval '1 hour' and start >= %(first)s and start < %(last)s
        offset 0
    ) as quarters
    union all
    select at, provider_id, outcome, coalesce(width_bucket(latency_ms, %(buckets)s::bigint[]), -1), 1
    from photochanger.stats_ended
    where at >= %(first)s and at < %(last)s
) as counted
where %(provider_id)s::text is null or provider_id = %(provider_id)s
group by 1, 2, 3, 4
"""

# By slot: whole UTC weeks and days, and quarters of the remaining pieces of the range.
CELLS_BY_SLOT = """
select counted.slot_id, width_bucket(start, %(bounds)s::timestamptz[]) - 1 as period, provider_id, outcome, bucket,
    sum(count)::bigint as count
from (
    select slot_id, start, provider_id, outcome, bucket, count
    from photochanger.stats_spans
    where (days = 7 and start = any(%(weeks)s::timestamptz[])) or (days = 1 and start = any(%(days)s::timestamptz[]))
    union all
    select quarters.*
    from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as piece (first, last)
    cross join lateral (
        select slot_id, start, provider_id, outcome, bucket, count
        from photochanger.stats_quarters
        where start >= piece.first and start < piece.last
        offset 0
    ) as quarters
    union all
    select slot_id, at, provider_id, outcome, coalesce(width_bucket(latency_ms, %(buckets)s::bigint[]), -1), 1
    from photochanger.stats_ended
    where at >= %(first)s and at < %(last)s
) as counted
where %(provider_id)s::text is null or provider_id = %(provider_id)s
group by 1, 2, 3, 4, 5
"""

# A reset mark may split a day, so sums of days cannot be used.
OUTCOMES_BY_SLOT = """
select slot_id, outcome, sum(count)::bigint
from (
    select slot_id, start, outcome, count
    from photochanger.stats_quarters
    where start >= %(first)s and start < %(last)s
    union all
    select slot_id, at, outcome, 1
    from photochanger.stats_ended
    where at >= %(first)s and at < %(last)s
) as counted
left join unnest(%(marked)s::text[], %(marks)s::timestamptz[]) as mark (slot_id, at) using (slot_id)
where mark.at is null or start >= mark.at
group by 1, 2
"""

# A quarter in which its slot was reset has sums from before the mark and sums that begin at the mark.
_ADD = """
keyed as (
    select ended.slot_id, ended.at, ended.provider_id, ended.outcome,
        coalesce(width_bucket(ended.latency_ms, %(buckets)s::bigint[]), -1) as bucket,
        case
            when ended.at >= slots.stats_reset_at
                then greatest(date_bin('15 minutes', ended.at, 'epoch'), slots.stats_reset_at)
            else date_bin('15 minutes', ended.at, 'epoch')
        end as start
    from ended left join photochanger.slots on slots.id = ended.slot_id
),
quarters as (
    insert into photochanger.stats_quarters (slot_id, start, provider_id, outcome, bucket, count)
    select slot_id, start, provider_id, outcome, bucket, count(*) from keyed group by 1, 2, 3, 4, 5
    on conflict (slot_id, start, provider_id, outcome, bucket)
        do update set count = stats_quarters.count + excluded.count
),
hours as (
    insert into photochanger.stats_hours (hour, provider_id, outcome, bucket, count)
    select date_trunc('hour', at, 'UTC'), provider_id, outcome, bucket, count(*) from keyed group by 1, 2, 3, 4
    on conflict (hour, provider_id, outcome, bucket) do update set count = stats_hours.count + excluded.count
)
"""

# A day may begin at any hour: each is midnight in some time zone.
_ADD_TO_DAYS = """
days as (
    insert into photochanger.stats_days (start, provider_id, outcome, bucket, count)
    select date_trunc('hour', at, 'UTC') - earlier * interval '1 hour', provider_id, outcome, bucket, count(*)
    from keyed cross join generate_series(0, 23) as earlier group by 1, 2, 3, 4
    on conflict (start, provider_id, outcome, bucket) do update set count = stats_days.count + excluded.count
)
"""

# A week begins on Monday, as 2001 did.
_SPAN_START = "date_bin(days * interval '1 day', {}, '2001-01-01 UTC')"

_ADD_TO_SPANS = f"""
spans as (
    insert into photochanger.stats_spans (slot_id, start, days, provider_id, outcome, bucket, count)
    select slot_id, {_SPAN_START.format("at")}, days, provider_id, outcome, bucket, count(*)
    from keyed cross join (values (1), (7)) as span (days) group by 1, 2, 3, 4, 5, 6
    on conflict (start, days, slot_id, provider_id, outcome, bucket)
        do update set count = stats_spans.count + excluded.count
)
"""

FOLD = f"""
with ended as (
    delete from photochanger.stats_ended
    where id in (
        select id from photochanger.stats_ended where at < %(before)s order by id limit %(limit)s
        for update skip locked
    )
    returning slot_id, at, provider_id, outcome, latency_ms
),
{_ADD},
{_ADD_TO_DAYS},
{_ADD_TO_SPANS}
select count(*) from ended
"""

KEPT_FROM = "select coalesce(jobs_kept_from, '-infinity')::text from photochanger.history"

FORGET = (
    "delete from photochanger.stats_quarters where start >= %(kept_from)s::timestamptz",
    "delete from photochanger.stats_hours where hour >= %(kept_from)s::timestamptz",
    "delete from photochanger.stats_days where start > %(kept_from)s::timestamptz - interval '24 hours'",
    "delete from photochanger.stats_spans where start + days * interval '1 day' > %(kept_from)s::timestamptz",
    "delete from photochanger.stats_ended where at >= %(kept_from)s::timestamptz",
)

_JOBS = """
    select slot_id, finalized_at as at, coalesce(provider_id, '') as provider_id,
        case when (result ->> 'fallback')::boolean then %(fallback)s
            else coalesce(%(outcomes)s::jsonb ->> coalesce(failure_reason, ''), %(unknown_failure)s) end as outcome,
        case when state = 'succeeded' then floor(extract(epoch from finalized_at - created_at) * 1000)::bigint end
            as latency_ms
    from photochanger.jobs
    where source <> 'test' and finalized_at >= %(kept_from)s::timestamptz
"""

COUNT_SETTLED = f"with ended as ({_JOBS} and finalized_at < %(before)s), {_ADD} select count(*) from ended"

COUNT_DAYS = """
insert into photochanger.stats_days (start, provider_id, outcome, bucket, count)
select hour - earlier * interval '1 hour', provider_id, outcome, bucket, sum(count)
from photochanger.stats_hours cross join generate_series(0, 23) as earlier
where hour - earlier * interval '1 hour' > %(kept_from)s::timestamptz - interval '24 hours'
group by 1, 2, 3, 4
"""

# From the quarters, which also count jobs of those days and weeks that were pruned.
COUNT_SPANS = f"""
insert into photochanger.stats_spans (slot_id, start, days, provider_id, outcome, bucket, count)
select slot_id, {_SPAN_START.format("start")}, days, provider_id, outcome, bucket, sum(count)
from photochanger.stats_quarters cross join (values (1), (7)) as span (days)
where start > %(kept_from)s::timestamptz - interval '7 days'
    and {_SPAN_START.format("start")} + days * interval '1 day' > %(kept_from)s::timestamptz
group by 1, 2, 3, 4, 5, 6
"""

COUNT_OTHERS = f"""
insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
{_JOBS} and finalized_at >= %(before)s
"""

# A job refers to a route that was used a day before it at the earliest. Enqueueing locks a route that is older, so none
# that is being used again is deleted.
PRUNE = """
with noted as (
    update photochanger.history set jobs_kept_from = greatest(jobs_kept_from, %(before)s)
),
gone as (
    delete from photochanger.jobs
    where id in (
        select id from photochanger.jobs
        where finalized_at < %(before)s and (result_stem is null or result_purged_at is not null)
        order by finalized_at
        limit %(limit)s
        for update skip locked
    )
    returning id
),
logs as (
    delete from photochanger.processing_logs using gone where job_id = gone.id
),
deliveries as (
    delete from photochanger.webhook_deliveries using gone
    where job_id = gone.id and webhook_deliveries.created_at < %(before)s::timestamptz + interval '1 day'
),
routes as (
    delete from photochanger.job_routes
    where used_at < %(before)s::timestamptz - interval '2 days'
        and used_at < (select min(created_at) from photochanger.jobs) - interval '2 days'
)
select count(*) from gone
"""
