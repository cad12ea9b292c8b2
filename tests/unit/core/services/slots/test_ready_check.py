"""The ready check: every active slot gets a photo as from a guest, and guests keep their share of the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from photochanger.core.domain.errors import CheckRunning, QueueUnavailable
from photochanger.core.domain.job import JobSource
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.domain.slots.slot_check import CheckOutcome, SlotCheck
from photochanger.core.domain.worker import WorkerReport
from photochanger.core.ports.provider import Rejected, Retryable

from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


async def employ(world: World, concurrency: int = 4) -> None:
    """A worker process sends a heartbeat."""
    await world.workers.heartbeat(
        WorkerReport(name="w", host="booth", pid=1, concurrency=concurrency, running=0, version="1")
    )


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """Somebody takes every job as it comes."""

    async def work() -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                for claim in await world.claims("w", n=8):
                    running.add(asyncio.ensure_future(world.processing.run(claim)))
                await world.clock.sleep(timedelta(milliseconds=100))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    worker = asyncio.ensure_future(work())
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def check(world: World) -> list[SlotCheck]:
    """Everything that a check finds."""
    slots = await world.ready_check.active_slots()
    async with world.ready_check.checking(slots, picture("reference")) as found:
        return [one async for one in found]


def by_slot(found: Iterable[SlotCheck]) -> dict[str, SlotCheck]:
    return {one.slot_id: one for one in found}


async def test_each_active_slot_is_checked_and_reported() -> None:
    world = World(
        ScriptedProvider("good"),
        ScriptedProvider("unreliable", Retryable("busy")),
        ScriptedProvider("bad", Rejected("not this one")),
        ScriptedProvider("worse", Rejected("nor this")),
    )
    await employ(world)
    await world.slot("good/enhance", id="slot-001")
    await world.slot("unreliable", id="slot-002")
    await world.slot("bad", "good", id="slot-003")
    await world.slot("worse", id="slot-004", failure_answer=FailureAnswer.ORIGINAL)
    await world.slot("good", id="slot-005", active=False)
    async with working(world):
        found = by_slot(await world.run(check(world), within=timedelta(minutes=2)))
    assert sorted(found) == ["slot-001", "slot-002", "slot-003", "slot-004"]
    first = found["slot-001"]
    assert (first.outcome, first.provider_id, first.operation_id) == (CheckOutcome.PICTURE, "good", "enhance")
    assert (first.entry, first.calls, first.code, first.troubles) == (0, 1, None, ())
    assert first.latency is not None
    assert first.job_id is not None
    assert (await world.records.get(first.job_id)).source is JobSource.TEST
    assert (found["slot-002"].calls, found["slot-002"].ready) == (2, True)
    assert [trouble.reason for trouble in found["slot-002"].troubles] == ["busy"]
    assert (found["slot-003"].entry, found["slot-003"].provider_id) == (1, "good")
    assert found["slot-003"].troubles[0].classification == "rejected"
    last = found["slot-004"]
    assert (last.outcome, last.ready, last.code) == (CheckOutcome.FALLBACK, False, "provider_failed")
    assert await world.files(MediaKind.PAYLOADS) == []


async def test_a_slot_without_a_route_and_one_that_hangs_fail() -> None:
    world = World(ScriptedProvider("slow", *[never] * 20))
    await employ(world)
    await world.slot("slow", id="slot-001")
    empty = await world.slot(id="slot-002")
    await world.slots.save(
        type(empty)(id=empty.id, name="Empty", active=True, route=type(empty.route)(entries=())), expected_version=1
    )
    async with working(world):
        found = by_slot(await world.run(check(world), within=timedelta(minutes=2)))
    assert (found["slot-001"].outcome, found["slot-001"].code) == (CheckOutcome.FAILED, "sync_timeout")
    assert (found["slot-002"].outcome, found["slot-002"].code) == (CheckOutcome.FAILED, "slot_disabled")


async def test_guests_keep_half_of_the_free_places_and_half_of_the_workers() -> None:
    world = World(ScriptedProvider("slow", *[never] * 20), settings=AppSettings(max_active_jobs=8))
    await employ(world, concurrency=64)
    for number in range(1, 11):
        await world.slot("slow", id=f"slot-{number:03d}")
    for _ in range(4):
        await world.submit()  # four of eight places are left, so two may be taken
    checking = await world.start(check(world))
    await world.clock.advance(SECOND)
    assert (await world.queue.depth()).active == 6
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)


async def test_few_workers_have_few_tests() -> None:
    world = World()
    await employ(world, concurrency=2)
    for number in range(1, 5):
        await world.slot(id=f"slot-{number:03d}")
    checking = await world.start(check(world))
    await world.clock.advance(SECOND)
    assert (await world.queue.depth()).active == 1
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)


async def test_without_a_worker_nothing_is_tried() -> None:
    world = World()
    await world.slot()
    (one,) = await world.run(check(world))
    assert (one.outcome, one.code) == (CheckOutcome.NOT_RUN, "worker_missing")
    assert (await world.queue.depth()).active == 0


async def test_a_full_queue_is_waited_for_and_then_reported() -> None:
    world = World(settings=AppSettings(max_active_jobs=2))
    await employ(world)
    await world.slot()
    await world.submit()
    checking = await world.start(check(world))
    await world.clock.advance(timedelta(seconds=10))
    assert not checking.done()
    for _ in range(6):
        await employ(world)
        await world.clock.advance(timedelta(seconds=10))
    (one,) = await world.end(checking)
    assert (one.outcome, one.code) == (CheckOutcome.NOT_RUN, "queue_full")


async def test_a_queue_that_goes_away_ends_what_is_left() -> None:
    world = World()
    await employ(world)
    await world.slot()
    world.queue.faults["depth"] = QueueUnavailable("away")
    (one,) = await world.run(check(world))
    assert (one.outcome, one.code, one.detail) == (CheckOutcome.NOT_RUN, "queue_unavailable", "away")


async def test_one_check_at_a_time_and_a_new_one_after_it() -> None:
    world = World()
    await employ(world)
    slot = await world.slot()
    async with world.ready_check.checking([slot], b""):
        with pytest.raises(CheckRunning):
            world.ready_check.require_idle()
        with pytest.raises(CheckRunning):
            await check(world)
    world.ready_check.require_idle()


async def test_who_leaves_early_has_no_further_slot_tried() -> None:
    world = World()
    await employ(world)
    for number in range(1, 9):
        await world.slot(id=f"slot-{number:03d}")
    checking = await world.start(check(world))
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)
    await world.clock.advance(5 * SECOND)
    assert (await world.queue.depth()).active == 2
    world.ready_check.require_idle()
