"""Statistics over a long history: query time for ninety days of all slots, and the cost of aggregation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from photochanger.adapters.postgres import (
    Database,
    PostgresCostLedger,
    PostgresSlotRepository,
    PostgresStatsService,
    migrate,
)
from photochanger.adapters.system_clock import SystemClock
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.stats.summary import SETTLED_AFTER
from photochanger.core.domain.stats.time_ranges import Period
from photochanger.core.services.stats.service import StatsQueries, StatsRequest
from photochanger.entrypoints.bootstrap import freeze_gc

from .ingest import percentiles
from .processes import database

FULL = 10_000_000
_LOGS_OF_A_JOB = 5
_STEP = 100_000
_DAYS = 90

_LOGS = """
insert into photochanger.processing_logs (job_id, at, event, detail)
select gen_random_uuid(), now() - number * %(every)s::interval, 'attempt', '{"outcome": "picture", "call_ms": 5120}'
from generate_series(%(from)s::bigint, %(to)s::bigint - 1) as number
"""

# Two providers, some jobs that end without a picture, and latencies around seven seconds with a long tail.
_ENDED = """
insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
select 'slot-' || lpad((1 + number %% 15)::text, 3, '0'), now() - number * %(every)s::interval,
    case when number %% 3 = 0 then 'gemini' else 'local' end,
    case when number %% 37 = 0 then 'timeouts' when number %% 41 = 0 then 'provider_errors' else 'success' end,
    case when number %% 37 > 0 and number %% 41 > 0 then 2500 * exp(random() + random() + random() * random()) end
from generate_series(%(from)s::bigint, %(to)s::bigint - 1) as number
"""


async def measure(folder: Path, *, logs: int = 1_000_000, rounds: int = 40) -> dict[str, Any]:
    """Milliseconds of each query with `logs` rows of the processing log and a fifth as many jobs, in 90 days."""
    jobs = logs // _LOGS_OF_A_JOB
    async with database(folder) as server:
        server.ensure_database("statistics")
        url = server.url("statistics")
        await asyncio.to_thread(migrate, url)
        async with Database(url) as opened:
            slots = PostgresSlotRepository(opened)
            await slots.add_missing(shipped_slots())
            stats = PostgresStatsService(opened)
            started = time.perf_counter()
            await asyncio.to_thread(_fill, url, _LOGS, logs)
            filled = time.perf_counter() - started
            started = time.perf_counter()
            for first in range(0, jobs, _STEP):
                await asyncio.to_thread(_fill, url, _ENDED, jobs, first)
                while await stats.fold(before=datetime.now(UTC) - SETTLED_AFTER, limit=5000):
                    pass
            folding = time.perf_counter() - started
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("vacuum analyze")
                rows = {
                    table: connection.execute(f"select count(*) from photochanger.{table}").fetchone()
                    for table in ("processing_logs", "stats_quarters", "stats_hours", "stats_days", "stats_ended")
                }
            service = StatsQueries(stats, PostgresCostLedger(opened), slots, SystemClock())
            freeze_gc()
            return {
                "rows": {table: row[0] for table, row in rows.items() if row},
                "filling_logs_s": round(filled, 1),
                "filled_and_folded_per_s": round(jobs / folding),
                "ms": await _questions(service, rounds),
            }


async def _questions(service: StatsQueries, rounds: int) -> dict[str, dict[str, float]]:
    end = datetime.now(UTC)
    start = end - timedelta(days=_DAYS) + timedelta(minutes=15)

    def asked(zone: str, period: Period = Period.DAY) -> StatsRequest:
        return StatsRequest(start=start, end=end, period=period, zone=zone)

    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "90 days of all slots, UTC": lambda: service.of_all(asked("UTC")),
        "90 days of all slots, Berlin": lambda: service.of_all(asked("Europe/Berlin")),
        "90 days of all slots, Kathmandu": lambda: service.of_all(asked("Asia/Kathmandu")),
        "90 days of all slots, by month": lambda: service.of_all(asked("Europe/Berlin", Period.MONTH)),
        "90 days of one slot": lambda: service.of_all(asked("Europe/Berlin"), slot_id="slot-001"),
        "31 days of one slot, by day": lambda: service.of_slot(
            "slot-001", StatsRequest(start=end - timedelta(days=30), end=end, zone="Europe/Berlin")
        ),
    }
    figures = {}
    for name, question in questions.items():
        taken = []
        for _ in range(rounds):
            started = time.perf_counter()
            await question()
            taken.append((time.perf_counter() - started) * 1000)
        figures[name] = percentiles(taken[2:])  # the first ones warm up
    return figures


def _fill(url: str, statement: str, count: int, first: int = 0) -> None:
    """Rows of the whole range, or of one step of it from `first` on."""
    every = timedelta(days=_DAYS) / count
    last = count if statement is _LOGS else min(first + _STEP, count)
    with psycopg.connect(url, autocommit=True) as connection:
        for begin in range(first, last, _STEP):
            connection.execute(statement, {"every": every, "from": begin, "to": min(begin + _STEP, last)})
