"""The SQL of the ledger: entering calls within budgets, settling them, their sums."""

from __future__ import annotations

LOCK = "select pg_advisory_xact_lock(5093200008)"
"""Held while calls are entered within budgets, never over an fsync."""

ENTERED = "select id from photochanger.call_costs where id = any(%(ids)s)"

# Rows are locked in the order of their ids, here and in SETTLE: transactions wait for each other in one direction only.
CANCEL = """
delete from photochanger.call_costs
where id in (select id from photochanger.call_costs where id = any(%(ids)s) order by id for update)
"""

# A day that a budget is asked for first is added up once; from then on each change of the ledger is counted in it, in
# the same transaction. Under LOCK, so that no change is under way. Days that have ended are removed on that occasion.
ADD_UP = """
with asked as (
    select * from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) as day (starts_at, ends_at)
),
missing as materialized (
    select starts_at, ends_at from asked
    where not exists (
        select from photochanger.budget_days as day
        where day.slot_id = '' and day.starts_at = asked.starts_at and day.ends_at = asked.ends_at
    )
),
ended as (
    delete from photochanger.budget_days
    where ends_at < now() - interval '1 day' and (starts_at, ends_at) not in (select * from asked)
        and exists (select from missing)
),
spent as materialized (
    select slot_id, starts_at, ends_at, sum(usd_micros)::bigint as usd_micros
    from missing join photochanger.call_costs on at >= starts_at and at < ends_at and charged <> 'no'
    where usd_micros is not null
    group by 1, 2, 3
)
insert into photochanger.budget_days (slot_id, starts_at, ends_at, usd_micros)
select * from spent
union all
select '', missing.starts_at, missing.ends_at, coalesce(sum(spent.usd_micros), 0)
from missing left join spent using (starts_at, ends_at)
group by 1, 2, 3
"""

SPENT = """
select starts_at, ends_at, slot_id, usd_micros
from photochanger.budget_days
where slot_id = any(%(slot_ids)s::text[]) and starts_at = any(%(starts)s::timestamptz[])
    and ends_at = any(%(ends)s::timestamptz[])
"""

_COLUMNS = """
id, job_id, slot_id, provider_id, operation_id, attempt, entry, call, at, usd_micros, exact, charged, model
"""

_GIVEN = """
jsonb_to_recordset(%(calls)s::jsonb) as given (
    id uuid, job_id uuid, slot_id text, provider_id text, operation_id text, attempt integer, entry integer,
    call integer, at timestamptz, usd_micros bigint, exact boolean, charged text, model text
)
"""

# Returns the calls of attempts that another one has followed.
ENTER = f"""
with given as (select * from {_GIVEN}),
superseded as (
    select given.id from given join photochanger.jobs as job on job.id = given.job_id
    where job.attempt > given.attempt
),
entered as (
    insert into photochanger.call_costs ({_COLUMNS})
    select {_COLUMNS} from given where id not in (select id from superseded)
    on conflict (id) do nothing
)
select id from superseded
"""

WAIT_FOR_DISK = "select pg_logical_emit_message(true, 'photochanger', '')"
"""A transaction of no meaning. The log is in order, so its commit waits for all that was written before it."""

SETTLE = f"""
insert into photochanger.call_costs ({_COLUMNS})
select {_COLUMNS} from {_GIVEN} order by id
on conflict (id) do update set
    usd_micros = excluded.usd_micros, exact = excluded.exact, charged = excluded.charged, model = excluded.model
"""

CALLS = f"select {_COLUMNS} from photochanger.call_costs where job_id = %(job_id)s order by at, id"

# Of details, the same figures as those of `core.domain.costs.ledger.cost_of`.
_AS_SUMS = """
    case when charged <> 'no' then coalesce(usd_micros, 0) else 0 end as usd_micros,
    case when charged <> 'no' and not exact then coalesce(usd_micros, 0) else 0 end as estimated_usd_micros,
    case when charged = 'unknown' then coalesce(usd_micros, 0) else 0 end as unknown_usd_micros,
    1 as calls, case when charged <> 'no' and usd_micros is null then 1 else 0 end as unpriced_calls
"""

_SUMS = """
    sum(usd_micros)::bigint as usd_micros, sum(estimated_usd_micros)::bigint as estimated_usd_micros,
    sum(unknown_usd_micros)::bigint as unknown_usd_micros, sum(calls)::bigint as calls,
    sum(unpriced_calls)::bigint as unpriced_calls
"""

COSTS = f"""
select job_id, {_SUMS}
from (select job_id, {_AS_SUMS} from photochanger.call_costs where job_id = any(%(job_ids)s)) as counted
group by 1
"""

CELLS = f"""
select width_bucket(at, %(bounds)s::timestamptz[]) - 1 as period, slot_id, provider_id, {_SUMS}
from (
    select slot_id, provider_id, at, {_AS_SUMS}
    from photochanger.call_costs
    where at >= %(first)s and at < %(last)s
    union all
    select slot_id, provider_id, start, usd_micros, estimated_usd_micros, unknown_usd_micros, calls, unpriced_calls
    from photochanger.cost_quarters
    where start >= %(first)s and start < %(last)s
) as counted
where (%(slot_id)s::text is null or slot_id = %(slot_id)s)
    and (%(provider_id)s::text is null or provider_id = %(provider_id)s)
group by 1, 2, 3
"""

# A quarter in which its slot was reset has sums from before the mark and sums that begin at the mark.
FOLD = f"""
with gone as (
    delete from photochanger.call_costs
    where id in (
        select id from photochanger.call_costs where at < %(before)s order by at limit %(limit)s
        for update skip locked
    )
    returning slot_id, provider_id, at, {_AS_SUMS}
),
keyed as (
    select gone.*,
        case
            when gone.at >= slots.stats_reset_at
                then greatest(date_bin('15 minutes', gone.at, 'epoch'), slots.stats_reset_at)
            else date_bin('15 minutes', gone.at, 'epoch')
        end as start
    from gone left join photochanger.slots on slots.id = gone.slot_id
),
added as (
    insert into photochanger.cost_quarters (
        slot_id, start, provider_id, usd_micros, estimated_usd_micros, unknown_usd_micros, calls, unpriced_calls
    )
    select slot_id, start, provider_id, {_SUMS} from keyed group by 1, 2, 3 order by 1, 2, 3
    on conflict (slot_id, start, provider_id) do update set
        usd_micros = cost_quarters.usd_micros + excluded.usd_micros,
        estimated_usd_micros = cost_quarters.estimated_usd_micros + excluded.estimated_usd_micros,
        unknown_usd_micros = cost_quarters.unknown_usd_micros + excluded.unknown_usd_micros,
        calls = cost_quarters.calls + excluded.calls,
        unpriced_calls = cost_quarters.unpriced_calls + excluded.unpriced_calls
)
select count(*) from gone
"""
