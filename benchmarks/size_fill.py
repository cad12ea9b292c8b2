"""Many ended jobs in a database, with their log and their calls, within minutes.

Jobs are stored, taken and ended as by a service, so that its pages are as full as there. Where ended jobs are inserted,
each page with a short one has room for one new job: a new job then goes to a page that was not used since the last
checkpoint, and is logged with all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from tests.support.hot_statements import fill

_STEP = 50_000
_WRITERS = 2
_TABLES = ("jobs", "processing_logs", "call_costs")

_INDEXES = """
select indexname, indexdef from pg_indexes
where schemaname = 'photochanger' and tablename = any(%s) and indexname not like '%%_pkey'
"""
USUAL_INDEX_FILL = 90
"""Percent of a page, as PostgreSQL makes indexes."""

_FILLING_TABLE = "create temporary table filling (like photochanger.jobs including defaults)"

# Four jobs at a time, as of one worker.
_LIVE_AND_END = """
do $$
declare
    taken uuid[];
begin
    for taken in
        select array_agg(id) from (
            select id, (row_number() over (order by created_at) - 1) / 4 as part from filling
        ) as parts
        group by part order by part
    loop
        insert into photochanger.jobs (
            id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo, payload_key, sha256,
            access_token, metadata, held_by
        )
        select id, slot_id, source, 'pending', created_at, expires_at, route_id, route_provider, photo, payload_key,
            sha256, access_token, metadata, id
        from filling where id = any(taken) order by created_at;
        commit;
        update photochanger.jobs
        set state = 'processing', attempt = 1, worker = 'a-host-1234-0123456789abcdef',
            lease_until = created_at + interval '10 s', acquired_at = created_at
        where id = any(taken);
        commit;
        update photochanger.jobs as job
        set state = ended.state, worker = null, lease_until = null, finalized_at = ended.finalized_at,
            failure_reason = ended.failure_reason, provider_id = ended.provider_id, operation_id = ended.operation_id,
            result = ended.result, result_stem = ended.result_stem, result_expires_at = ended.result_expires_at,
            result_purged_at = ended.result_purged_at, forgotten_at = ended.forgotten_at,
            answered_at = ended.answered_at
        from filling as ended
        where job.id = ended.id and ended.id = any(taken);
        commit;
    end loop;
end
$$
"""

# For the time in which the tables are filled.
_FILLING = {"max_wal_size": "8GB", "checkpoint_timeout": "30min", "autovacuum": "off"}


def fill_older(url: str, oldest: int, newest: int, *, every: timedelta, index_fill: int = USUAL_INDEX_FILL) -> None:
    """Insert finished jobs, one in each of these intervals, from so many intervals ago to so many; indexes are made
    afterwards, with this percentage of each page in use."""
    with psycopg.connect(url, autocommit=True) as connection, _settings_of_filling(connection):
        indexes = connection.execute(_INDEXES, ([*_TABLES],)).fetchall()
        for name, _ in indexes:
            connection.execute(f"drop index photochanger.{name}")
        with ThreadPoolExecutor(_WRITERS) as writers:
            for done in [writers.submit(_fill, url, last, newest, every) for last in range(oldest, newest, -_STEP)]:
                done.result()
            making = [_with_fill(statement, index_fill) for _, statement in indexes]
            if index_fill != USUAL_INDEX_FILL:
                making += [
                    f"alter index photochanger.{name}_pkey set (fillfactor = {index_fill}); "
                    f"reindex index photochanger.{name}_pkey"
                    for name in _TABLES
                ]
            for done in [writers.submit(_run, url, statement) for statement in making]:
                done.result()
            for done in [writers.submit(_run, url, f"vacuum (analyze) photochanger.{name}") for name in _TABLES]:
                done.result()
        connection.execute("checkpoint")


def _with_fill(definition: str, percent: int) -> str:
    columns, where, condition = definition.partition(" WHERE ")
    return f"{columns} with (fillfactor = {percent}){where}{condition}"


def _fill(url: str, last: int, newest: int, every: timedelta) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute(_FILLING_TABLE)
        fill(connection, last, every=every, first=max(last - _STEP, newest) + 1, records=True, jobs="filling")
        connection.execute("create index on filling (id)")
        connection.execute("analyze filling")
        connection.execute(_LIVE_AND_END)


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set maintenance_work_mem = '512MB'")
        connection.execute("set max_parallel_maintenance_workers = 0")
        connection.execute(statement)


@contextmanager
def _settings_of_filling(connection: psycopg.Connection[Any]) -> Iterator[None]:
    for name, value in _FILLING.items():
        connection.execute(f"alter system set {name} = '{value}'")
    connection.execute("select pg_reload_conf()")
    try:
        yield
    finally:
        for name in _FILLING:
            connection.execute(f"alter system reset {name}")
        connection.execute("select pg_reload_conf()")
