"""The queue compared with hand-written SQL that changes the same rows, alternating in one run."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psycopg
from photochanger.adapters.postgres import Database, PostgresJobQueue, PostgresJobSignals, migrate
from photochanger.core.domain.ids import new_id
from photochanger.core.domain.job import Claim, JobSource, JobSpec, JobState, Outcome, Result
from photochanger.core.domain.media import ImageFacts, MediaKey, MediaKind, Photo, StoredFile, StoredPicture
from photochanger.core.domain.slots.slot import Route, RouteEntry

from .baseline_queue import BaselineQueue
from .ingest import percentiles
from .processes import database

_LEASE = timedelta(seconds=60)
_WAVE = 250
_MAX_ACTIVE = 256
"""A deep queue for a service with a default maximum of 64; every enqueue counts its jobs."""

_HISTORY_STEP = 20_000

# History rows are inserted small and then updated, so that their pages are filled as in a real service.
_HISTORY = (
    """
with stored as (
    insert into photochanger.job_routes (id, route, used_at)
    values (gen_random_uuid(), %(route)s::jsonb, now()) returning id
)
insert into photochanger.jobs (
    id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo, payload_key, sha256,
    access_token, metadata
)
select gen_random_uuid(), 'slot-' || lpad((1 + n %% 15)::text, 3, '0'), 'ingest', 'pending', at,
    at + interval '48 s', (select id from stored), 'local', %(photo)s::jsonb, 'payloads/' || n,
    md5(n::text) || md5(n::text), md5(n::text), '{}'
from (
    select n, now() - n * interval '0.2 s' as at from generate_series(%(oldest)s - %(step)s + 1, %(oldest)s) as n
) as history
""",
    """
update photochanger.jobs
set state = 'processing', attempt = 1, worker = 'benchmark', lease_until = created_at, acquired_at = created_at
where finalized_at is null
""",
    """
update photochanger.jobs
set state = 'succeeded', worker = null, lease_until = null, finalized_at = created_at + interval '2 s',
    provider_id = 'local', operation_id = 'enhance', result = %(result)s::jsonb, result_stem = id::text,
    result_expires_at = now() + interval '72 h'
where finalized_at is null
""",
    "vacuum photochanger.jobs",
)


def job_of(number: int) -> JobSpec:
    now = datetime.now(UTC)
    job_id = new_id(now)
    return JobSpec(
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


def result_of(stem: str) -> Result:
    file = StoredFile(MediaKey(MediaKind.RESULTS, f"{stem}.jpg"), 1_000_000, "0" * 64)
    return Result(StoredPicture(file, "image/jpeg", 2000, 1500), datetime.now(UTC) + timedelta(hours=72))


class _Ours:
    def __init__(self, database: Database) -> None:
        self.queue = PostgresJobQueue(database)

    async def enqueue(self, jobs: list[JobSpec], callers: int) -> None:
        left = iter(jobs)

        async def caller() -> None:
            for job in left:
                await self.queue.enqueue(job, max_active=_MAX_ACTIVE)

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def drain(self, count: int, callers: int) -> None:
        """As a worker: acquire as many jobs as it has free capacity, finalize each separately."""
        taken, done, free = 0, 0, callers
        changed = asyncio.Event()

        async def work(claim: Claim) -> None:
            nonlocal done, free
            result = result_of(claim.job.id.hex)
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

    async def enqueue(self, jobs: list[JobSpec], callers: int) -> None:
        left = iter(jobs)

        async def caller(number: int) -> None:
            for job in left:
                await self.queue.enqueue(number, job)

        await asyncio.gather(*(caller(number) for number in range(callers)))

    async def drain(self, count: int, callers: int) -> None:
        async def caller(number: int) -> None:
            while (row := await self.queue.acquire(number)) is not None:
                stem = row[0].hex
                assert await self.queue.finalize(number, row, msgspec.json.encode(result_of(stem)), stem)

        await asyncio.gather(*(caller(number) for number in range(callers)))


async def _rates(side: _Ours | _Baseline, jobs: int, callers: int) -> tuple[float, float]:
    """Jobs enqueued and jobs drained per second, in waves of a full queue that is emptied again."""
    enqueueing = draining = 0.0
    for _ in range(jobs // _WAVE):
        batch = [job_of(number) for number in range(_WAVE)]
        started = time.perf_counter()
        await side.enqueue(batch, callers)
        enqueued = time.perf_counter()
        await side.drain(_WAVE, callers)
        enqueueing += enqueued - started
        draining += time.perf_counter() - enqueued
    return jobs / enqueueing, jobs / draining


async def _pick_up(ours: _Ours, signals: PostgresJobSignals, baseline: BaselineQueue, runs: int) -> dict[str, Any]:
    """Milliseconds from the enqueue call to the claim in a waiting worker, alternating."""
    own: list[float] = []
    plain: list[float] = []
    listener = await baseline.listen(0)

    async def baseline_worker() -> float:
        while True:
            async for _ in listener.notifies(stop_after=1, timeout=5):
                pass
            if (row := await baseline.acquire(1)) is not None:
                taken = time.perf_counter()
                await baseline.finalize(1, row, msgspec.json.encode(result_of(row[0].hex)), row[0].hex)
                return taken

    async def our_worker() -> float:
        while True:
            with signals.work() as work:
                await work.wait(timedelta(seconds=5))
            for claim in await ours.queue.acquire("benchmark", n=1, lease=_LEASE):
                taken = time.perf_counter()
                result = result_of(claim.job.id.hex)
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
            await enqueue(job_of(number))
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
    rounds: int = 9,
) -> dict[str, Any]:
    """Measure the queue with an empty table and, alternating, with `finished` finished jobs in it."""
    async with database(folder) as server:
        urls = {}
        for name in ("empty", "full"):
            server.ensure_database(name)
            urls[name] = server.url(name)
            await asyncio.to_thread(migrate, urls[name])
        await asyncio.to_thread(_fill, urls["full"], finished)
        async with _Table(urls["empty"], concurrency) as empty, _Table(urls["full"], concurrency) as full:
            for callers in concurrency:
                for turn in range(rounds + 1):  # the first warms up
                    for table in (empty, full):
                        await table.turn(jobs, callers, counts=turn > 0)
            kept = {
                f"{step}@{callers}": round(full.kept_of(empty, step, callers), 2)
                for step in ("enqueue", "drain")
                for callers in concurrency
            }
            figures = {"empty": await empty.figures(), "finished": finished, "full": await full.figures()}
    return figures | {"full_to_empty": kept}


def _fill(url: str, count: int) -> None:
    sample = job_of(0)
    parameters = {
        "route": msgspec.json.encode(sample.route).decode(),
        "photo": msgspec.json.encode(sample.photo).decode(),
        "result": msgspec.json.encode(result_of(str(sample.id))).decode(),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        for oldest in range(count, 0, -_HISTORY_STEP):
            for statement in _HISTORY:
                connection.execute(statement, parameters | {"oldest": oldest, "step": min(oldest, _HISTORY_STEP)})
        connection.execute("checkpoint")


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze photochanger.jobs")


class _Table:
    """One measured database, with our queue and the baseline."""

    def __init__(self, url: str, concurrency: tuple[int, ...]) -> None:
        self._url = url
        self._concurrency = concurrency
        self._rates: dict[tuple[str, int, str], list[float]] = defaultdict(list)
        self._database = Database(url)
        self._signals = PostgresJobSignals(self._database)
        self._ours = _Ours(self._database)
        self._by_hand = _Baseline(url)

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._signals.listen())
        await self._signals.wait_until_listening()
        await self.turn(1500, 4, counts=False)
        await asyncio.to_thread(_analyze, self._url)  # a service has statistics after its first seconds
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._database.close()

    async def turn(self, jobs: int, callers: int, *, counts: bool) -> None:
        """Ours, then the baseline, whose warmed-up connections are opened only now: both tables' would be too many."""
        await self._by_hand.queue.open(callers)
        await _rates(self._by_hand, _WAVE, callers)
        for name, side in (("ours", self._ours), ("by_hand", self._by_hand)):
            enqueued, drained = await _rates(side, jobs, callers)
            if counts:
                self._rates["enqueue", callers, name].append(enqueued)
                self._rates["drain", callers, name].append(drained)
        await self._by_hand.queue.close()

    async def figures(self) -> dict[str, Any]:
        """Jobs per second by step and callers, and how long an idle queue takes to hand out a job."""
        figures: dict[str, Any] = {
            step: {callers: self._row(step, callers) for callers in self._concurrency} for step in ("enqueue", "drain")
        }
        await self._by_hand.queue.open(3)
        figures["pick_up"] = await _pick_up(self._ours, self._signals, self._by_hand.queue, runs=200)
        await self._by_hand.queue.close()
        return figures

    def kept_of(self, other: Self, step: str, callers: int) -> float:
        """Median ratio of our rate here to our rate in the other table, over the alternating rounds."""
        turns = zip(self._rates[step, callers, "ours"], other._rates[step, callers, "ours"], strict=True)
        return statistics.median(here / there for here, there in turns)

    def _row(self, step: str, callers: int) -> dict[str, float]:
        own = statistics.median(self._rates[step, callers, "ours"])
        plain = statistics.median(self._rates[step, callers, "by_hand"])
        return {"ours": round(own), "by_hand": round(plain), "ratio": round(own / plain, 2)}
