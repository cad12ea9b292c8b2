"""Overdue jobs end within ten seconds of their deadline, whatever the sweeper and the media store do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState
from photochanger.core.domain.media import MediaKey
from photochanger.core.domain.settings import AppSettings
from photochanger.core.services.jobs.deadlines import JobDeadlines

from tests.support.wiring import get_now
from tests.support.world import SECOND, World, picture

pytestmark = pytest.mark.anyio

WINDOW = 48 * SECOND
LIMIT = 10 * SECOND


def deadlines_of(world: World) -> JobDeadlines:
    return get_now(world.container, JobDeadlines)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """The loop of a process, while the block lasts."""
    loop = asyncio.create_task(deadlines_of(world).run())
    try:
        await world.clock.advance(timedelta(0))
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def states(world: World, jobs: list[Job]) -> list[JobState]:
    return [(await world.jobs.get(job.id)).state for job in jobs]


async def test_a_job_without_request_and_worker_ends_soon_after_its_deadline() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    async with running(world):
        await world.clock.advance(WINDOW - SECOND)
        assert (await world.jobs.get(job.id)).state is JobState.PENDING
        await world.clock.advance(SECOND + LIMIT)
        ended = await world.jobs.get(job.id)
        assert (ended.state, ended.failure_reason) == (JobState.TIMED_OUT, FailureReason.TIMEOUT)
        assert await world.files() == []
        assert [ended["reason"] for ended in world.telemetry.of("job_ended")] == [FailureReason.TIMEOUT]


async def test_all_batches_end_at_the_same_time() -> None:
    world = World(settings=AppSettings(max_active_jobs=1000))
    await world.slot()
    jobs = [await world.submit(picture(str(number))) for number in range(401)]
    async with running(world):
        await world.clock.advance(WINDOW + LIMIT)
        assert set(await states(world, jobs)) == {JobState.TIMED_OUT}
        assert await world.files() == []


async def test_a_media_store_that_hangs_delays_no_end() -> None:
    world = World()
    await world.slot()
    jobs = [await world.submit(picture("1"))]
    store = world.store.inner
    delete, released = store.delete, asyncio.Event()

    async def delete_later(key: MediaKey) -> bool:
        await released.wait()
        deleted: bool = await delete(key)
        return deleted

    store.delete = delete_later
    async with running(world):
        await world.clock.advance(WINDOW + LIMIT)
        assert await states(world, jobs) == [JobState.TIMED_OUT]
        jobs.append(await world.submit(picture("2")))
        await world.clock.advance(WINDOW + LIMIT)
        assert await states(world, jobs) == [JobState.TIMED_OUT] * 2
        assert len(await world.files()) == 2
        released.set()
        await world.clock.advance(SECOND)
        assert await world.files() == []


@pytest.mark.parametrize(("part", "method"), [("queue", "release_expired"), ("store", "delete")])
async def test_an_outage_is_waited_out(part: str, method: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.slot()
    jobs = [await world.submit(picture("1"))]
    faults = getattr(world, part).faults
    async with running(world):
        faults[method] = QueueUnavailable("away") if part == "queue" else StorageUnavailable("away")
        await world.clock.advance(WINDOW + LIMIT)
        del faults[method]
        jobs.append(await world.submit(picture("2")))
        await world.clock.advance(WINDOW + LIMIT)
        assert await states(world, jobs) == [JobState.TIMED_OUT] * 2
    assert "away" in caplog.text
