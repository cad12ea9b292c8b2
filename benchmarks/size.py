"""The cost of size: statements with few and with many ended jobs, the write-ahead log of a photo, the overview with
500 and 1,000 slots."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresJobQueue, PostgresSlotRepository, migrate
from photochanger.adapters.postgres.costs.sql import ADD_UP
from photochanger.core.domain.job import JobSpec
from photochanger.core.domain.slots.slot import shipped_slots

from tests.support.builders import new_job
from tests.support.hot_statements import Hot, explained, fill, hot_statements

from . import size_overview, size_wal
from .size_fill import USUAL_INDEX_FILL, fill_older

FEW = 2_000
MANY = 3_000_000
"""What fits into ten minutes on two idle cores; it takes 14 GB while it runs."""

BOUND = 1.1
"""How much longer a statement may take in the full table."""

_LIVE = 32
_EVENTS = 50
"""Entries of the log that a page has not seen yet."""

_RUNS = 110
_WARM_UP = 10
_EVERY = timedelta(milliseconds=60)
"""A photo each 60 ms: 17 a second, as 500 booths send them."""


_STATISTICS = """
insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
select slot_id, finalized_at, provider_id, 'success', 2000
from photochanger.jobs order by created_at desc limit %s
"""
"""The newest jobs have not been added to the sums."""


def measure(folder: Path, *, ended: int, index_fill: int = USUAL_INDEX_FILL) -> dict[str, Any]:
    """Measure all three; `ended` is the number of ended jobs in the full table, `index_fill` the percentage of each
    page of its indexes in use: with 10 they are as deep as those of nine times as many jobs."""
    started = time.monotonic()
    found: dict[str, Any] = {
        "ended": ended,
        **_statements(folder / "statements", ended, index_fill),
        "log": size_wal.measure(folder / "log"),
        "overview": [size_overview.measure(folder / f"overview-{slots}", slots=slots) for slots in (500, 1000)],
    }
    return found | {"seconds": round(time.monotonic() - started)}


def _statements(folder: Path, ended: int, index_fill: int) -> dict[str, Any]:
    """Buffers and milliseconds of each statement in an almost empty and in a full table, alternating;
    and how long it takes to add up the calls of a day.

    The milliseconds are those of the tenth percentile: a machine that does other things makes most runs slower.
    """
    with EmbeddedServer.start(folder) as server:
        for name in ("few", "many"):
            server.ensure_database(name)
            migrate(server.url(name))
        fill_older(server.url("many"), ended, FEW, every=_EVERY, index_fill=index_fill)
        tables = {name: _with_newest(server.url(name)) for name in ("few", "many")}
        connections = {name: psycopg.connect(server.url(name), autocommit=True) for name in tables}
        day = _add_up(connections["many"], tables["many"]["spent in a day"])
        _add_up(connections["few"], tables["few"]["spent in a day"])
        found = {}
        for name in tables["few"]:
            took: dict[str, list[float]] = {"few": [], "many": []}
            for _ in range(_RUNS):
                for table, statements in tables.items():
                    took[table].append(_milliseconds(connections[table], statements[name]))
            few, many = (sorted(took[table][_WARM_UP:])[_RUNS // 10] for table in ("few", "many"))
            found[name] = {
                "few_buffers": explained(connections["few"], tables["few"][name]).buffers,
                "many_buffers": explained(connections["many"], tables["many"][name]).buffers,
                "few_ms": round(few, 3),
                "many_ms": round(many, 3),
                "ratio": round(many / few, 2),
            }
        for connection in connections.values():
            connection.close()
    shutil.rmtree(folder)  # several gigabytes
    return {"statements": found, "day": day}


def _with_newest(url: str) -> dict[str, Hot]:
    """The statements for a table that now gets its newest jobs, and some that wait."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, FEW, every=_EVERY, records=True)
        connection.execute(_STATISTICS, (FEW,))
        connection.execute("vacuum analyze")
        # Autovacuum would make the live jobs of the small table cheap to count, as they never are.
        connection.execute("alter table photochanger.jobs set (autovacuum_enabled = off)")
        live = asyncio.run(_live(url))
        newest = connection.execute(
            "select id from photochanger.jobs where result is not null order by created_at desc limit 1"
        ).fetchone()
        event = connection.execute("select max(id) from photochanger.processing_logs").fetchone()
        assert newest is not None
        assert event is not None
        return hot_statements(live, UUID(str(newest[0])), event=event[0] - _EVENTS)


def _add_up(connection: psycopg.Connection[Any], day: Hot) -> dict[str, float]:
    """Add up the calls of a day, as the first call after a crash of the server does."""
    started = time.perf_counter()
    connection.execute(ADD_UP, day.parameters)
    took = time.perf_counter() - started
    sums = connection.execute(
        "select count(*) from photochanger.call_costs where at >= all(%(starts)s) and at < all(%(ends)s)",
        day.parameters,
    ).fetchone()
    assert sums is not None
    return {"calls": sums[0], "ms": round(took * 1000)}


async def _live(url: str) -> JobSpec:
    """Some jobs that wait; the first of those that a worker has."""
    async with Database(url) as database:
        await PostgresSlotRepository(database).add_missing(shipped_slots())
        queue = PostgresJobQueue(database)
        ends_at = datetime.now(UTC) + timedelta(hours=1)
        for _ in range(_LIVE):
            await queue.enqueue(new_job(expires_at=ends_at), max_active=_LIVE)
        return (await queue.acquire("a-worker", n=_LIVE // 2, lease=timedelta(hours=1)))[0].job.spec


def _milliseconds(connection: psycopg.Connection[Any], statement: Hot) -> float:
    with connection.transaction(force_rollback=True), psycopg.ClientCursor(connection) as cursor:
        started = time.perf_counter()
        cursor.execute(statement.sql, statement.parameters or None)
        return (time.perf_counter() - started) * 1000
