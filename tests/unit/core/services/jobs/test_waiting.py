"""Waiting for a job: waits end in time, with or without wake-ups."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import pytest
from photochanger.adapters.memory import MemoryDatabase
from photochanger.core.domain.deadlines import ORPHAN_GRACE
from photochanger.core.domain.errors import JobNotFound, QueueFull, QueueUnavailable
from photochanger.core.domain.job import Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.ports.database import DatabaseStatus

from tests.support.wiring import get_now
from tests.support.world import SECOND, World

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)
MILLISECOND = timedelta(milliseconds=1)


class SilentSignals:
    """JobSignals that never wake a subscriber."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.process = uuid4()

    def work(self) -> SilentSignals:
        return self

    def finalized(self, job_id: UUID) -> SilentSignals:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was held."""

    async def wait(self, timeout: timedelta) -> bool:
        assert self.world is not None
        await self.world.clock.sleep(timeout)
        return False


def silent_world() -> World:
    signals = SilentSignals()
    signals.world = World(signals=signals)
    return signals.world


def lose(world: World, job: Job) -> None:
    """As in a failover to a standby that did not have the job yet."""
    database = get_now(world.container, DatabaseStatus)
    assert isinstance(database, MemoryDatabase)
    del database.jobs[job.id]


async def test_a_waiter_is_woken_at_once() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.end(await world.start_work())
    assert (await world.end(waiting)).state is JobState.SUCCEEDED  # no time has passed


async def test_waiting_for_a_job_that_has_ended_returns_at_once() -> None:
    world = World()
    await world.slot()
    await world.submit()
    job = await world.work()
    assert await world.run(world.jobs.wait(job.id)) == job


async def test_a_waiter_polls_when_wake_ups_are_lost() -> None:
    world = silent_world()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.clock.advance(SECOND / 2)
    await world.end(await world.start_work())
    assert not waiting.done()
    assert (await world.end(waiting, within=SECOND / 2)).state is JobState.SUCCEEDED


async def test_without_any_wake_up_the_deadline_still_holds() -> None:
    world = silent_world()
    await world.slot()
    job = await world.submit()
    assert (await world.run(world.jobs.wait(job.id), within=WINDOW)).state is JobState.TIMED_OUT


async def test_a_process_that_stood_still_over_the_deadline_ends_the_job_all_the_same() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.clock._elapsed += 2 * WINDOW  # nothing ran meanwhile
    assert (await world.end(waiting, within=SECOND)).state is JobState.TIMED_OUT


async def test_a_shorter_wait_returns_the_live_job_and_leaves_it_alone() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, until=job.created_at + 5 * SECOND))
    await world.clock.advance(5 * SECOND - MILLISECOND)
    assert not waiting.done()
    assert await world.end(waiting, within=MILLISECOND) == job
    assert (await world.work()).state is JobState.SUCCEEDED


async def test_a_wait_without_time_reads_the_job_once() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    assert await world.run(world.jobs.wait(job.id, until=job.created_at)) == job


async def test_a_longer_wait_than_the_window_ends_with_the_window() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    ended = await world.run(world.jobs.wait(job.id, until=job.expires_at + WINDOW), within=WINDOW)
    assert ended.state is JobState.TIMED_OUT


async def test_a_waiter_keeps_waiting_while_the_queue_is_unavailable() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.faults["get"] = QueueUnavailable("away")
    await world.clock.advance(10 * SECOND)
    assert not waiting.done()
    world.records.faults.clear()
    await world.work()
    assert (await world.end(waiting, within=SECOND)).state is JobState.SUCCEEDED


async def test_a_job_that_the_database_has_lost_is_enqueued_again_for_its_waiter() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, known=job))
    lose(world, job)
    await world.clock.advance(2 * SECOND)
    assert (await world.records.get(job.id)).spec == job.spec
    await world.work()
    assert (await world.end(waiting, within=SECOND)).state is JobState.SUCCEEDED


async def test_a_lost_job_finds_its_place_in_a_full_queue_later() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, known=job))
    lose(world, job)
    world.queue.faults["enqueue"] = QueueFull("The queue is full.", retry_after=1)
    await world.clock.advance(10 * SECOND)
    assert not waiting.done()
    world.queue.faults.clear()
    await world.clock.advance(2 * SECOND)
    await world.work()
    assert (await world.end(waiting, within=SECOND)).state is JobState.SUCCEEDED


async def test_an_unavailable_queue_raises_at_the_deadline() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.faults["*"] = world.queue.faults["*"] = QueueUnavailable("away")
    await world.clock.advance(WINDOW - MILLISECOND)
    assert not waiting.done()
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=MILLISECOND)


async def test_an_unavailable_queue_raises_at_the_deadline_also_with_a_failure_answer() -> None:
    world = World()
    await world.slot(failure_answer=FailureAnswer.ORIGINAL)
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.faults["*"] = world.queue.faults["*"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=WINDOW + SECOND)
    assert (await world.files(MediaKind.RESULTS)) != []  # unknown whether a job owns it: the sweeper finds out
    world.records.faults.clear()
    world.queue.faults.clear()
    await world.clock.advance(ORPHAN_GRACE)
    await world.sweeper.sweep_expired()
    await world.clock.advance(SECOND)
    await world.sweeper.sweep_orphans()
    assert await world.files() == []


async def test_a_waiter_that_has_the_job_reads_it_soon_in_case_the_wake_up_came_first() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.run(world.processing.run(await world.claim()))
    ended = await world.run(world.jobs.wait(job.id, known=job), within=timedelta(milliseconds=50))
    assert ended.state is JobState.SUCCEEDED


async def test_a_waiter_that_has_the_job_does_not_read_it_at_once() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, known=job))
    assert "get" not in world.records.calls
    await world.run(world.processing.run(await world.claim()))
    assert (await world.end(waiting)).state is JobState.SUCCEEDED


async def test_a_read_that_the_deadline_cuts_off_is_a_timeout_and_no_outage() -> None:
    world = World()
    await world.slot("cloud")
    job = await world.submit()
    read = world.records.inner.get

    async def slowly(job_id: UUID) -> Job:
        if world.clock.now() >= job.created_at + 47 * SECOND and world.clock.now() < job.expires_at:
            await world.clock.sleep(2 * SECOND)
        return await read(job_id)

    world.records.inner.get = slowly
    ended = await world.run(world.jobs.wait(job.id), within=WINDOW)
    assert (ended.state, ended.finalized_at) == (JobState.TIMED_OUT, job.expires_at)


async def test_a_queue_that_hangs_at_the_deadline_delays_no_waiter_and_the_job_still_ends() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    finalize, answers = world.queue.inner.mark_finalized, asyncio.Event()

    async def hang(*args: object, **kwargs: object) -> bool:
        await answers.wait()
        return bool(await finalize(*args, **kwargs))

    world.queue.mark_finalized = hang
    await world.clock.advance(WINDOW)
    assert not waiting.done()
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=SECOND)
    answers.set()
    await world.clock.advance(MILLISECOND)
    assert (await world.jobs.get(job.id)).state is JobState.TIMED_OUT
    assert await world.files() == []


async def test_many_waiters_at_the_deadline_get_the_same_answer() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = [await world.start(world.jobs.wait(job.id)) for _ in range(5)]
    await world.clock.advance(WINDOW)
    stored = await world.jobs.get(job.id)
    assert [await world.end(task) for task in waiting] == [stored] * 5
    assert len(await world.log(job, LogEvent.FINALIZED)) == 1


async def test_a_waiter_that_is_cancelled_at_the_deadline_leaves_no_half_ended_job() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    finalize = world.queue.inner.mark_finalized

    async def hang_up_meanwhile(*args: object, **kwargs: object) -> bool:
        waiting.cancel()
        await asyncio.sleep(0)
        return bool(await finalize(*args, **kwargs))

    world.queue.mark_finalized = hang_up_meanwhile
    with pytest.raises(asyncio.CancelledError):
        await world.end(waiting, within=WINDOW)
    assert (await world.jobs.get(job.id)).state is JobState.TIMED_OUT
    assert await world.files() == []


async def test_waiting_for_an_unknown_job_raises() -> None:
    world = World()
    for call in (world.jobs.wait, world.jobs.get, world.jobs.cancel):
        with pytest.raises(JobNotFound):
            await world.run(call(uuid4()))
