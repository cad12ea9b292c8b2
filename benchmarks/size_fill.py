"""Many ended jobs in a database, with their log and their calls, within minutes."""

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

# For the time in which the tables are filled.
_FILLING = {"max_wal_size": "8GB", "checkpoint_timeout": "30min", "autovacuum": "off"}


def fill_older(url: str, oldest: int, newest: int, *, every: timedelta) -> None:
    """Insert finished jobs, one in each of these intervals, from so many intervals ago to so many; indexes are made
    afterwards."""
    with psycopg.connect(url, autocommit=True) as connection, _settings_of_filling(connection):
        indexes = connection.execute(_INDEXES, ([*_TABLES],)).fetchall()
        for name, _ in indexes:
            connection.execute(f"drop index photochanger.{name}")
        with ThreadPoolExecutor(_WRITERS) as writers:
            for done in [writers.submit(_fill, url, last, newest, every) for last in range(oldest, newest, -_STEP)]:
                done.result()
            for done in [writers.submit(_run, url, statement) for _, statement in indexes]:
                done.result()
            for done in [writers.submit(_run, url, f"vacuum (analyze) photochanger.{name}") for name in _TABLES]:
                done.result()
        connection.execute("checkpoint")


def _fill(url: str, last: int, newest: int, every: timedelta) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        fill(connection, last, every=every, first=max(last - _STEP, newest) + 1, records=True)


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
