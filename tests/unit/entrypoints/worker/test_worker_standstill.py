"""A worker whose process stood still, and what it does with the jobs that it runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.deadlines import LEASE
from photochanger.core.domain.job import Claim, JobState

from tests.support.worker_pools import at_work, pool_of, stopped, until
from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


async def test_leases_are_renewed_before_anything_is_acquired_if_the_process_stood_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(cloud := ScriptedProvider("cloud", never, never))
    await world.slot("cloud")
    first = await world.submit(picture("first"))
    pool = pool_of(world)
    async with at_work(world, pool):
        await until(lambda: len(cloud.calls) == 1)
        await world.clock.advance(timedelta(0))
        world.clock.stand_still(LEASE)
        monkeypatch.setattr(pool, "_renewed_at", -LEASE.total_seconds())
        world.queue.calls.clear()
        await world.submit(picture("second"))
        await until(lambda: len(cloud.calls) == 2)
        asked = [call for call in world.queue.calls if call in ("renew", "acquire")]
        assert asked[:2] == ["renew", "acquire"]
        assert (await world.jobs.get(first.id)).attempt == 1
        assert cloud.stopped == 0


async def test_a_job_that_another_worker_gave_back_to_its_own_worker_goes_on_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine that was suspended: only the database has seen time pass."""
    world = World(cloud := ScriptedProvider("cloud", never, never))
    await world.slot("cloud")
    first = await world.submit()
    pool = pool_of(world, concurrency=1)
    async with at_work(world, pool) as running:
        await until(lambda: len(cloud.calls) == 1)
        await world.clock.advance(timedelta(0))
        world.clock.stand_still(LEASE)
        (claim,) = await world.queue.acquire("another", n=1, lease=LEASE)
        await world.queue.release(claim)

        async def urgent(worker: str, **_: object) -> list[Claim]:
            return await world.queue.acquire(worker, n=1, lease=LEASE)

        monkeypatch.setattr(world.queue, "acquire_urgent", urgent)
        async with asyncio.timeout(60):
            while len(cloud.calls) < 2 or cloud.stopped < 1:
                await world.clock.advance(SECOND / 4)
        assert (await world.jobs.get(first.id)).attempt == 3
        await stopped(world, pool, running)
    assert cloud.stopped == 2
    assert (await world.jobs.get(first.id)).state is JobState.PENDING


async def test_a_worker_does_not_acquire_what_it_runs() -> None:
    world = World(cloud := ScriptedProvider("cloud", never, never))
    await world.slot("cloud")
    first = await world.submit(picture("first"))
    pool = pool_of(world, concurrency=3)
    async with at_work(world, pool) as running:
        await until(lambda: len(cloud.calls) == 1)
        await world.clock.advance(timedelta(0))
        world.clock.stand_still(LEASE)
        await world.submit(picture("second"))
        await until(lambda: len(cloud.calls) == 2)
        assert ((await world.jobs.get(first.id)).attempt, pool.running, cloud.stopped) == (1, 2, 0)
        await stopped(world, pool, running)
    assert cloud.stopped == 2
