"""The JobService for clients that submit: photos accepted or refused, jobs created or joined, cancelled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from photochanger.core.domain.deadlines import ORPHAN_GRACE
from photochanger.core.domain.errors import (
    ImageTooLarge,
    QueueFull,
    QueueUnavailable,
    SlotDisabled,
    SlotNotFound,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
    UploadInterrupted,
)
from photochanger.core.domain.job import Job, JobSource, JobSpec, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.settings import AppSettings
from photochanger.core.ports.provider import Rejected

from tests.support.world import SECOND, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)
MILLISECOND = timedelta(milliseconds=1)


# Who may come in


async def test_a_slot_that_is_disabled_or_unknown_or_without_a_route_accepts_no_photo() -> None:
    world = World()
    await world.slot(id="slot-002", active=False)
    bare = await world.slot(id="slot-003")
    await world.slots.save(
        type(bare)(bare.id, bare.name, True, type(bare.route)(entries=())), expected_version=bare.version
    )
    with pytest.raises(SlotNotFound):
        await world.submit(slot_id="slot-016")
    for slot_id in ("slot-002", "slot-003"):
        with pytest.raises(SlotDisabled):
            await world.submit(slot_id=slot_id)
    assert await world.files() == []


# Jobs made and joined


async def test_a_job_has_its_source() -> None:
    world = World()
    slot = await world.slot()
    assert (await world.submit()).source is JobSource.LIBRARY
    photo = await world.jobs.receive_photo(slot, chunks(picture()))
    assert (await world.jobs.create(slot, photo)).source is JobSource.INGEST


async def test_the_links_of_two_jobs_differ() -> None:
    world = World()
    await world.slot()
    assert (await world.submit()).access_token != (await world.submit()).access_token


async def test_the_same_key_on_the_same_slot_joins_and_the_second_photo_is_removed() -> None:
    world = World()
    await world.slot()
    await world.slot(id="slot-002")
    first = await world.submit(idempotency_key="k")
    joined = await world.submit(picture("another try"), idempotency_key="k")
    assert joined == first
    assert await world.files() == [str(first.photo.file.key)]
    assert (await world.submit(idempotency_key="other")).id != first.id
    assert (await world.submit(idempotency_key="k", slot_id="slot-002")).id != first.id
    assert (await world.submit()).id != first.id


async def test_the_same_key_finds_the_finished_picture_until_it_is_purged() -> None:
    world = World(settings=AppSettings(result_retention=timedelta(hours=1)))
    await world.slot()
    first = await world.submit(idempotency_key="k")
    done = await world.work()
    assert await world.submit(idempotency_key="k") == done
    assert done.id == first.id
    await world.clock.advance(timedelta(hours=1))
    await world.sweeper.sweep_expired()
    assert (await world.submit(idempotency_key="k")).id != first.id


async def test_the_same_key_makes_a_new_job_after_a_failure() -> None:
    world = World(ScriptedProvider("cloud", Rejected("no")))
    await world.slot("cloud")
    first = await world.submit(idempotency_key="k")
    assert (await world.work()).state is JobState.FAILED
    assert (await world.submit(idempotency_key="k")).id != first.id


async def test_a_photo_sent_again_joins_the_job_whose_client_disconnected() -> None:
    world = World(settings=AppSettings(max_active_jobs=1))
    await world.slot()
    first = await world.submit()
    await world.queue.abandon(first.id)
    again = await world.submit()
    assert again.id == first.id
    assert await world.files() == [str(first.photo.file.key)]
    assert len(await world.log(first, LogEvent.JOINED)) == 1
    with pytest.raises(QueueFull):
        await world.submit()  # it has a client again: a further one is another guest


async def test_a_photo_sent_again_gets_the_picture_that_was_finished_meanwhile_but_only_before_the_deadline() -> None:
    world = World()
    await world.slot()
    first = await world.submit()
    await world.queue.abandon(first.id)
    done = await world.work(within=SECOND)
    assert (await world.submit()).result == done.result
    await world.queue.abandon(first.id)
    await world.clock.advance(WINDOW)
    assert (await world.submit()).id != first.id


async def test_a_full_queue_refuses_and_the_photo_is_removed() -> None:
    world = World(settings=AppSettings(max_active_jobs=1))
    await world.slot()
    first = await world.submit()
    with pytest.raises(QueueFull) as refused:
        await world.submit(picture("second"))
    assert refused.value.retry_after == 48
    assert await world.files() == [str(first.photo.file.key)]


async def test_a_queue_that_comes_back_within_the_window_takes_the_photo() -> None:
    world = World()
    await world.slot()
    world.queue.faults["enqueue"] = QueueUnavailable("away")
    begun = world.clock.now()
    submitted = asyncio.ensure_future(world.submit())
    await world.clock.advance(WINDOW / 2)
    assert not submitted.done()
    del world.queue.faults["enqueue"]
    await world.clock.advance(WINDOW / 4)
    job = await submitted
    assert job.expires_at == begun + WINDOW
    assert await world.files() == [str(job.photo.file.key)]


async def test_a_queue_that_stays_away_refuses_at_the_end_of_the_window_and_the_sweeper_removes_the_photo() -> None:
    world = World()
    await world.slot()
    world.queue.faults["enqueue"] = QueueUnavailable("away")
    submitted = asyncio.ensure_future(world.submit())
    await world.clock.advance(WINDOW - SECOND)
    assert not submitted.done()
    await world.clock.advance(2 * SECOND)
    assert submitted.done()
    with pytest.raises(QueueUnavailable):
        await submitted
    assert len(await world.files()) == 1, "a job may own it: the last reply may have been lost"
    del world.queue.faults["enqueue"]
    await world.clock.advance(ORPHAN_GRACE * 2)
    await world.sweeper.sweep_orphans()
    assert await world.files() == []


async def test_a_job_whose_reply_was_lost_is_found_by_its_id_and_keeps_its_photo() -> None:
    world = World()
    await world.slot()
    enqueue = world.queue.enqueue

    async def executed_without_a_reply(spec: JobSpec, *, max_active: int, **rest: Any) -> Job:
        await enqueue(spec, max_active=max_active, **rest)
        raise QueueUnavailable("the connection was lost")

    world.queue.enqueue = executed_without_a_reply
    submitted = asyncio.ensure_future(world.submit(idempotency_key="once"))
    await world.clock.advance(SECOND)
    job = await submitted
    assert await world.records.get(job.id) == job
    assert await world.files() == [str(job.photo.file.key)]
    world.queue.enqueue = enqueue
    assert await world.submit(picture("again"), idempotency_key="once") == job
    assert (await world.queue.depth()).pending == 1


async def test_the_window_begins_when_the_photo_began_to_arrive() -> None:
    world = World()
    slot = await world.slot()
    photo = await world.jobs.receive_photo(slot, chunks(picture()))
    job = await world.jobs.create(slot, photo, received_at=world.clock.now() - WINDOW / 2)
    assert job.expires_at == world.clock.now() + WINDOW / 2


async def test_a_photo_that_arrived_after_its_window_is_refused_and_removed() -> None:
    world = World()
    slot = await world.slot()
    photo = await world.jobs.receive_photo(slot, chunks(picture()))
    with pytest.raises(UploadInterrupted):
        await world.jobs.create(slot, photo, received_at=world.clock.now() - WINDOW)
    assert await world.files() == []


# Ending


async def test_an_invalid_picture_leaves_no_file() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    for data, error in (
        (b"{}", UnsupportedMediaType),
        (picture("torn"), UndecodableImage),
        (picture(width=10**5, height=10**5), ImageTooLarge),
    ):
        with pytest.raises(error):
            await world.pictures.store(job.id, data, limits=world.providers.limits)
    assert await world.files(MediaKind.RESULTS) == []


async def test_a_picture_that_cannot_be_stored_raises_storage_unavailable() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    world.store.faults["put"] = StorageUnavailable("full")
    with pytest.raises(StorageUnavailable):
        await world.pictures.store(job.id, picture(), limits=world.providers.limits)


# Cancelling


async def test_one_of_concurrent_cancels_succeeds_and_the_others_raise() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    cancelling = [asyncio.ensure_future(world.jobs.cancel(job.id)) for _ in range(3)]
    await world.clock.advance(timedelta(0))
    ends = await asyncio.gather(*cancelling, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Job", "JobFinalized", "JobFinalized"]
    assert (await world.jobs.get(job.id)).state is JobState.CANCELLED
    assert len(await world.log(job, LogEvent.FINALIZED)) == 1


# Lists and logs


async def test_the_log_of_a_job_has_its_whole_life() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.work()
    events = [entry.event for entry in await world.job_log.entries(job.id)]
    assert events[:2] == [LogEvent.RECEIVED, LogEvent.ACQUIRED]
    assert {LogEvent.ATTEMPT, LogEvent.FINALIZED} == {*events[2:]}
    assert await world.job_log.entries(uuid4()) == []
