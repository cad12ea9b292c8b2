"""(m) The cost of size: statements with few and with many ended jobs, the write-ahead log of a photo, the overview with
500 and 1,000 slots."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresJobQueue, migrate
from photochanger.core.domain.job import JobSpec

from tests.support.builders import new_job
from tests.support.hot_statements import Hot, buffers, fill, hot_statements

from . import size_overview, size_wal

FEW = 2_000
_LIVE = 32
_RUNS = 15
_EVERY = timedelta(milliseconds=200)
_STEP = 100_000


def measure(folder: Path, *, ended: int) -> dict[str, Any]:
    """Measure all three; `ended` is the number of ended jobs in the full table."""
    return {
        "ended": ended,
        "statements": _statements(folder / "statements", ended),
        "log": size_wal.measure(folder / "log"),
        "overview": [size_overview.measure(folder / f"overview-{slots}", slots=slots) for slots in (500, 1000)],
    }


def _statements(folder: Path, ended: int) -> dict[str, dict[str, float]]:
    """Buffers and milliseconds of each statement in an almost empty and in a full table, alternating."""
    with EmbeddedServer.start(folder) as server:
        tables = {name: _table(server, name, count) for name, count in (("few", FEW), ("many", ended))}
        connections = {name: psycopg.connect(server.url(name), autocommit=True) for name in tables}
        found = {}
        for name in tables["few"]:
            took: dict[str, list[float]] = {"few": [], "many": []}
            for _ in range(_RUNS):
                for table, statements in tables.items():
                    took[table].append(_milliseconds(connections[table], statements[name]))
            few, many = (statistics.median(took[table][3:]) for table in ("few", "many"))
            found[name] = {
                "few_buffers": buffers(connections["few"], tables["few"][name]),
                "many_buffers": buffers(connections["many"], tables["many"][name]),
                "few_ms": round(few, 3),
                "many_ms": round(many, 3),
                "ratio": round(many / few, 2),
            }
        for connection in connections.values():
            connection.close()
    return found


def _table(server: EmbeddedServer, name: str, ended: int) -> dict[str, Hot]:
    server.ensure_database(name)
    url = server.url(name)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        for last in range(ended, 0, -_STEP):
            fill(connection, last, every=_EVERY, first=max(last - _STEP, 0) + 1)
        connection.execute("vacuum analyze")
        live = asyncio.run(_live(url))
        newest = connection.execute(
            "select id from photochanger.jobs where result is not null order by created_at desc limit 1"
        ).fetchone()
        assert newest is not None
        return hot_statements(live, UUID(str(newest[0])), event=0)


async def _live(url: str) -> JobSpec:
    """Some jobs that wait; the first of those that a worker has."""
    async with Database(url) as database:
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
