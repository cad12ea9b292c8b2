"""Jobs whose turn comes when no entry can make their picture any more: they end at once, and nothing is paid for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.job import FailureReason, Job, JobState
from photochanger.core.domain.routing.provider_usage import CallOutcome, CallRecord
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.domain.worker import URGENT_JOBS
from photochanger.core.ports.provider import Down, ProviderRequest
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


async def ten_seconds_each(world: World) -> None:
    """Let calls to `cloud` be known to take ten seconds."""
    await world.submit(picture("an earlier one"))
    claim = await world.claim()
    for _ in range(8):
        record = CallRecord("enhance", CallOutcome.PICTURE, 10 * SECOND, admitted=False)
        await world.limits.release(claim, "cloud", entry=0, report=record)
    await world.end(await world.start(world.processing.run(claim)))


async def begun_with(world: World, left: timedelta) -> Job:
    """A job that a worker began with when this much of its window was left."""
    job = await world.submit()
    await world.clock.advance(job.expires_at - world.clock.now() - left)
    await world.run(world.processing.run(await world.claim()), within=left)
    ended: Job = await world.records.get(job.id)
    return ended


async def test_a_job_that_no_call_can_finish_ends_without_one() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await ten_seconds_each(world)
    cloud.calls.clear()
    ended = await begun_with(world, 9 * SECOND)
    assert (ended.state, ended.error_code) == (JobState.TIMED_OUT, "sync_timeout")
    assert ended.error_detail is not None
    assert "too long" in ended.error_detail
    assert ended.finalized_at == ended.expires_at - 9 * SECOND
    assert cloud.calls == []


async def test_its_failure_answer_is_made() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    await ten_seconds_each(world)
    cloud.calls.clear()
    ended = await begun_with(world, 9 * SECOND)
    assert ended.failure_reason is FailureReason.TIMEOUT
    assert ended.result is not None
    assert ended.result.fallback
    assert cloud.calls == []


async def test_a_fallback_on_this_machine_makes_the_picture_instead() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud", "local")
    await ten_seconds_each(world)
    cloud.calls.clear()
    ended = await begun_with(world, 9 * SECOND)
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "local")
    assert cloud.calls == []


async def test_a_job_with_enough_left_is_begun_late() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot("cloud")
    await ten_seconds_each(world)
    assert (await begun_with(world, 12 * SECOND)).state is JobState.SUCCEEDED


async def test_a_failed_call_is_not_repeated_where_none_can_end_in_time() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await ten_seconds_each(world)
    cloud.calls.clear()

    async def fail_late(request: ProviderRequest) -> bytes:
        await world.clock.sleep(12 * SECOND)
        raise Down("no answer")

    cloud.script.append(fail_late)
    ended = await begun_with(world, 21 * SECOND)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "provider_failed")
    assert ended.finalized_at == ended.expires_at - 9 * SECOND
    assert len(cloud.calls) == 1


async def test_such_jobs_end_although_every_place_of_the_worker_is_used() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await ten_seconds_each(world)
    cloud.script.extend([never] * 10)
    waiting = [await world.submit(picture(f"photo {number}")) for number in range(2 * URGENT_JOBS)]
    await world.clock.advance(waiting[0].expires_at - world.clock.now() - 9 * SECOND)
    busy = await world.submit(picture("busy"))
    pool = WorkerPool(
        completion=world.completion,
        queue=world.queue,
        signals=world.signals,
        processing=world.processing,
        acquisition=world.acquisition,
        options=PoolOptions(concurrency=1, lease=timedelta(hours=1)),
    )
    running = asyncio.ensure_future(pool.run())
    for _ in range(2 * len(waiting)):
        await world.clock.advance(SECOND / 2)
    ended = [await world.records.get(job.id) for job in waiting]
    assert {job.state for job in ended} == {JobState.TIMED_OUT}
    assert max(job.finalized_at for job in ended if job.finalized_at) < waiting[0].expires_at
    assert (await world.records.get(busy.id)).state is JobState.PROCESSING
    assert pool.running == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
