"""(b) The queue beside hand-written SQL that does the same row work, in the same run, turn by turn."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from photochanger.adapters.postgres import Database, PostgresJobQueue, PostgresJobSignals, migrate
from photochanger.core.ids import new_id
from photochanger.core.jobs import Claim, JobSource, JobState, NewJob, Outcome, Result
from photochanger.core.media import ImageFacts, MediaKey, MediaKind, Photo, StoredFile
from photochanger.core.slots import Route, RouteEntry

from .baseline_queue import BaselineQueue
from .ingest import percentiles
from .processes import database

_LEASE = timedelta(seconds=60)
_WAVE = 250
_MAX_ACTIVE = 256
"""A deep queue for a service whose default bound is 64; what stands in it is counted with every enqueue."""

_FILL = """
insert into photochanger.jobs (
    id, slot_id, source, state, created_at, expires_at, route, route_provider, photo, payload_key, sha256,
    access_token, metadata, attempt, acquired_at, finalized_at, provider_id, operation_id, result, result_stem,
    result_expires_at, answered_at
)
select gen_random_uuid(), 'slot-' || lpad((1 + n %% 15)::text, 3, '0'), 'ingest', 'succeeded', at,
    at + interval '48 s', %(route)s::jsonb, 'local', %(photo)s::jsonb, 'payloads/' || n, md5(n::text), md5(n::text),
    '{}', 1, at, at + interval '2 s', 'local', 'enhance', %(result)s::jsonb, 'result-' || n, now() + interval '72 h', at
from (select n, now() - n * interval '0.2 s' as at from generate_series(1, %(count)s) as n) as history
"""


def _job(number: int) -> NewJob:
    now = datetime.now(UTC)
    job_id = new_id(now)
    return NewJob(
        id=job_id,
        slot_id=f"slot-{1 + number % 15:03d}",
        source=JobSource.INGEST,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        route=Route(entries=(RouteEntry("local", "enhance", {}),)),
        photo=Photo(
            StoredFile(MediaKey(MediaKind.PAYLOADS, str(job_id)), 1_000_000, job_id.hex * 2),
            ImageFacts("image/jpeg", 4000, 3000),
        ),
        access_token=job_id.hex,
    )


def _result(stem: str) -> Result:
    file = StoredFile(MediaKey(MediaKind.RESULTS, f"{stem}.jpg"), 1_000_000, "0" * 64)
    return Result(file, "image/jpeg", 2000, 1500, datetime.now(UTC) + timedelta(hours=72))


class _Ours:
    def __init__(self, database: Database) -> None:
        self.queue = PostgresJobQueue(database)

    async def enqueue(self, jobs: list[NewJob], callers: int) -> None:
        left = iter(jobs)

        async def caller() -> None:
            for job in left:
                await self.queue.enqueue(job, max_active=_MAX_ACTIVE)

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def drain(self, count: int, callers: int) -> None:
        """As a worker does it: take as many as there are hands free, finalize each on its own."""
        taken, done, free = 0, 0, callers
        changed = asyncio.Event()

        async def work(claim: Claim) -> None:
            nonlocal done, free
            result = _result(claim.job.id.hex)
            outcome = Outcome(state=JobState.SUCCEEDED, finalized_at=datetime.now(UTC), result=result)
            assert await self.queue.mark_finalized(claim.job.id, outcome, claim=claim)
            done, free = done + 1, free + 1
            changed.set()

        working: set[asyncio.Task[None]] = set()
        while done < count:
            changed.clear()
            if free and taken < count:
                for claim in await self.queue.acquire("benchmark", n=free, lease=_LEASE):
                    taken, free = taken + 1, free - 1
                    task = asyncio.create_task(work(claim))
                    working.add(task)
                    task.add_done_callback(working.discard)
            if taken > done and not changed.is_set():
                await changed.wait()
        await asyncio.gather(*working)


class _Baseline:
    def __init__(self, url: str) -> None:
        self.queue = BaselineQueue(url)

    async def enqueue(self, jobs: list[NewJob], callers: int) -> None:
        left = iter(jobs)

        async def caller(number: int) -> None:
            for job in left:
                await self.queue.enqueue(number, job)

        await asyncio.gather(*(caller(number) for number in range(callers)))

    async def drain(self, count: int, callers: int) -> None:
        async def caller(number: int) -> None:
            while (row := await self.queue.acquire(number)) is not None:
                stem = row[0].hex
                assert await self.queue.finalize(number, row, msgspec.json.encode(_result(stem)), stem)

        await asyncio.gather(*(caller(number) for number in range(callers)))


async def _rates(side: _Ours | _Baseline, jobs: int, callers: int) -> tuple[float, float]:
    """Jobs enqueued and jobs drained per second, in waves of a full queue that is emptied again."""
    enqueueing = draining = 0.0
    for _ in range(jobs // _WAVE):
        batch = [_job(number) for number in range(_WAVE)]
        started = time.perf_counter()
        await side.enqueue(batch, callers)
        enqueued = time.perf_counter()
        await side.drain(_WAVE, callers)
        enqueueing += enqueued - started
        draining += time.perf_counter() - enqueued
    return jobs / enqueueing, jobs / draining


async def _pick_up(ours: _Ours, signals: PostgresJobSignals, baseline: BaselineQueue, runs: int) -> dict[str, Any]:
    """Milliseconds from the call that enqueues to the claim in a waiting worker's hands, turn by turn."""
    own: list[float] = []
    plain: list[float] = []
    listener = await baseline.listen(0)

    async def baseline_worker() -> float:
        while True:
            async for _ in listener.notifies(stop_after=1, timeout=5):
                pass
            if (row := await baseline.acquire(1)) is not None:
                taken = time.perf_counter()
                await baseline.finalize(1, row, msgspec.json.encode(_result(row[0].hex)), row[0].hex)
                return taken

    async def our_worker() -> float:
        while True:
            with signals.work() as work:
                await work.wait(timedelta(seconds=5))
            for claim in await ours.queue.acquire("benchmark", n=1, lease=_LEASE):
                taken = time.perf_counter()
                result = _result(claim.job.id.hex)
                outcome = Outcome(state=JobState.SUCCEEDED, finalized_at=datetime.now(UTC), result=result)
                await ours.queue.mark_finalized(claim.job.id, outcome, claim=claim)
                return taken

    for number in range(runs):
        for worker, enqueue, taken in (
            (our_worker, lambda job: ours.queue.enqueue(job, max_active=_MAX_ACTIVE), own),
            (baseline_worker, lambda job: baseline.enqueue(2, job), plain),
        ):
            waiting = asyncio.create_task(worker())
            await asyncio.sleep(0.002)  # the worker listens and the queue is idle
            started = time.perf_counter()
            await enqueue(_job(number))
            taken.append((await waiting - started) * 1000)
    mine, theirs = percentiles(own), percentiles(plain)
    return {
        "ours_ms": mine,
        "by_hand_ms": theirs,
        "ratio": {name: round(mine[name] / theirs[name], 2) for name in mine},
    }


async def measure(
    folder: Path,
    *,
    concurrency: tuple[int, ...] = (4, 16, 64),
    jobs: int = 1500,
    finished: int = 1_000_000,
    rounds: int = 4,
) -> dict[str, Any]:
    """Every figure of the queue, with an empty table and with `finished` finished jobs in it."""
    async with database(folder) as server:
        server.ensure_database("queue")
        url = server.url("queue")
        await asyncio.to_thread(migrate, url)
        empty = await _measure_once(url, concurrency, jobs, rounds)
        await asyncio.to_thread(_fill, url, finished)
        full = await _measure_once(url, concurrency, jobs, rounds)
    kept = {
        f"{name}@{callers}": round(full[name][callers]["ours"] / empty[name][callers]["ours"], 2)
        for name in ("enqueue", "drain")
        for callers in concurrency
    }
    return {"empty": empty, "finished": finished, "full": full, "full_to_empty": kept}


def _fill(url: str, count: int) -> None:
    sample = _job(0)
    parameters = {
        "route": msgspec.json.encode(sample.route).decode(),
        "photo": msgspec.json.encode(sample.photo).decode(),
        "result": msgspec.json.encode(_result("x")).decode(),
        "count": count,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL, parameters)
        connection.execute("checkpoint")


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze photochanger.jobs")


async def _measure_once(url: str, concurrency: tuple[int, ...], jobs: int, rounds: int) -> dict[str, Any]:
    async with Database(url) as opened, PostgresJobSignals(opened) as signals:
        await signals.wait_until_listening()
        ours, baseline = _Ours(opened), _Baseline(url)
        await baseline.queue.open(max(*concurrency, 3))
        for side in (ours, baseline):
            await _rates(side, jobs, concurrency[0])
        await asyncio.to_thread(_analyze, url)  # a service has statistics after its first seconds
        table: dict[str, Any] = {"enqueue": {}, "drain": {}}
        for callers in concurrency:
            rates: dict[tuple[str, str], list[float]] = {}
            for turn in range(rounds + 1):  # the first warms up
                for name, side in (("ours", ours), ("by_hand", baseline)):
                    enqueued, drained = await _rates(side, jobs, callers)
                    if turn:
                        rates.setdefault(("enqueue", name), []).append(enqueued)
                        rates.setdefault(("drain", name), []).append(drained)
            for step in ("enqueue", "drain"):
                own = statistics.median(rates[step, "ours"])
                plain = statistics.median(rates[step, "by_hand"])
                table[step][callers] = {"ours": round(own), "by_hand": round(plain), "ratio": round(own / plain, 2)}
        table["pick_up"] = await _pick_up(ours, signals, baseline.queue, runs=200)
        await baseline.queue.close()
    return table
