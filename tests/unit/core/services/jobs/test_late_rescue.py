"""Late rescue: a paid call may finish after the 504; its picture goes to the gallery, the job stays timed out."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.results.listing import ResultFilter
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.ports.provider import ProviderRequest, Rejected

from tests.support.world import SECOND, TORN, ScriptedProvider, World, picture

pytestmark = pytest.mark.anyio

WINDOW = 48 * SECOND


class Late:
    """A call that takes so long and then gives this."""

    def __init__(self, seconds: float, answer: bytes | Exception) -> None:
        self.seconds, self.answer = seconds, answer
        self.world: World | None = None
        self.stopped = False

    async def __call__(self, request: ProviderRequest) -> bytes:
        assert self.world is not None
        try:
            await self.world.clock.sleep(timedelta(seconds=self.seconds))
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def begun(call: Late, **route: object) -> tuple[World, Job]:
    """A job whose provider is being asked, in a slot with late rescue."""
    call.world = world = World(ScriptedProvider("cloud", call))
    await world.slot("cloud", **{"late_rescue": True} | route)
    job = await world.submit()
    await world.start_work()
    return world, job


async def at(world: World, job: Job, seconds: float) -> Job:
    """The job as it is so long after its making."""
    await world.clock.advance(job.created_at + timedelta(seconds=seconds) - world.clock.now())
    return await world.jobs.get(job.id)


async def test_a_late_picture_goes_to_the_gallery_and_the_job_stays_timed_out() -> None:
    world, job = await begun(Late(60, picture("late")))
    timed_out = await at(world, job, 49)
    assert (timed_out.state, timed_out.result) == (JobState.TIMED_OUT, None)
    rescued = await at(world, job, 61)
    assert (rescued.state, rescued.failure_reason) == (JobState.TIMED_OUT, FailureReason.TIMEOUT)
    assert rescued.result is not None
    assert await world.content(rescued.result.file.key) == picture("late")
    (listed,) = (await world.results.find(ResultFilter(), now=world.clock.now(), limit=10)).items
    assert listed.job == rescued
    assert len(await world.log(job, LogEvent.RESCUED)) == 1
    assert rescued.result.expires_at == job.created_at + 60 * SECOND + timedelta(hours=72)


async def test_the_waiting_client_is_answered_at_the_deadline_all_the_same() -> None:
    world, job = await begun(Late(60, picture("late")))
    waiting = await world.start(world.jobs.wait(job.id))
    ended = await world.end(waiting, within=WINDOW)
    assert (ended.state, ended.result, ended.finalized_at) == (JobState.TIMED_OUT, None, job.expires_at)
    assert (await at(world, job, 61)).result is not None


async def test_the_provider_may_take_a_minute_more_and_not_longer() -> None:
    call = Late(109, picture("too late"))
    world, job = await begun(call)
    assert (await at(world, job, 120)).result is None
    assert call.stopped
    assert await world.files(MediaKind.RESULTS) == []


async def test_without_late_rescue_the_call_is_stopped_at_the_deadline() -> None:
    call = Late(60, picture("late"))
    world, job = await begun(call, late_rescue=False)
    assert (await at(world, job, 100)).result is None
    assert call.stopped


async def test_a_cancelled_job_is_not_rescued() -> None:
    call = Late(60, picture("late"))
    world, job = await begun(call)
    await world.clock.advance(SECOND)
    await world.jobs.cancel(job.id)
    assert (await at(world, job, 100)).result is None
    assert call.stopped
    assert await world.files() == []


@pytest.mark.parametrize("answer", [Rejected("blocked"), TORN, RuntimeError("oops")])
async def test_a_late_call_without_a_picture_changes_nothing(answer: bytes | Exception) -> None:
    world, job = await begun(Late(60, answer))
    before = await at(world, job, 50)
    assert await at(world, job, 100) == before
    assert await world.files() == []


async def test_a_late_picture_takes_the_place_of_the_failure_answer() -> None:
    world, job = await begun(Late(60, picture("late")), failure_answer=FailureAnswer.ORIGINAL)
    answered = await at(world, job, 49)
    assert answered.result is not None
    assert answered.result.fallback
    rescued = await at(world, job, 62)
    assert rescued.result is not None
    assert not rescued.result.fallback
    assert await world.files(MediaKind.RESULTS) == [str(rescued.result.file.key)]


async def test_a_database_that_is_away_loses_the_late_picture_and_leaves_no_file() -> None:
    world, job = await begun(Late(60, picture("late")))
    await at(world, job, 50)
    world.queue.faults["rescue"] = QueueUnavailable("away")
    assert (await at(world, job, 100)).result is None
    await world.run(world.sweeper.sweep_orphans(grace=timedelta(0)))
    assert await world.files() == []


async def test_a_worker_that_stops_does_not_wait_for_late_pictures() -> None:
    call = Late(60, picture("late"))
    world, job = await begun(call)
    await at(world, job, 50)
    await world.run(world.processing.close(), within=SECOND)
    assert call.stopped
    assert (await world.jobs.get(job.id)).result is None


async def test_a_job_in_time_is_nothing_special() -> None:
    world, job = await begun(Late(3, picture("in time")))
    ended = await at(world, job, 10)
    assert ended.state is JobState.SUCCEEDED
    assert await world.log(job, LogEvent.RESCUED) == []


async def test_a_late_picture_that_arrives_while_the_job_ends_keeps_its_file() -> None:
    world, job = await begun(Late(46, picture("late")), failure_answer=FailureAnswer.ORIGINAL)
    finalize = world.queue.mark_finalized

    async def slowly(*args: object, **kwargs: object) -> object:
        await world.clock.sleep(2 * SECOND)
        return await finalize(*args, **kwargs)

    world.queue.mark_finalized = slowly
    rescued = await at(world, job, 60)
    assert rescued.result is not None
    assert not rescued.result.fallback
    assert await world.content(rescued.result.file.key) == picture("late")
