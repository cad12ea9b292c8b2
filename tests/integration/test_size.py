"""What a photo costs does not depend on how many jobs have ended: plans, buffers, and the write-ahead log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from photochanger.adapters.postgres import (
    Database,
    EmbeddedServer,
    PostgresCostLedger,
    PostgresJobQueue,
    PostgresResultIndex,
    PostgresStatsService,
    migrate,
)
from photochanger.core.domain.costs.budgets import Budget, day_of
from photochanger.core.domain.costs.call_cost import Charged
from photochanger.core.domain.job import JobSpec, LogEntry, LogEvent
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support.builders import new_job, outcome_succeeded
from tests.support.hot_statements import (
    LEASE,
    Explained,
    explained,
    explained_for_all,
    fill,
    hot_statements,
    ledger_call,
)
from tests.support.long_prompt import LONG_PROMPT
from tests.support.postgres_server import fresh_database

FEW, MANY = 1_000, 60_000
LIVE = 32
PHOTOS = 100
MAX_BYTES_A_PHOTO = 5_600
"""With the records of its files, and those of retries and long answers, it is below 8 kB."""


@pytest.fixture(scope="module")
def measured(postgres_server: EmbeddedServer) -> dict[int, dict[str, Explained]]:
    """By the number of jobs that have ended, each statement with a plan for its values and one for all values."""
    found: dict[int, dict[str, Explained]] = {}
    for count in (FEW, MANY):
        with fresh_database(postgres_server) as url, psycopg.connect(url, autocommit=True) as connection:
            fill(connection, count, every=timedelta(milliseconds=200))
            connection.execute("vacuum analyze")
            live = asyncio.run(_live(url))
            newest = connection.execute(
                "select id from photochanger.jobs where result is not null order by created_at desc limit 1"
            ).fetchone()
            assert newest is not None
            statements = hot_statements(live, UUID(str(newest[0])), event=0)
            found[count] = {
                f"{name}, plan for {values}": explain(connection, statement)
                for name, statement in statements.items()
                for values, explain in (("these values", explained), ("all values", explained_for_all))
                if explain is explained or statement.keeps_plan
            }
    return found


async def _live(url: str) -> JobSpec:
    """Some jobs that wait; the first of those that a worker has."""
    async with Database(url) as database:
        queue = PostgresJobQueue(database)
        ends_at = datetime.now(UTC) + timedelta(hours=1)
        for _ in range(LIVE):
            await queue.enqueue(new_job(expires_at=ends_at), max_active=LIVE)
        return (await queue.acquire("a-worker", n=LIVE // 2, lease=timedelta(hours=1)))[0].job.spec


def test_no_hot_statement_reads_the_table_of_jobs(measured: dict[int, dict[str, Explained]]) -> None:
    whole = '"Node Type":"Seq Scan"'
    for name, (_, shown) in measured[MANY].items():
        nodes = "".join(shown.split())
        assert not any(whole in node and '"RelationName":"jobs"' in node for node in nodes.split("},{")), (
            f"{name}: {shown}"
        )


def test_no_hot_statement_touches_more_buffers_with_many_ended_jobs(
    measured: dict[int, dict[str, Explained]],
) -> None:
    """A level more in each index that a statement goes down, and no two of the jobs on one page: nothing that grows."""
    more = {
        name: (few, many)
        for name, (few, _) in measured[FEW].items()
        if (many := measured[MANY][name].buffers) > 2 * few + 3 * LIVE
    }
    assert more == {}


def test_a_paid_photo_writes_little_to_the_log(tmp_path: Path) -> None:
    """Until its statistics are in the sums. On a server of its own: the position in the log is that of the server."""
    entries = (RouteEntry("gemini", "image_edit", {"prompt": LONG_PROMPT}), RouteEntry("local", "enhance", {}))

    async def work(url: str, count: int) -> None:
        # All of them come and end at the same moments: sums are kept by duration, and more of these are more rows.
        came_at = datetime.now(UTC)
        ended_at, ends_at = came_at + timedelta(seconds=8), came_at + timedelta(hours=1)
        today = day_of(came_at, ZoneInfo("UTC"))
        budget = Budget(slot_id=None, usd_micros=10**12, start=today.start, end=today.end)
        async with Database(url) as database:
            queue, ledger = PostgresJobQueue(database), PostgresCostLedger(database)
            for number in range(count):
                slot_id = f"slot-{1 + number % 15:03d}"
                job = new_job(slot_id=slot_id, route=Route(entries=entries), created_at=came_at, expires_at=ends_at)
                await queue.enqueue(job, max_active=10)
                (claim,) = await queue.acquire("a-host-1234-0123456789abcdef", n=1, lease=LEASE)
                call = ledger_call(claim.job.spec, came_at)
                assert (await ledger.reserve(call, [budget])).granted
                await ledger.settle(msgspec.structs.replace(call, exact=True, charged=Charged.YES, model="a-model"))
                outcome = outcome_succeeded(claim.job, finalized_at=ended_at)
                attempt = LogEntry(claim.job.id, ended_at, LogEvent.ATTEMPT, {"provider_id": "gemini"})
                assert await queue.mark_finalized(claim.job.id, outcome, claim=claim, attempts=[attempt])
                await PostgresResultIndex(database).note_answered(claim.job.id, at=ended_at)
            await PostgresStatsService(database).fold(before=ends_at, limit=count)

    with EmbeddedServer.start(tmp_path) as server:
        server.ensure_database("size")
        url = server.url("size")
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set autovacuum = off")
            # Pages are logged whole after a checkpoint, whose moment depends on the speed of the machine.
            connection.execute("alter system set full_page_writes = off")
            connection.execute("select pg_reload_conf()")
            asyncio.run(work(url, 20))
            before = _position(connection)
            asyncio.run(work(url, PHOTOS))
            written = (_position(connection) - before) / PHOTOS
    assert written < MAX_BYTES_A_PHOTO


def _position(connection: psycopg.Connection[Any]) -> int:
    """Bytes that the server has written to its log."""
    row = connection.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])
