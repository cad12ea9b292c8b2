"""The worker pool over adapters in memory: what it takes, what it hands back, and what it lives through.

The pool's own pauses run on the event loop's clock, so they are set to nothing where a test meets one; nothing here
waits for time to pass, only for events.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.deadlines import LEASE
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import FailureReason, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.webhook import DeliveryState
from photochanger.core.ports.provider import ProviderRequest
from photochanger.core.services.webhooks.delivery import POLL, DeliveryOptions, WebhookDelivery
from photochanger.entrypoints.worker import pool as worker
from photochanger.entrypoints.worker.heartbeat import Heartbeat
from photochanger.entrypoints.worker.pool import MAX_ATTEMPTS, WorkerPool
from photochanger.entrypoints.worker.worker import Worker

from tests.support.builders import webhook
from tests.support.hooks import ScriptedReceiver
from tests.support.worker_pools import BLINK, at_work, pool_of, stopped, until
from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


async def test_it_takes_as_many_jobs_as_it_may_and_the_next_when_one_is_done() -> None:
    let_go = asyncio.Event()

    async def held(request: ProviderRequest) -> bytes:
        await let_go.wait()
        return picture("held")

    world = World(cloud := ScriptedProvider("cloud", held, never, never))
    await world.slot("cloud")
    jobs = []
    for number in range(4):
        jobs.append(await world.submit(picture(str(number))))
        await world.clock.advance(BLINK)
    async with at_work(world, pool_of(world, concurrency=2)):
        await until(lambda: len(cloud.calls) == 2)
        await world.clock.advance(5 * SECOND)
        assert [request.job_id for request in cloud.calls] == [job.id for job in jobs[:2]]
        assert (await world.queue.depth()).pending == 2
        let_go.set()
        await until(lambda: len(cloud.calls) == 3)
        assert (await world.jobs.get(jobs[0].id)).state is JobState.SUCCEEDED
        assert cloud.calls[2].job_id == jobs[2].id
        assert (await world.queue.depth()).pending == 1


async def test_an_idle_pool_is_woken_by_a_new_job() -> None:
    world = World()
    await world.slot()
    async with at_work(world, pool_of(world)):
        await until(lambda: "acquire" in world.queue.calls)
        await world.clock.advance(timedelta(0))
        job = await world.submit()
        assert (await world.run(world.jobs.wait(job.id))).state is JobState.SUCCEEDED


async def test_a_provider_gets_no_more_jobs_at_once_than_it_says() -> None:
    world = World(cloud := ScriptedProvider("cloud", never, never, max_concurrent=1))
    await world.slot("cloud")
    await world.slot(id="slot-002")
    await world.submit(picture("1"))
    await world.submit(picture("2"))
    other = await world.submit(slot_id="slot-002")
    async with at_work(world, pool_of(world, concurrency=4)):
        assert (await world.run(world.jobs.wait(other.id))).state is JobState.SUCCEEDED
        assert len(cloud.calls) == 1


async def test_a_stopped_pool_takes_nothing_new_and_lets_running_jobs_finish() -> None:
    let_go = asyncio.Event()

    async def held(request: ProviderRequest) -> bytes:
        await let_go.wait()
        return picture("held")

    world = World(cloud := ScriptedProvider("cloud", held))
    await world.slot("cloud")
    job = await world.submit()
    pool = pool_of(world, grace=timedelta(minutes=1))
    async with at_work(world, pool) as running:
        await until(lambda: len(cloud.calls) == 1)
        pool.stop()
        late = await world.submit(picture("late"))
        await world.clock.advance(5 * SECOND)
        assert not running.done()
        let_go.set()
        await stopped(world, pool, running)
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED
    assert (await world.jobs.get(late.id)).attempt == 0


async def test_what_is_not_done_within_the_grace_is_handed_back_for_another_worker() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    pool = pool_of(world)
    async with at_work(world, pool) as running:
        await until(lambda: len(cloud.calls) == 1)
        await stopped(world, pool, running)
    assert cloud.stopped == 1
    handed_back = await world.jobs.get(job.id)
    assert (handed_back.state, handed_back.worker) == (JobState.PENDING, None)
    assert len(await world.log(job, LogEvent.RELEASED)) == 1
    assert (await world.work()).state is JobState.SUCCEEDED  # its payload is still there


async def test_a_grace_can_be_shortened_while_the_pool_stops() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    pool = pool_of(world, grace=timedelta(hours=1))
    async with at_work(world, pool) as running:
        await until(lambda: len(cloud.calls) == 1)
        pool.stop()
        await world.clock.advance(SECOND)
        assert not running.done()
        pool.stop(timedelta(0))
        pool.stop(timedelta(hours=1))  # a longer one changes nothing
        await until(running.done)
    assert (await world.jobs.get(job.id)).state is JobState.PENDING


async def test_a_cancelled_pool_hands_back_at_once() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    async with at_work(world, pool_of(world, grace=timedelta(minutes=1))) as running:
        await until(lambda: len(cloud.calls) == 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (await world.jobs.get(job.id)).state is JobState.PENDING


async def test_an_idle_pool_stops_at_once() -> None:
    world = World()
    pool = pool_of(world)
    async with at_work(world, pool) as running:
        await until(lambda: "acquire" in world.queue.calls)
        pool.stop()
        await until(running.done)


async def test_a_running_job_keeps_its_lease() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    async with at_work(world, pool_of(world, lease=BLINK)):
        await until(lambda: len(cloud.calls) == 1)
        before = (await world.jobs.get(job.id)).lease_until
        await world.clock.advance(BLINK / 2)
        world.queue.calls.clear()
        await until(lambda: world.queue.calls.count("renew") >= 2)
        after = (await world.jobs.get(job.id)).lease_until
        assert before is not None
        assert after == before + BLINK / 2


async def test_work_on_a_job_that_is_no_longer_ours_is_stopped() -> None:
    world = World(cloud := ScriptedProvider("cloud", never, never))
    await world.slot("cloud")
    job = await world.submit()
    async with at_work(world, pool_of(world, concurrency=1, lease=timedelta(milliseconds=30))):
        await until(lambda: len(cloud.calls) == 1)
        taken = await world.queue.inner.acquire("thief", n=1, lease=LEASE)
        assert taken == []  # not while the lease lasts
        world.queue.faults["renew"] = QueueUnavailable("away")  # or the lease would be renewed on the way
        await world.clock.advance(timedelta(milliseconds=30))
        (claim,) = await world.queue.inner.acquire("thief", n=1, lease=LEASE)
        world.queue.faults.clear()
        await until(lambda: cloud.stopped == 1)
        held = await world.jobs.get(job.id)
        assert (held.worker, held.attempt, claim.attempt) == ("thief", 2, 2)
        assert await world.log(job, LogEvent.RELEASED) == []  # it was not ours to hand back


async def test_a_pause_that_is_longer_than_the_lease_runs_no_job_twice() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    stays = await world.submit()
    async with at_work(world, pool_of(world)):
        await until(lambda: len(cloud.calls) == 1)
        await world.clock.advance(2 * LEASE)
        ended = await world.submit()
        assert (await world.run(world.jobs.wait(ended.id))).state is JobState.SUCCEEDED
        assert len(cloud.calls) == 2
        assert (await world.jobs.get(stays.id)).attempt == 1


async def test_leases_that_cannot_be_renewed_for_a_moment_stop_nothing() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    await world.submit()
    async with at_work(world, pool_of(world, lease=BLINK)):
        await until(lambda: len(cloud.calls) == 1)
        world.queue.faults["renew"] = QueueUnavailable("away")
        world.queue.calls.clear()
        await until(lambda: world.queue.calls.count("renew") >= 3)
        world.queue.faults.clear()
        world.queue.calls.clear()
        await until(lambda: world.queue.calls.count("renew") >= 2)
        assert cloud.stopped == 0


async def test_an_outage_of_the_queue_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_OUTAGE_PAUSE", timedelta(0))
    world = World()
    await world.slot()
    job = await world.submit()
    world.queue.faults["acquire"] = QueueUnavailable("away")
    async with at_work(world, pool_of(world)) as running:
        await until(lambda: world.queue.calls.count("acquire") >= 3)
        assert not running.done()
        world.queue.faults.clear()
        assert (await world.run(world.jobs.wait(job.id))).state is JobState.SUCCEEDED


async def test_leases_that_expired_in_an_outage_are_renewed_before_jobs_are_acquired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "_OUTAGE_PAUSE", timedelta(0))
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    async with at_work(world, pool_of(world)):
        await until(lambda: len(cloud.calls) == 1)
        world.queue.faults |= dict.fromkeys(("acquire", "renew"), QueueUnavailable("away"))
        world.queue.calls.clear()
        await world.submit(picture("the next one"))
        await until(lambda: "renew" in world.queue.calls)  # the outage is known
        await world.clock.advance(2 * LEASE)
        world.queue.faults.clear()
        await until(lambda: len(cloud.calls) == 2)
        calls = world.queue.calls
        assert calls[calls.index("acquire", calls.index("acquire") + 1) - 1] == "renew"
        assert (await world.records.get(job.id)).attempt == 1


async def test_a_pool_can_be_stopped_in_an_outage() -> None:
    world = World()
    world.queue.faults["*"] = QueueUnavailable("away")
    pool = pool_of(world)
    async with at_work(world, pool) as running:
        await until(lambda: "acquire" in world.queue.calls)
        pool.stop()
        await until(running.done)
        running.result()


async def test_a_job_that_meets_an_unforeseen_error_gets_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    prepare, failures = world.images.prepare, iter([True])

    async def fails_once(*args, **kwargs):  # type: ignore[no-untyped-def]
        if next(failures, False):
            raise RuntimeError("a mistake of our own")
        return await prepare(*args, **kwargs)

    monkeypatch.setattr(world.images, "prepare", fails_once)
    await world.slot()
    job = await world.submit()
    async with at_work(world, pool_of(world)):
        ended = await world.run(world.jobs.wait(job.id))
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)


async def test_a_job_that_never_works_is_failed_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    prepare, attempts = world.images.prepare, 0

    async def poisoned(path, needs):  # type: ignore[no-untyped-def]
        nonlocal attempts
        whole = await prepare(path, needs)
        if b"poison" in whole.data:
            attempts += 1
            raise RuntimeError("a mistake of our own")
        return whole

    monkeypatch.setattr(world.images, "prepare", poisoned)
    await world.slot()
    poison, good = await world.submit(picture("poison")), await world.submit(picture("good"))
    async with at_work(world, pool_of(world, concurrency=1)):
        for job in (poison, good):
            async with asyncio.timeout(60):
                await world.jobs.wait(job.id)
    failed = await world.jobs.get(poison.id)
    assert (attempts, failed.attempt) == (MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert (failed.state, failed.failure_reason, failed.error_code) == (
        JobState.FAILED,
        FailureReason.PROVIDER_ERROR,
        "provider_failed",
    )
    assert "mistake" not in (failed.error_detail or "")
    assert (await world.jobs.get(good.id)).state is JobState.SUCCEEDED
    assert await world.files(MediaKind.PAYLOADS) == []


async def test_each_pool_has_a_name_of_its_own() -> None:
    world = World()
    assert pool_of(world).name != pool_of(world).name


# The pool together with webhook delivery


async def worker_of(world: World, receiver: ScriptedReceiver, pool: WorkerPool) -> Worker:
    """A worker that also delivers the webhook of the world's slot."""
    box = AesSecretBox(lambda: "a secret of this service that is long enough")
    await world.webhooks.save(webhook(sealed_secret=box.seal("whsec_aGVsbG8=", purpose="webhook slot-001")))
    delivery = WebhookDelivery(
        webhooks=world.webhooks,
        outbox=world.outbox,
        jobs=world.records,
        box=box,
        sender=receiver,
        clock=world.clock,
        options=DeliveryOptions(),
    )
    return Worker(pool, delivery, Heartbeat(world.workers))


async def test_a_worker_runs_jobs_and_deliveries_and_stops_both_together() -> None:
    world, receiver = World(), ScriptedReceiver()
    await world.slot()
    job = await world.submit()
    worker = await worker_of(world, receiver, pool_of(world))
    running = asyncio.create_task(worker.run())
    await world.run(world.jobs.wait(job.id))
    await world.clock.advance(POLL)  # and no more, or a lease may end while a thread opens the secret
    await until(lambda: len(receiver.calls) == 1)
    assert receiver.calls[0].message["data"]["job_id"] == str(job.id)
    await until(lambda: "delivered" in world.outbox.calls)
    worker.stop()
    async with asyncio.timeout(60):
        while not running.done():
            await world.clock.advance(SECOND)
    running.result()
    assert [one.state for one in (await world.outbox.find(limit=10)).items] == [DeliveryState.DELIVERED]


async def test_a_worker_whose_pool_fails_delivers_no_more() -> None:
    world, receiver = World(), ScriptedReceiver()
    await world.slot()
    world.queue.faults["acquire"] = RuntimeError("a mistake of our own")
    worker = await worker_of(world, receiver, pool_of(world))
    with pytest.raises(RuntimeError):
        await worker.run()
    asked = len(world.outbox.calls)
    await world.clock.advance(10 * SECOND)
    assert len(world.outbox.calls) == asked


async def test_a_cancelled_worker_leaves_nothing_running() -> None:
    world, receiver = World(), ScriptedReceiver()
    await world.slot()
    running = await world.start((await worker_of(world, receiver, pool_of(world))).run())
    running.cancel()
    async with asyncio.timeout(60):
        while not running.done():
            await world.clock.advance(SECOND)
    assert running.cancelled()
    asked = len(world.outbox.calls)
    await world.clock.advance(10 * SECOND)
    assert len(world.outbox.calls) == asked
