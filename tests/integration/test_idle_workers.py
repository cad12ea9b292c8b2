"""Wake-ups for work: as many idle processes as there are jobs, each process with connections of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from photochanger.adapters.postgres.signals import idle_workers
from photochanger.core.domain.job import Claim
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.builders import new_job, outcome_succeeded
from tests.support.postgres_backend import open_backend
from tests.support.queue_steps import LEASE, MANY
from tests.support.service import eventually

pytestmark = pytest.mark.anyio

LONG = timedelta(minutes=2)
_IDLE = "select channel from photochanger.idle_workers where idle_since is not null order by idle_since"

_PLACES = "select places from photochanger.idle_workers where idle_since is not null order by idle_since"


class Database:
    """What a bystander sees in the table of idle workers."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def idle(self) -> list[str]:
        return [channel for (channel,) in self._connection.execute(_IDLE)]

    def places(self) -> list[int]:
        return [places for (places,) in self._connection.execute(_PLACES)]

    async def until_idle(self, count: int) -> list[str]:
        return await asyncio.to_thread(eventually, lambda: idle if len(idle := self.idle()) == count else None)

    def execute(self, statement: str, *parameters: Any) -> None:
        self._connection.execute(statement, parameters)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


@asynccontextmanager
async def waiting(
    url: str, count: int, *, places: int = 1
) -> AsyncIterator[tuple[SimpleNamespace, list[asyncio.Task[bool]]]]:
    """Processes that wait for work; the first of them, and the waits."""
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(open_backend(url)) for _ in range(count)]
        waits = [asyncio.create_task(stack.enter_context(backend.signals.work()).wait(LONG)) for backend in backends]
        try:
            yield backends[0], waits
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


@pytest.fixture
def announced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was chosen and has not heard of it yet announces itself no second time meanwhile."""
    monkeypatch.setattr(idle_workers, "ANNOUNCE_EVERY_SECONDS", timedelta(days=1).total_seconds())


@pytest.mark.usefixtures("announced_once")
async def test_each_job_wakes_one_process_that_which_is_idle_the_longest(postgres_url: str, database: Database) -> None:
    async with waiting(postgres_url, 3) as (one, waits):
        idle = await database.until_idle(3)
        for left in (2, 1, 0):
            await one.queue.enqueue(new_job(), max_active=MANY)
            assert database.idle() == idle[3 - left :]
        assert all(await asyncio.gather(*waits))


@pytest.mark.usefixtures("announced_once")
async def test_jobs_that_come_together_wake_as_many_processes(postgres_url: str, database: Database) -> None:
    async with waiting(postgres_url, 3) as (one, waits):
        await database.until_idle(3)
        database.execute("select photochanger.wake_workers(2)")
        assert len(database.idle()) == 1
        await one.queue.enqueue(new_job(), max_active=MANY)
        assert all(await asyncio.gather(*waits))


async def test_a_process_is_chosen_for_as_many_jobs_as_it_has_places_and_jobs_are_spread(database: Database) -> None:
    for channel, places in (("one", 2), ("two", 3), ("three", 1)):
        database.execute(
            "insert into photochanger.idle_workers values (%s, clock_timestamp(), now() + interval '1 h', %s)",
            channel,
            places,
        )
    order = [database.idle()]
    while order[-1]:
        database.execute("select photochanger.wake_workers(1)")
        order.append(database.idle())
    assert order == [
        ["one", "two", "three"],
        ["two", "three", "one"],
        ["three", "one", "two"],
        ["one", "two"],
        ["two"],
        ["two"],
        [],
    ]


@pytest.mark.usefixtures("announced_once")
async def test_an_announcement_is_good_for_several_jobs(postgres_url: str, database: Database) -> None:
    async with open_backend(postgres_url) as backend:
        idle = idle_workers.IdleWorkers(backend.database, "a process", on_unclaimed=lambda: None)
        await idle.announce(3)
        assert database.places() == [3]
        database.execute("update photochanger.idle_workers set places = 7")
        for _ in range(2):
            idle.chosen()
            await idle.announce(3)
            assert database.places() == [7], "it is not written again"
        idle.chosen()
        await idle.announce(4)
        assert database.places() == [4], "all places were used up"
        await idle.announce(1)
        assert database.places() == [1], "it has fewer"
        idle.withdraw()
        await idle.look()
        assert database.places() == []


async def test_a_process_that_is_chosen_too_late_passes_the_wake_up_on(postgres_url: str, database: Database) -> None:
    async with open_backend(postgres_url) as busy, waiting(postgres_url, 1) as (_, (wait,)):
        await database.until_idle(1)
        with busy.signals.work() as work:
            waits = asyncio.create_task(work.wait(LONG))
            channel = (await database.until_idle(2))[1]
            waits.cancel()
        await database.until_idle(1)
        database.execute("select pg_notify(%s, '')", channel)
        assert await wait


async def test_a_process_that_has_died_is_not_chosen_for_long(postgres_url: str, database: Database) -> None:
    async with waiting(postgres_url, 1) as (one, (wait,)):
        await database.until_idle(1)
        database.execute(
            "insert into photochanger.idle_workers values ('dead', now() - interval '1 h', now() - interval '11 s')"
        )
        await one.queue.enqueue(new_job(), max_active=MANY)
        assert await wait
        assert await one.workers.prune(silent_for=timedelta(seconds=11)) == 0
        assert "dead" not in database.idle()


class Ends:
    """Jobs that end at once, and how often the queue was looked into for them."""

    def __init__(self, backend: SimpleNamespace) -> None:
        self._backend = backend
        self.within_limits = False
        self.looks = 0

    async def acquire(self, worker: str, *, n: int, lease: timedelta, running: Collection[UUID]) -> list[Claim]:
        self.looks += 1
        claims: list[Claim] = await self._backend.queue.acquire(worker, n=n, lease=lease, running=running)
        return claims

    async def acquire_urgent(self, worker: str, *, n: int, lease: timedelta) -> list[Claim]:
        return []

    async def run(self, claim: Claim) -> None:
        await self._backend.queue.mark_finalized(claim.job.id, outcome_succeeded(claim.job), claim=claim)

    async def close(self) -> None:
        """Do nothing: there are no resources."""


@asynccontextmanager
async def working(backend: SimpleNamespace, *, concurrency: int = 1) -> AsyncIterator[Ends]:
    ends = Ends(backend)
    parts: dict[str, Any] = {"completion": None, "processing": ends, "acquisition": ends}
    pool = WorkerPool(
        queue=backend.queue, signals=backend.signals, options=PoolOptions(concurrency=concurrency, lease=LEASE), **parts
    )
    running = asyncio.create_task(pool.run())
    try:
        yield ends
    finally:
        pool.stop()
        await running


async def ended(backend: SimpleNamespace) -> None:
    """Enqueue a job and wait for its end."""
    job = new_job()
    with backend.signals.finalized(job.id) as end:
        await backend.queue.enqueue(job, max_active=MANY)
        assert await end.wait(LONG)
    assert (await backend.jobs.get(job.id)).state.finalized


async def test_a_job_whose_worker_died_before_its_wake_up_is_found_by_polling(
    postgres_url: str, database: Database
) -> None:
    async with open_backend(postgres_url) as backend, working(backend):
        await database.until_idle(1)
        database.execute(
            "insert into photochanger.idle_workers values ('dead', now() - interval '1 h', now() + interval '1 h')"
        )
        await ended(backend)


async def test_a_pool_with_one_place_makes_a_backlog_whose_jobs_woke_no_one(postgres_url: str) -> None:
    async with open_backend(postgres_url) as backend:
        jobs = [await backend.queue.enqueue(new_job(), max_active=MANY) for _ in range(10)]
        with backend.signals.finalized(jobs[-1].id) as end:
            async with working(backend):
                assert await end.wait(LONG)
        assert (await backend.queue.depth()).active == 0


async def test_a_pool_announces_its_free_places(postgres_url: str, database: Database) -> None:
    async with open_backend(postgres_url) as backend, working(backend, concurrency=3):
        await asyncio.to_thread(eventually, lambda: database.places() == [3])
