"""A process that stood still for a while: what it did not read in time is no failure of a provider, and paid once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.deadlines import LEASE
from photochanger.core.domain.errors import ClaimLost
from photochanger.core.domain.job import Job, JobState, LogEvent
from photochanger.core.domain.routing.provider_usage import CallOutcome, CallRecord
from photochanger.core.ports.provider import ProviderRequest, Retryable

from tests.support.world import SECOND, ScriptedProvider, World, picture

pytestmark = pytest.mark.anyio

USUAL = 3


class Unread:
    """A call whose answer comes while the process stands still, and is read when the test says so."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.read = asyncio.Event()
        self._answer = answer

    async def __call__(self, request: ProviderRequest) -> bytes:
        await self.read.wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def under_way(world: World, *, hedge: bool = False) -> tuple[Job, asyncio.Task[None]]:
    """A job whose call to `cloud` has begun a second ago; such calls usually take three."""
    await world.slot("cloud", "other", hedge=hedge)
    earlier = await world.submit(picture("earlier"))
    claim = await world.claim()
    report = CallRecord("enhance", CallOutcome.PICTURE, timedelta(seconds=USUAL))
    for _ in range(20):
        await world.limits.release(claim, "cloud", entry=0, report=report)
    await world.jobs.cancel(earlier.id)
    job = await world.submit()
    work = await world.start_work()
    await world.clock.advance(SECOND)
    return job, work


@pytest.mark.parametrize("hedge", [False, True])
async def test_an_answer_that_came_meanwhile_is_read_and_no_other_call_made(hedge: bool) -> None:
    unread = Unread(picture("made"))
    world = World(cloud := ScriptedProvider("cloud", unread), other := ScriptedProvider("other"))
    job, work = await under_way(world, hedge=hedge)
    world.clock.stand_still(20 * SECOND)
    await world.clock.advance(SECOND)
    unread.read.set()
    await world.end(work, within=SECOND)
    ended = await world.jobs.get(job.id)
    assert (ended.state, len(cloud.calls), cloud.stopped, len(other.calls)) == (JobState.SUCCEEDED, 1, 0, 0)
    await world.run(world.processing.close())
    assert {*(await world.limits.health())["cloud"].recent_ms["enhance"]} == {USUAL * 1000}


async def test_a_call_that_broke_meanwhile_is_made_again_and_counts_against_nobody() -> None:
    unread = Unread(Retryable("the connection was lost"))
    world = World(cloud := ScriptedProvider("cloud", unread), ScriptedProvider("other"))
    job, work = await under_way(world)
    world.clock.stand_still(10 * SECOND)
    await world.clock.advance(timedelta(0))
    unread.read.set()
    await world.end(work, within=20 * SECOND)
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED
    assert len(cloud.calls) == 2
    await world.run(world.processing.close())
    assert (await world.limits.health())["cloud"].health == 1
    assert [entry["classification"] for entry in await world.log(job, LogEvent.ATTEMPT)] == ["retryable", "picture"]


async def test_a_worker_that_has_lost_its_job_begins_no_call() -> None:
    """It stood still between its acquisition of the job and the first call."""
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await world.submit()
    first = await world.claim()
    world.clock.stand_still(LEASE)
    second = await world.claim("worker-2")
    with pytest.raises(ClaimLost):
        await world.run(world.processing.run(first))
    assert cloud.calls == []
    await world.run(world.processing.run(second))
    assert len(cloud.calls) == 1
    await world.run(world.processing.close())
    assert [call.attempt for call in await world.ledger.of_job(first.job.id)] == [2]


async def test_a_call_that_still_hangs_afterwards_is_given_up_as_ever() -> None:
    world = World(cloud := ScriptedProvider("cloud", Unread(b"")), ScriptedProvider("other"))
    job, work = await under_way(world)
    world.clock.stand_still(5 * SECOND)
    await world.end(work, within=30 * SECOND)
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED
    assert (len(cloud.calls), cloud.stopped) == (2, 1)
