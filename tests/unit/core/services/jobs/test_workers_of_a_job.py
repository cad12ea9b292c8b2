"""Several workers and one job: one of them ends it, and no file of the others stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.job import JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.provider import ProviderRequest

from tests.support.world import SECOND, World, never, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)


async def test_of_two_workers_that_finalize_the_same_job_one_wins_and_one_file_stays() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    stale = await world.claim("worker-1")
    await world.clock.advance(11 * SECOND)
    newer = await world.claim("worker-2")
    assert (stale.attempt, newer.attempt) == (1, 2)
    first, _ = await world.pictures.store(job.id, picture("first"), limits=world.providers.limits)
    second, _ = await world.pictures.store(job.id, picture("second"), limits=world.providers.limits)
    assert first.file.key != second.file.key
    ends = await asyncio.gather(
        world.completion.finalize_job(stale, first, provider_id="local", operation_id="enhance"),
        world.completion.finalize_job(newer, second, provider_id="local", operation_id="enhance"),
    )
    assert ends[0] is None
    assert ends[1] == await world.jobs.get(job.id)
    assert await world.files() == [str(second.file.key)]


async def test_a_worker_whose_attempt_is_over_stops_when_the_job_ends() -> None:
    world = World()

    async def slow(request: ProviderRequest) -> bytes:
        return await never(request)

    world.local.script.extend([slow])
    await world.slot()
    job = await world.submit()
    old = await world.start_work()
    await world.clock.advance(11 * SECOND)
    ended = await world.work()
    assert (ended.id, ended.state, ended.attempt) == (job.id, JobState.SUCCEEDED, 2)
    await world.end(old)
    assert world.local.stopped == 1
    assert len(await world.files(MediaKind.RESULTS)) == 1


async def test_a_worker_that_is_stopped_leaves_the_job_live_and_no_file_of_its_own() -> None:
    world = World()
    world.local.script.append(never)
    await world.slot()
    job = await world.submit()
    work = await world.start_work()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await world.end(work)
    assert (await world.jobs.get(job.id)).state is JobState.PROCESSING
    assert await world.files() == [str(job.photo.file.key)]


async def test_a_worker_that_is_stopped_when_its_picture_is_stored_removes_it() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    work = asyncio.ensure_future(world.processing.run(await world.claim()))
    store = world.pictures.store

    async def and_then_the_stop(*args: Any, **options: Any) -> Any:
        stored = await store(*args, **options)
        work.cancel()
        return stored

    world.pictures.store = and_then_the_stop  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await world.end(work)
    assert (await world.jobs.get(job.id)).state is JobState.PROCESSING
    assert await world.files() == [str(job.photo.file.key)]


async def test_a_later_attempt_goes_on_with_the_reference_of_the_earlier_one() -> None:
    world = World()

    async def queues_it(request: ProviderRequest) -> bytes:
        await request.note_reference("queue-17")
        return await never(request)

    world.local.script.append(queues_it)
    await world.slot()
    await world.submit()
    old = await world.start_work()
    await world.clock.advance(11 * SECOND)
    await world.work()
    await world.end(old)
    assert [request.reference for request in world.local.calls] == [None, "queue-17"]
