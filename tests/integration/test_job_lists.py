"""The plans of the job lists on a table of many jobs: each common filter has an index that serves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from photochanger.adapters.postgres.jobs import queries as job_lists
from photochanger.core.domain.job import FailureReason, JobSource, JobState
from photochanger.core.domain.pagination import JobFilter, JobOrder, Position
from photochanger.core.domain.results.listing import ResultFilter, Visibility
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql

FILL = """
with stored as (
    insert into photochanger.job_routes (id, route, used_at) values (gen_random_uuid(), '{"entries": []}', now())
    returning id
)
insert into photochanger.jobs (id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo,
    payload_key, sha256, access_token, metadata, finalized_at, failure_reason, result_stem, result_expires_at)
select gen_random_uuid(), 'slot-' || to_char(1 + n % 15, 'FM000'), 'ingest',
    case when n > 29990 then 'pending' when n % 20 = 0 then 'failed' else 'succeeded' end,
    now() - (30000 - n) * interval '10 seconds', now() - (29995 - n) * interval '10 seconds',
    (select id from stored), 'local', '{}', n::text, n::text, 'x', jsonb_build_object('guest', repeat('x', 300)),
    case when n <= 29990 then now() - (29999 - n) * interval '10 seconds' end,
    case when n <= 29990 and n % 20 = 0 then 'provider_error' end,
    case when n <= 29990 and n % 20 <> 0 then n::text end, now() + interval '1 day'
from generate_series(1, 30000) as n
"""
FILL_LOG = """
insert into photochanger.processing_logs (job_id, at, event)
select id, created_at, event from photochanger.jobs, unnest(array['received', 'acquired', 'finalized']) as event
order by created_at
"""
NOW = datetime.now(UTC)
FILTERS = {
    "all": JobFilter(),
    "slot": JobFilter(slot_id="slot-007"),
    "succeeded": JobFilter(states=(JobState.SUCCEEDED,)),
    "failed": JobFilter(states=(JobState.FAILED,)),
    "live": JobFilter(states=(JobState.PENDING, JobState.PROCESSING)),
    "reason": JobFilter(failure_reason=FailureReason.PROVIDER_ERROR),
    "slot and succeeded": JobFilter(slot_id="slot-007", states=(JobState.SUCCEEDED,)),
    "slot and failed": JobFilter(slot_id="slot-007", states=(JobState.FAILED,)),
    "slot and live": JobFilter(slot_id="slot-007", states=(JobState.PENDING,)),
    "tests of a slot": JobFilter(slot_id="slot-007", source=JobSource.TEST),
    "an hour": JobFilter(created_from=NOW - timedelta(hours=3), created_to=NOW - timedelta(hours=2)),
}

RESULTS = {
    "results": ResultFilter(),
    "results of a slot": ResultFilter(slot_ids=("slot-007",)),
    "results of slots": ResultFilter(slot_ids=("slot-007", "slot-008")),
    "shown results of a slot": ResultFilter(slot_ids=("slot-007",), visibility=Visibility.SHOWN),
    "hidden results": ResultFilter(visibility=Visibility.HIDDEN),
    "results of an hour": ResultFilter(ended_from=NOW - timedelta(hours=3), ended_to=NOW - timedelta(hours=2)),
}

AFTERS = {"": None, ", second page": Position(NOW - timedelta(hours=20), uuid4())}


def plan(connection: psycopg.Connection[Any], query: Select[Any]) -> str:
    sql = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    return "\n".join(line for (line,) in connection.execute(f"explain {sql}"))


def test_no_list_reads_the_whole_table(postgres_url: str) -> None:
    queries: dict[str, Select[Any]] = {
        f"{name} by {order}{page}": job_lists.find_jobs(wanted, order=order, limit=51, after=after)
        for name, wanted in FILTERS.items()
        for order in JobOrder
        for page, after in AFTERS.items()
    }
    for page, after in AFTERS.items():
        for name, wanted in RESULTS.items():
            queries[f"{name}{page}"] = job_lists.results(wanted, now=NOW, limit=61, after=after)
    queries["number of results"] = job_lists.count_results(RESULTS["results of an hour"], now=NOW, limit=5001)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (FILL, FILL_LOG, "analyze photochanger.jobs", "analyze photochanger.processing_logs"):
            connection.execute(statement)
        newest = connection.execute("select max(id) from photochanger.processing_logs").fetchone()
        assert newest is not None
        queries["newest events"] = job_lists.events(after=newest[0] - 100, limit=2000)
        plans = {name: plan(connection, query) for name, query in queries.items()}
    assert {name: plan for name, plan in plans.items() if "Seq Scan" in plan} == {}
    assert "jobs_failed" in plans["failed by -created_at"]
    assert "jobs_live" in plans["live by -created_at"]
    assert "jobs_slot_created" in plans["slot by -created_at"]
    assert "jobs_tests" in plans["tests of a slot by -created_at"]
    assert "jobs_results" in plans["results"]
    assert "jobs_results" in plans["results of an hour"]
