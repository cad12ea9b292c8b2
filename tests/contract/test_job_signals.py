"""The JobSignals contract: no subscriber misses its wake-up."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest
from photochanger.adapters.postgres import ListenMode
from photochanger.core.ports.job_queue import WorkSubscription

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded

pytestmark = pytest.mark.anyio

LONG = timedelta(minutes=2)
SHORT = timedelta(milliseconds=50)
LEASE = timedelta(hours=1)


async def is_left_alone(backend: SimpleNamespace, work: WorkSubscription) -> bool:
    """Whether no further wake-up comes. Through a pooler a look at the queue as it was before may be under way."""
    if getattr(backend.signals, "mode", ListenMode.LISTEN) is not ListenMode.LISTEN:
        await work.wait(SHORT)
    return not await work.wait(SHORT)


async def test_a_new_job_wakes_who_waits_for_work(backend: SimpleNamespace) -> None:
    with backend.signals.work() as work:
        waiting = asyncio.create_task(work.wait(LONG))
        await backend.queue.enqueue(new_job(), max_active=10)
        assert await waiting


async def test_a_wake_up_before_the_wait_is_not_lost(backend: SimpleNamespace) -> None:
    with backend.signals.work() as work:
        await backend.queue.enqueue(new_job(), max_active=10)
        assert await work.wait(LONG)


async def test_jobs_that_came_while_nothing_waited_wake_the_next_subscriber_once(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=10)
    with backend.signals.work() as work:
        assert await work.wait(LONG)
        assert len(await backend.queue.acquire("worker-1", n=1, lease=LEASE)) == 1
        assert await is_left_alone(backend, work)


async def test_jobs_that_an_acquisition_left_over_wake_the_next_subscriber(backend: SimpleNamespace) -> None:
    for _ in range(3):
        await backend.queue.enqueue(new_job(), max_active=10)
    with backend.signals.work() as work:
        assert await work.wait(LONG)
    for left in (2, 1):
        assert len(await backend.queue.acquire("worker-1", n=1, lease=LEASE)) == 1
        with backend.signals.work() as work:
            assert await work.wait(LONG), f"{left} of them are there"
    assert len(await backend.queue.acquire("worker-1", n=1, lease=LEASE)) == 1
    with backend.signals.work() as work:
        assert await is_left_alone(backend, work)


async def test_without_a_wake_up_the_wait_ends_with_its_timeout(backend: SimpleNamespace) -> None:
    with backend.signals.work() as work:
        assert not await work.wait(SHORT)
        await backend.queue.enqueue(new_job(), max_active=10)
        assert await work.wait(LONG)


async def test_a_released_job_wakes_who_waits_for_work(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=10)
    (claim,) = await backend.queue.acquire("worker-1", n=1, lease=LEASE)
    with backend.signals.work() as work:
        while await work.wait(SHORT):
            pass  # the wake-up of the enqueue may still be on its way
        await backend.queue.release(claim)
        assert await work.wait(LONG)


async def test_a_finalized_job_wakes_all_its_subscribers(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    with backend.signals.finalized(job.id) as one, backend.signals.finalized(job.id) as other:
        await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
        assert await one.wait(LONG)
        assert await other.wait(LONG)


async def test_the_end_of_another_job_wakes_no_subscriber(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    other = await backend.queue.enqueue(new_job(), max_active=10)
    with backend.signals.finalized(job.id) as mine, backend.signals.finalized(other.id) as theirs:
        await backend.queue.mark_finalized(other.id, outcome_failed(other), claim=None)
        assert await theirs.wait(LONG)
        assert not await mine.wait(SHORT)


async def test_a_late_finalize_wakes_no_subscriber(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    with backend.signals.finalized(job.id) as ended:
        await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
        assert await ended.wait(LONG)
        await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
        assert not await ended.wait(SHORT)


async def test_jobs_that_are_ended_at_their_deadline_wake_who_waits(backend: SimpleNamespace) -> None:
    jobs = [await backend.queue.enqueue(expired_job(), max_active=10) for _ in range(2)]
    with backend.signals.finalized(jobs[0].id) as first, backend.signals.finalized(jobs[1].id) as second:
        await backend.queue.release_expired(limit=10)
        assert await first.wait(LONG)
        assert await second.wait(LONG)


async def test_many_jobs_that_end_at_once_wake_each_its_own_waiter(backend: SimpleNamespace) -> None:
    jobs = [await backend.queue.enqueue(new_job(), max_active=100) for _ in range(64)]

    async def wait_for(job_id) -> bool:
        with backend.signals.finalized(job_id) as ended:
            listening.release()
            return await ended.wait(LONG)

    listening = asyncio.Semaphore(0)
    waiters = [asyncio.create_task(wait_for(job.id)) for job in jobs]
    for _ in waiters:
        await listening.acquire()
    await asyncio.gather(*(backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None) for job in jobs))
    assert all(await asyncio.gather(*waiters))


async def test_a_cancelled_wait_leaves_the_ear_open_for_the_next(backend: SimpleNamespace) -> None:
    with backend.signals.work() as work:
        waiting = asyncio.create_task(work.wait(LONG))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await backend.queue.enqueue(new_job(), max_active=10)
        assert await work.wait(LONG)
