"""The statements of a photo, and those that run every few seconds, and how many buffers each of them touches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import msgspec
import psycopg
from photochanger.adapters.postgres.costs import sql as costs_sql
from photochanger.adapters.postgres.jobs import guest_data, log, queries, queue_sql, resend_sql, results, slot_records
from photochanger.adapters.postgres.jobs.queue import End, finalize_batch
from photochanger.adapters.postgres.jobs.rows import enqueue_item
from photochanger.adapters.postgres.stats import sql as stats_sql
from photochanger.core.domain.costs.ledger import LedgerCall
from photochanger.core.domain.job import Claim, Job, JobSource, JobSpec, LogEntry, LogEvent
from photochanger.core.domain.pagination import JobFilter, JobOrder, Position
from photochanger.core.domain.results.listing import ResultFilter
from photochanger.core.domain.stats.summary import BUCKET_BOUNDS_MS
from psycopg.adapt import PyFormat, Transformer
from sqlalchemy.dialects import postgresql

from tests.support.builders import new_job, outcome_succeeded

LEASE = timedelta(seconds=30)

STORE_ROUTE = """
insert into photochanger.job_routes (id, route, used_at)
values (md5(%(route)s)::uuid, %(route)s::jsonb, now()) on conflict do nothing
"""

# Finished jobs, the newest of them a minute old, each with the index entries that it keeps until its result expires or,
# where that was purged, until it is pruned. The ids are in the order of time.
FILL = """
with filled as (
insert into {jobs} (id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo,
    payload_key, sha256, access_token, metadata, attempt, acquired_at, finalized_at, failure_reason, provider_id,
    operation_id, result, result_stem, result_expires_at, result_purged_at, forgotten_at, answered_at)
select id, 'slot-' || to_char(1 + n %% %(slots)s, 'FM9000'), 'ingest',
    case when n %% 20 = 0 then 'failed' else 'succeeded' end, at, at + interval '48 s', md5(%(route)s)::uuid,
    'local', %(photo)s::jsonb, 'payloads/' || n, md5(n::text) || md5(n::text), md5(n::text), '{}', 1, at,
    at + interval '2 s',
    case when n %% 20 = 0 then 'provider_error' end, 'local', 'enhance',
    case when n %% 20 <> 0 then %(result)s::jsonb end, case when n %% 20 <> 0 then id::text end,
    case when n %% 20 <> 0 then at + interval '72 h' end,
    case when n %% 20 <> 0 and at < now() - interval '72 h' then at + interval '72 h' end,
    case when at < now() - interval '72 h' then at + interval '72 h' end, at + interval '2 s'
from (
    select n, at, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7000'
        || substr(md5(n::text), 1, 16))::uuid as id
    from (
        select n, now() - interval '1 minute' - n * %(every)s::interval as at
        from generate_series(%(from)s::bigint, %(to)s::bigint, -1) as n
    ) as moments
) as history
returning id, slot_id, created_at, finalized_at
)"""

# What a job leaves in the processing log and in the ledger.
RECORDS = """,
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, case when event = 'finalized' then finalized_at else created_at end, event, detail::jsonb
    from filled cross join (values
        (1, 'received', '{}'),
        (2, 'acquired', '{"worker": "a-host-1234-0123456789abcdef", "attempt": 1}'),
        (3, 'attempt', '{"attempt": 1, "entry": 0, "provider_id": "gemini", "outcome": "picture"}'),
        (4, 'finalized', '{"state": "succeeded", "attempt": 1}')
    ) as entry (number, event, detail)
    order by created_at, number
)
insert into photochanger.call_costs (
    id, job_id, slot_id, provider_id, operation_id, attempt, entry, call, at, usd_micros, exact, charged, model
)
select gen_random_uuid(), id, slot_id, 'gemini', 'image_edit', 1, 0, 1, created_at, 39000, true, 'yes', 'a-model'
from filled
"""


class Hot(NamedTuple):
    """A statement with the parameters of one execution.

    Attributes:
        keeps_plan: whether it runs on connections that batches share, with one plan for all parameters.
    """

    sql: str
    parameters: Mapping[str, Any]
    keeps_plan: bool = True


def fill(
    connection: psycopg.Connection[Any],
    count: int,
    *,
    every: timedelta,
    slots: int = 15,
    first: int = 1,
    records: bool = False,
    jobs: LiteralString = "photochanger.jobs",
) -> None:
    """Insert finished jobs, one in each of these intervals, from the one `count` intervals ago to the `first`.

    `records`: with their entries in the processing log, and a call in the ledger for each. `jobs`: the table for them.
    """
    job = new_job()
    result = outcome_succeeded(job).result
    parameters = {
        "route": msgspec.json.encode(job.route).decode(),
        "photo": msgspec.json.encode(job.photo).decode(),
        "result": msgspec.json.encode(result).decode(),
        "every": every,
        "slots": slots,
    }
    insert = FILL.replace("{jobs}", jobs) + (RECORDS if records else " select from filled")
    connection.execute(STORE_ROUTE, parameters)
    connection.execute(insert, parameters | {"from": count, "to": first})


def hot_statements(live: JobSpec, finished: UUID, *, event: int) -> dict[str, Hot]:
    """By name. `live`: a job that a worker has taken for the first time; `finished`: one with a result; `event`: the id
    of the newest entry of the log that a reader has seen."""
    now = datetime.now(UTC)
    acquire = {"worker": "a-worker", "n": 4, "lease": LEASE, "running": []}
    claim = Claim(Job(spec=live), 1)
    attempt = LogEntry(live.id, now, LogEvent.ATTEMPT, {"provider_id": "local"})
    end = End(live.id, outcome_succeeded(live), claim, None, [attempt])
    call = ledger_call(live, now)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = {"starts": [today], "ends": [today + timedelta(days=1)]}
    found = {
        "enqueue": Hot(
            "select * from photochanger.store_jobs(%(batch)s::jsonb)",
            {"batch": _json([enqueue_item(new_job(), 10_000, [])])},
        ),
        "acquire": Hot(queue_sql.ACQUIRE, acquire),
        "acquire within limits": Hot(queue_sql.ACQUIRE_WITHIN_LIMITS, acquire | {"limits": _json({"local": 4})}),
        "acquire urgent": Hot(
            queue_sql.ACQUIRE_URGENT,
            acquire
            | {"local": ["local"], "needs": _json({"gemini": {"image_edit": 9.5}}), "longest": 9.5}
            | {"finishing": 0.05, "fresh": 0.5},
        ),
        "renew": Hot(queue_sql.RENEW, {"ids": [live.id], "attempts": [1], "workers": ["a-worker"], "lease": LEASE}),
        "finalize": Hot(queue_sql.FINALIZE, {"batch": finalize_batch([end])}),
        "answered": Hot(results._NOTE_ANSWERED, {"ids": [finished], "ats": [now]}),
        "by id": Hot(queue_sql.GET_JOBS, {"ids": [finished]}),
        "may join": Hot(queue_sql.MAY_JOIN, {"slot_id": live.slot_id, "key": "a-key"}),
        "held": Hot(
            resend_sql.HELD,
            {"slot_id": live.slot_id, "sha256": "x", "held_by": live.id, "asked": [], "limit": 32},
        ),
        "load": Hot(
            queue_sql.LOAD,
            {"max_jobs": 256, "max_finished": 200, "since": timedelta(minutes=10), "silent_after": LEASE},
        ),
        "depth": Hot(queue_sql.DEPTH, {}),
        "end overdue": Hot(queue_sql.RELEASE_EXPIRED, {"limit": 200, "error_code": "timeout", "error_detail": ""}),
        "append to the log": Hot(log._APPEND, {"entries": _json([attempt])}),
        "events": _query(queries.events(after=event, limit=100)),
        "log of a job": Hot("select * from photochanger.processing_logs where job_id = %(id)s", {"id": finished}),
        "due for erasure": Hot(
            guest_data._DUE, {"now": now, "ended_before": now, "erased_before": now, "limit": 20}, keeps_plan=False
        ),
        "costs of jobs": Hot(costs_sql.COSTS, {"job_ids": [finished]}),
        "day of a budget": Hot(costs_sql.ADD_UP, day),
        "spent in a day": Hot(costs_sql.SPENT, day | {"slot_ids": ["", live.slot_id]}),
        "enter a call": Hot(costs_sql.ENTER, {"calls": _json([call])}),
        "settle a call": Hot(costs_sql.SETTLE, {"calls": _json([call])}),
        "fold": Hot(stats_sql.FOLD, {"before": now, "limit": 200, "buckets": [*BUCKET_BOUNDS_MS]}, keeps_plan=False),
        "newest of slots": Hot(slot_records._OF_SLOTS, {"test": "test", "now": now}, keeps_plan=False),
        "live of slots": Hot(
            slot_records._LIVE, {"test": "test", "pending": "pending", "processing": "processing"}, keeps_plan=False
        ),
        "ended lately": Hot(
            slot_records._ENDED,
            {**slot_records._VALUES, "since": now - timedelta(minutes=2)},
            keeps_plan=False,
        ),
    }
    page = Position(now - timedelta(seconds=90), finished)
    for name, wanted in {
        "jobs": JobFilter(),
        "jobs of a slot": JobFilter(slot_id=live.slot_id),
        "failed jobs": JobFilter(failure_reason=None, states=()),
        "tests of a slot": JobFilter(slot_id=live.slot_id, source=JobSource.TEST),
    }.items():
        found[name] = _query(queries.find_jobs(wanted, order=JobOrder.NEWEST, limit=31, after=None))
        found[f"{name}, a later page"] = _query(queries.find_jobs(wanted, order=JobOrder.NEWEST, limit=31, after=page))
    for name, kind in {"results": ResultFilter(), "results of a slot": ResultFilter(slot_ids=(live.slot_id,))}.items():
        found[name] = _query(queries.results(kind, now=now, limit=31, after=None))
        found[f"{name}, a later page"] = _query(queries.results(kind, now=now, limit=31, after=page))
    return found


def ledger_call(job: JobSpec, at: datetime) -> LedgerCall:
    """A call for this job."""
    return LedgerCall(
        id=uuid4(),
        job_id=job.id,
        slot_id=job.slot_id,
        provider_id="gemini",
        operation_id="image_edit",
        attempt=1,
        entry=0,
        call=1,
        at=at,
        usd_micros=39_000,
    )


class Explained(NamedTuple):
    """What one execution of a statement did, its planning left out.

    Attributes:
        buffers: how many it touched.
        plan: as JSON, with the buffers of each node.
    """

    buffers: int
    plan: str


def explained(connection: psycopg.Connection[Any], statement: Hot) -> Explained:
    """The plan for these parameters; what the statement changes is rolled back."""
    with connection.transaction(force_rollback=True):
        return _explain(connection, statement.sql, statement.parameters)


def explained_for_all(connection: psycopg.Connection[Any], statement: Hot) -> Explained:
    """The one plan for all parameters, which connections keep that batches share."""
    names = [*dict.fromkeys(re.findall(_PARAMETER, statement.sql))]
    values = [statement.parameters[name] for name in names]
    places = {name: f"${number}" for number, name in enumerate(names, start=1)}
    sql = re.sub(_PARAMETER, lambda found: places[found[1]], statement.sql).replace("%%", "%")
    transformer = Transformer(connection)
    oids = [transformer.get_dumper(value, PyFormat.AUTO).oid for value in values]
    types = ", ".join(row[0] for row in connection.execute(_TYPES, (oids,)))
    with connection.transaction(force_rollback=True):
        connection.execute("set local plan_cache_mode to force_generic_plan")
        connection.execute(f"prepare kept{f'({types})' if types else ''} as {sql}".encode())
        execute = f"execute kept({', '.join(['%s'] * len(values))})" if values else "execute kept"
        try:
            return _explain(connection, execute, values)
        finally:
            connection.execute("deallocate kept")


_PARAMETER = r"%\((\w+)\)s"
_TYPES = """
select case oid when 0 then 'unknown' else format_type(oid, null) end
from unnest(%s::oid[]) with ordinality as given (oid, place) order by place
"""


def _explain(connection: psycopg.Connection[Any], sql: str, parameters: Any) -> Explained:
    with psycopg.ClientCursor[Any](connection) as cursor:
        cursor.execute("explain (analyze, buffers, format json) " + sql, parameters or None)
        row = cursor.fetchone()
    assert row is not None
    found = row[0][0]["Plan"]
    touched = int(found["Shared Hit Blocks"]) + int(found["Shared Read Blocks"])
    return Explained(touched, msgspec.json.format(msgspec.json.encode(row[0][0])).decode())


def _query(query: Any) -> Hot:
    dialect: Any = postgresql.dialect
    sql = str(query.compile(dialect=dialect(), compile_kwargs={"literal_binds": True}))
    return Hot(sql, {}, keeps_plan=False)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
